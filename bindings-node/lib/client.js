'use strict'

const { inspect, types } = require('node:util')
const native = require('./native')
const resources = require('./resources')
const errors = require('./errors')
const fields = require('./fields')
const isPlain = require('./plain')
const whenAborted = require('./aborting')
const Secret = require('./secret')

/** A credential, as text or as what does not print; what is wrong with one never shows it. */
function credential(name, value) {
  if (value === undefined) return undefined
  const text = value instanceof Secret ? value.reveal() : value
  if (typeof text !== 'string') throw new TypeError(`\`${name}\` is a string or a Secret`)
  if (!text.isWellFormed()) throw new RangeError(`\`${name}\` is not valid Unicode`)
  return text
}

function option(name, value, type) {
  if (value !== undefined && typeof value !== type) throw new TypeError(`\`${name}\` is a ${type}`)
  if (type === 'string' && value?.isWellFormed() === false) throw new RangeError(`\`${name}\` is not valid Unicode`)
  return value
}

function count(name, value) {
  if (option(name, value, 'number') !== undefined && !(Number.isInteger(value) && value >= 0 && value <= 100)) {
    throw new RangeError(`\`${name}\` is a whole number from 0 to 100`)
  }
  return value
}

/** What the native half makes of a text that must not be seen. */
const hide = (value) => new Secret(value)

/** The integers that JSON's reader on the other side takes. */
const MIN = -(2n ** 63n)
const MAX = 2n ** 64n - 1n

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())

/** What is wrong with an argument, by its name in here: it begins with the one that the document has. */
const about = (title) => title.replace(/^`\w+`/, camel)

