'use strict'

const isPlain = require('./plain')

const wire = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** A value with the names of its fields as the wire has them: `valueWei` is `value_wei`. */
module.exports = function fields(value) {
  if (Array.isArray(value)) return value.map(fields)
  if (value === null || typeof value !== 'object' || !isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [wire(name), fields(inner)]))
}
