'use strict'

/** Whether an object has no class, in whatever realm it was made: tests run in realms of their own, and so do sandboxes. */
module.exports = function isPlain(object) {
  const prototype = Object.getPrototypeOf(object)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