/** The value of an argument as JSON, whole numbers exact; what would arrive as something else is refused. */
function json(name, value, depth = 0) {
  const refuse = (kind, why) => {
    throw new kind(about(`\`${name}\`: ${why}`))
  }
  const quoted = (text) => (text.isWellFormed() ? JSON.stringify(text) : refuse(RangeError, 'a text is not valid Unicode'))
  if (value === undefined || value === null) return 'null'
  if (depth > fields.MAX_DEPTH) refuse(RangeError, 'a value is nested too deeply')
  if (value instanceof Secret) {
    if (depth > 0) refuse(TypeError, 'a Secret has no place in data that is not sealed')
    return quoted(value.reveal())
  }
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) refuse(RangeError, 'a time is not valid')
    return JSON.stringify(value.toISOString())
  }
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number' && !Number.isFinite(value)) refuse(RangeError, 'a number is not finite')
  if (typeof value === 'bigint') {
    if (value < MIN || value > MAX) refuse(RangeError, 'a number is too large')
    return value.toString()
  }
  if (typeof value === 'function' || typeof value === 'symbol') refuse(TypeError, `a ${typeof value} has no place in a call`)
  if (Array.isArray(value)) return `[${Array.from(value, (item) => json(name, item, depth + 1)).join(',')}]`
  if (typeof value === 'object') {
    if (!isPlain(value)) refuse(TypeError, 'an object of a class has no place in a call')
    const given = Object.entries(value).filter(([, inner]) => inner !== undefined)
    return `{${given.map(([key, inner]) => `${quoted(key)}:${json(name, inner, depth + 1)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/** Arguments as JSON, by name. */
function object(call) {
  const given = Object.entries(call).filter(([, value]) => value !== undefined)
  return `{${given.map(([name, value]) => `"${name}":${json(name, value)}`).join(',')}}`
}

/** The exception of what the native half says went wrong. */
function raised({ kind, status, title, ...rest }) {
  if (kind === 'type') return new TypeError(about(title))
  if (kind === 'value') return new RangeError(about(title))
  if (kind === 'closed') return new Error(title)
  if (kind === 'timeout') return new errors.Timeout(title, { status, ...rest })
  if (kind === 'login') return new errors.Unauthorized(title, { status, ...rest })
  if (kind === 'connection') return new errors.ConnectionFailed(title, { status, ...rest })
  return new (errors.ofStatus(status))(title, { status, ...rest })
}

const known = new Set([
  'baseUrl', 'agentKey', 'userKey', 'token', 'email', 'password', 'timeout', 'connectTimeout', 'maxRetries', 'rootCertificate',
])

/** Throws what a signal was aborted with, as `fetch` does; one that is none is refused. */
function throwIfAborted(signal) {
  if (signal === undefined || signal === null) return
  const methods = [signal.addEventListener, signal.removeEventListener]
  if (typeof signal.aborted !== 'boolean' || methods.some((method) => typeof method !== 'function')) {
    throw new TypeError('`signal` is an AbortSignal')
  }
  if (signal.aborted) throw signal.reason ?? new DOMException('This operation was aborted', 'AbortError')
}

class Keepward {
  #connection
  #last = 0

  constructor(options = {}) {
    if (options === null || typeof options !== 'object') throw new TypeError('options are an object')
    const stranger = Object.keys(options).find((name) => !known.has(name))
    if (stranger !== undefined) throw new TypeError(`there is no option \`${stranger}\``)
    const { agentKey, userKey, token, email, password, rootCertificate: pem } = options
    const given = [agentKey, userKey, token, email, password].some((value) => value !== undefined)
    const baseUrl = option('baseUrl', options.baseUrl, 'string') ?? (process.env.KEEPWARD_URL || undefined)
    if (pem !== undefined && typeof pem !== 'string' && !types.isUint8Array(pem)) {
      throw new TypeError('`rootCertificate` is a string or a Uint8Array')
    }
    const made = native.connect({
      baseUrl,
      agentKey: credential('agentKey', given ? agentKey : process.env.KEEPWARD_AGENT_KEY || undefined),
      userKey: credential('userKey', userKey),
      token: credential('token', token),
      email: option('email', email, 'string'),
      password: credential('password', password),
      timeout: option('timeout', options.timeout, 'number'),
      connectTimeout: option('connectTimeout', options.connectTimeout, 'number'),
      maxRetries: count('maxRetries', options.maxRetries),
      rootCertificate: types.isUint8Array(pem) ? Buffer.from(pem).toString('latin1') : pem,
    }, hide)
    if (made.failure) throw raised(made.failure)
    this.#connection = made.connection
    const fixed = { baseUrl, ...resources((...call) => this.#call(...call)) }
    for (const [name, value] of Object.entries(fixed)) Object.defineProperty(this, name, { value, enumerable: true })
  }

  async #call(operation, values, names, options = {}) {
    if (options === null || typeof options !== 'object' || Array.isArray(options)) {
      throw new TypeError('what is optional goes into an object')
    }
    const { signal, ...named } = options
    throwIfAborted(signal)
    const call = { ...values }
    for (const [name, value] of Object.entries(named)) {
      if (!Object.hasOwn(names, name)) throw new TypeError(`there is no argument \`${name}\``)
      const [wire, convert] = names[name]
      if (value !== undefined) call[wire] = convert ? convert(value) : value
    }
    const id = (this.#last = (this.#last + 1) % 2 ** 32)
    const secrets = Object.keys(call).filter((name) => call[name] instanceof Secret)
    const answered = this.#connection.call(id, operation, object(call), secrets)
    const ignore = signal ? whenAborted(signal, () => this.#connection.cancel(id)) : () => {}
    try {
      const answer = await answered
      if (answer.failure) throw raised(answer.failure)
      // What answers nothing is declared as `void`.
      return answer.value ?? undefined
    } catch (error) {
      throwIfAborted(signal)
      throw error
    } finally {
      ignore()
    }
  }

  close() {
    this.#connection.close()
  }

  [inspect.custom]() {
    return `Keepward { baseUrl: ${inspect(this.baseUrl)} }`
  }
}

module.exports = Keepward
