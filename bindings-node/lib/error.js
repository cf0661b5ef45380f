'use strict'

/** A call that did not do what it was asked to. */
module.exports = class KeepwardError extends Error {
  constructor(title, { status, type, detail, fields, requestId, retryAfter } = {}) {
    super((status ? `${status} ` : '') + title + (detail ? `: ${detail}` : ''))
    Object.assign(this, { status, type, title, detail, fields: fields || {}, requestId, retryAfter })
  }

  get name() {
    return this.constructor.name
  }
}
