'use strict'

const native = require('./native')
const resources = require('./resources')
const errors = require('./errors')
const Secret = require('./secret')

/** Of the classes that an instance may have been made by: a text or a secret. */
const text = (value) => (value instanceof Secret ? value.reveal() : value)

/** What the native half makes of a text that must not be seen. */
const hide = (value) => new Secret(value)

/** A value of a call as JSON, whole numbers of any size exact. */
function json(value) {
  if (value === undefined || value === null) return 'null'
  if (value instanceof Secret) return JSON.stringify(value.reveal())
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new RangeError('a time is not valid')
    return JSON.stringify(value.toISOString())
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('a number is not finite')
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError(`a ${typeof value} has no place in a call`)
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`
  if (typeof value === 'object') {
    const fields = Object.entries(value).filter(([, inner]) => inner !== undefined)
    return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${json(inner)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/** The exception of what the native half says went wrong. */
function raised({ kind, status, title, ...rest }) {
  if (kind === 'type') return new TypeError(title)
  if (kind === 'value') return new RangeError(title)
  if (kind === 'timeout') return new errors.Timeout(title, { status, ...rest })
  if (kind === 'connection') return new errors.ConnectionFailed(title, { status, ...rest })
  return new (errors.ofStatus(status))(title, { status, ...rest })
}

const known = new Set([
  'baseUrl', 'agentKey', 'userKey', 'token', 'email', 'password', 'timeout', 'connectTimeout', 'maxRetries', 'rootCertificate',
])

class Keepward {
  #connection
  #last = 0

  constructor(options = {}) {
    if (options === null || typeof options !== 'object') throw new TypeError('options are an object')
    const stranger = Object.keys(options).find((name) => !known.has(name))
    if (stranger !== undefined) throw new TypeError(`there is no option \`${stranger}\``)
    const { agentKey, userKey, token, email, password, rootCertificate, ...rest } = options
    const given = [agentKey, userKey, token, email, password].some((value) => value !== undefined)
    const made = native.connect({
      ...rest,
      baseUrl: rest.baseUrl ?? process.env.KEEPWARD_URL,
      agentKey: text(given ? agentKey : process.env.KEEPWARD_AGENT_KEY),
      userKey: text(userKey),
      token: text(token),
      email,
      password: text(password),
      rootCertificate: rootCertificate === undefined ? undefined : Buffer.from(rootCertificate).toString('latin1'),
    }, hide)
    if (made.failure) throw raised(made.failure)
    this.#connection = made.connection
    Object.defineProperty(this, 'baseUrl', { value: rest.baseUrl ?? process.env.KEEPWARD_URL, enumerable: true })
    Object.assign(this, resources((...call) => this.#call(...call)))
    Object.freeze(this)
  }

  async #call(operation, values, names, options) {
    const { signal, ...named } = options ?? {}
    signal?.throwIfAborted()
    const call = { ...values }
    for (const [name, value] of Object.entries(named)) {
      if (!Object.hasOwn(names, name)) throw new TypeError(`there is no argument \`${name}\``)
      const [wire, convert] = names[name]
      if (value !== undefined) call[wire] = convert ? convert(value) : value
    }
    const id = (this.#last = (this.#last + 1) % 2 ** 32)
    const answered = this.#connection.call(id, operation, json(call))
    const stop = () => this.#connection.cancel(id)
    signal?.addEventListener('abort', stop, { once: true })
    try {
      const answer = await answered
      if (answer.failure) throw raised(answer.failure)
      return answer.value
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  close() {
    this.#connection.close()
  }
}

module.exports = Keepward
