/** A text that must not be seen: it does not print, turn into JSON or be cloned. */
export class Secret {
  constructor(text: string)
  /** The text itself. Whoever calls this answers for where it goes. */
  reveal(): string
}

/** How a client is made. */
export interface KeepwardOptions {
  /** Where the server is; `KEEPWARD_URL` by default. */
  baseUrl?: string
  /** Acts as the agent of this key (`ocv_...`); `KEEPWARD_AGENT_KEY` where no credential is given. */
  agentKey?: string | Secret
  /** Acts as the human of this personal key (`1ck_...`). */
  userKey?: string | Secret
  /** Acts as whoever this access token is for; it is not renewed. */
  token?: string | Secret
  /** Acts as the human of this address and `password`. */
  email?: string
  password?: string | Secret
  /** The longest that one try of a call may take, in milliseconds; 30,000 by default. */
  timeout?: number
  /** The longest that connecting may take, in milliseconds; 5,000 by default. */
  connectTimeout?: number
  /** How often a call that is safe to repeat is repeated; 3 by default. */
  maxRetries?: number
  /** Trusts a certificate authority (PEM) besides those of the platform. */
  rootCertificate?: string | Uint8Array
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call when it aborts. */
  signal?: AbortSignal
}

/**
 * A client of one server, as one principal. Tokens are fetched and renewed by themselves; what is safe to repeat is repeated
 * with jitter.
 */
export class Keepward implements Resources {
  /** Checks what was given; connects to nothing. Throws `TypeError` or `RangeError`. */
  constructor(options?: KeepwardOptions)
  readonly baseUrl: string
  /** Ends its connections; later calls are refused. */
  close(): void
}
export interface Keepward extends Resources {}

export const version: string

/** A call that did not do what it was asked to. Holds no secret value, and no body of an answer that could be one. */
export class KeepwardError extends Error {
  /** The HTTP status, if there was an answer. */
  readonly status?: number
  /** `about:blank`, or a bare word to branch on (RFC 9457). */
  readonly type?: string
  readonly title: string
  /** One sentence: what is wrong and what would be right. */
  readonly detail?: string
  /** By request field, where the server blames some. */
  readonly fields: Record<string, string>
  /** What the server's log knows the request by. */
  readonly requestId?: string
  /** For how many seconds the server wants to be left alone. */
  readonly retryAfter?: number
}
