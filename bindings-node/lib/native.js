'use strict'

const target = require('./target')

function load() {
  const name = target()
  for (const place of [`../keepward.${name}.node`, `keepward-${name}`]) {
    try {
      return require(place)
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  throw new Error(`keepward has no addon for ${name}: build it with \`npm run build\``)
}

module.exports = load()
