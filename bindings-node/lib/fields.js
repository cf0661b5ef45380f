'use strict'

const isPlain = require('./plain')

/** Deeper than this nothing of the API goes. */
const MAX_DEPTH = 32

const wire = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** A value with the names of its fields as the wire has them: `valueWei` is `value_wei`. What is too deep stays as it is. */
function fields(value, depth = 0) {
  if (depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((item) => fields(item, depth + 1))
  if (value === null || typeof value !== 'object' || !isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [wire(name), fields(inner, depth + 1)]))
}

module.exports = Object.assign(fields, { MAX_DEPTH })
