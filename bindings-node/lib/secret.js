'use strict'

const { inspect } = require('node:util')

/** A text that must not be seen. */
class Secret {
  #text

  constructor(text) {
    if (typeof text !== 'string') throw new TypeError('a secret is a string')
    this.#text = text
    // A function of its own can't be cloned to another thread: it throws, where an object without fields would arrive empty.
    Object.defineProperty(this, 'toJSON', { value: () => 'Secret(...)', enumerable: true })
    Object.freeze(this)
  }

  reveal() {
    return this.#text
  }

  toString() {
    return 'Secret(...)'
  }

  [inspect.custom]() {
    return 'Secret(...)'
  }
}

module.exports = Secret
