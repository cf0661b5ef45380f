// What is Node's own: secrets that do not print, errors, signals, worker threads, bad servers.
'use strict'

const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const { randomUUID } = require('node:crypto')
const { getEventListeners } = require('node:events')
const { readdirSync } = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const { inspect, format } = require('node:util')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')
const { Worker } = require('node:worker_threads')
const keepward = require('keepward')
const { servers } = require('./e2e')

const { Keepward, Secret } = keepward
const url = process.env.KEEPWARD_URL
const password = 'Word-of-this-run!7'
const vaultId = '3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10'

/** A server that answers what it is told to, and remembers what it was asked. */
async function fake(answer) {
  const requests = []
  const server = http.createServer((request, response) => {
    requests.push(request)
    const [status, headers, body] = answer(requests.length)
    response.writeHead(status, headers)
    response.end(body)
  })
  server.unref()
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { url: `http://127.0.0.1:${server.address().port}`, requests, server }
}

const problem = (status) => JSON.stringify({ type: 'about:blank', title: 't', status, detail: 'd' })
const health = () => [200, { 'Content-Type': 'application/json' }, '{"status": "healthy", "from_a_newer_server": [1]}']
const failed = (promise, kind) => promise.then(
  () => assert.fail(`${kind.name} was not thrown`),
  (error) => {
    assert(error instanceof kind, inspect(error))
    return error
  },
)

async function human() {
  const email = `${randomUUID()}@example.com`
  const { accessToken } = await new Keepward().auth.signup({ email, password })
  return { client: new Keepward({ token: accessToken }), email }
}

async function secretsDoNotPrint() {
  const text = `sk-${randomUUID()}`
  const secret = new Secret(text)
  assert.strictEqual(secret.reveal(), text)
  const answer = { value: secret, list: [secret] }
  for (const shown of [secret, answer]) {
    for (const way of [inspect, (v) => inspect(v, { showHidden: true, depth: 9 }), JSON.stringify, String, format, (v) => `${v}`, (v) => Object.keys(v) + Object.values(v)]) {
      assert(!way(shown).includes(text), way(shown))
    }
    assert.throws(() => structuredClone(shown))
  }
  assert.throws(() => new Secret(5), TypeError)
}

async function whatAClientIsMadeFrom() {
  const { KEEPWARD_URL } = process.env
  delete process.env.KEEPWARD_URL
  assert.throws(() => new Keepward(), RangeError)
  process.env.KEEPWARD_URL = ''
  assert.throws(() => new Keepward(), RangeError)
  process.env.KEEPWARD_URL = KEEPWARD_URL
  for (const baseUrl of ['', '127.0.0.1:80', 'ftp://127.0.0.1', 'http://user:pass@127.0.0.1', 'http://127.0.0.1/?a=b', 'http://']) {
    assert.throws(() => new Keepward({ baseUrl }), (error) => error instanceof RangeError && !error.message.includes('pass@'))
  }
  assert.throws(() => new Keepward({ agentKey: 'ocv_a', userKey: '1ck_a' }), RangeError)
  assert.throws(() => new Keepward({ email: 'a@example.com' }), RangeError)
  assert.throws(() => new Keepward({ timeout: 0 }), RangeError)
  for (const lone of [{ email: 'a\ud800@example.com', password: 'p' }, { baseUrl: `${url}/\ud800` }, { token: '\ud800' }]) {
    assert.throws(() => new Keepward(lone), RangeError)
  }
  assert.throws(() => new Keepward({ bassUrl: url }), TypeError)
  for (const agentKey of [5, null, ['ocv_secretsecret'], new String('ocv_secretsecret'), Buffer.from('ocv_secretsecret')]) {
    assert.throws(() => new Keepward({ agentKey }), (error) => error instanceof TypeError && !inspect(error).includes('secretsecret'))
  }
  for (const maxRetries of [-1, 1.5, NaN, 2 ** 32]) assert.throws(() => new Keepward({ maxRetries }), RangeError)
  assert.throws(() => new Keepward({ rootCertificate: 'junk' }), RangeError)
  for (const baseUrl of [`${url}/`, `${url}/api/`]) {
    assert.strictEqual((await new Keepward({ baseUrl }).health.get()).status, 'healthy')
  }
  process.env.KEEPWARD_AGENT_KEY = 'ocv_no_such_key'
  await failed(new Keepward().agents.me(), keepward.Unauthorized)
  delete process.env.KEEPWARD_AGENT_KEY
}

async function arguments_() {
  const client = new Keepward({ token: 'x' })
  await failed(client.secrets.get(vaultId), TypeError)
  await failed(client.secrets.get(vaultId, 'a', { nothing: 1 }), TypeError)
  await failed(client.secrets.get(vaultId, 'a/../b'), RangeError)
  await failed(client.secrets.get('no-uuid', 'a'), RangeError)
  assert((await failed(client.secrets.put(vaultId, 'a', 'lone \ud800'), RangeError)).message.startsWith('`value`: '))
  await failed(client.secrets.put(vaultId, 'a', new Secret('lone \ud800')), RangeError)
  await failed(client.secrets.put(vaultId, 'a', 'v', { metadata: { 'lone \ud800': 1 } }), RangeError)
  await failed(client.secrets.put(vaultId, 'a', 'v', { metadata: { x: NaN } }), RangeError)
  await failed(client.secrets.put(vaultId, 'a', 'v', { metadata: { x() {} } }), TypeError)
  await failed(client.secrets.put(vaultId, 'a', 'v', { expiresAt: new Date(NaN) }), RangeError)
  await failed(client.audit.events({ limit: 2n ** 70n }), RangeError)
  await failed(client.audit.events({ limit: 2 ** 40 }), RangeError)
  await failed(client.audit.events({ limit: 1.5 }), TypeError)
  for (const x of [new Map(), new Date(0) && /a/, Buffer.from('a'), new Secret('hunter2')]) {
    await failed(client.secrets.put(vaultId, 'a', 'v', { metadata: { x } }), TypeError)
  }
  await failed(client.secrets.put(vaultId, 'a', 'v', { metadata: { x: 2n ** 70n } }), RangeError)
  const cycle = {}
  cycle.cycle = cycle
  await failed(client.secrets.put(vaultId, 'a', 'v', { metadata: cycle }), RangeError)
  assert((await failed(client.transactions.simulateBundle(vaultId, [cycle]), RangeError)).message.startsWith('`transactions`: '))
  await failed(client.secrets.get(vaultId, new Secret('hunter2')), TypeError)
  await failed(client.admin.settingPut('..', 'v'), RangeError)
  await failed(client.secrets.list(vaultId, 'a'), TypeError)
  await failed(client.secrets.list(vaultId, ['a']), TypeError)
  await failed(client.secrets.list(vaultId, null), TypeError)
  for (const signal of [{}, { aborted: false, addEventListener() {} }, 5]) await failed(client.health.get({ signal }), TypeError)
  assert((await failed(client.secrets.get(undefined, 'a'), TypeError)).message.startsWith('`vaultId` '))
  assert((await failed(client.secrets.put(vaultId, 'a', 'v', { expiresAt: 'x' }), RangeError)).message.startsWith('`expiresAt`'))
  assert((await failed(client.secrets.put(vaultId, 'a', Buffer.from('v')), TypeError)).message.startsWith('`value`: '))
  assert((await failed(client.secrets.put(vaultId, 'a', 'v', { maxAccessCount: 2n ** 70n }), RangeError)).message.startsWith('`maxAccessCount`: '))
  assert.strictEqual(inspect(client), `Keepward { baseUrl: '${url}' }`)
  const error = await failed(client.secrets.put(vaultId, 'a', 12345), TypeError)
  assert(!error.message.includes('12345') && error.message.includes('value'))
}

async function valuesAsTheyAre() {
  const { client } = await human()
  const vault = (await client.vaults.create('v')).id
  const expiresAt = new Date('2030-01-02T03:04:05.678Z')
  const texts = ['nul \0 in it', 'emoji 🔐 and ünï', 'x'.repeat(4 * 1024 * 1024)]
  for (const [n, text] of texts.entries()) {
    await client.secrets.put(vault, `p/${n}`, new Secret(text), { expiresAt, metadata: { big: 2n ** 53n + 1n, bigger: 2n ** 64n - 1n, least: -(2n ** 63n), small: 5 } })
    const found = await client.secrets.get(vault, `p/${n}`)
    assert.strictEqual(found.value.reveal(), text)
    assert.deepStrictEqual(found.metadata, { big: 2n ** 53n + 1n, bigger: 2n ** 64n - 1n, least: -(2n ** 63n), small: 5 })
    assert(found.expiresAt instanceof Date && found.expiresAt.getTime() === expiresAt.getTime())
    assert.strictEqual(found.version, 1)
  }
  await client.secrets.put(vault, 'proto', 'v', { metadata: JSON.parse('{"__proto__": {"isAdmin": true}, "a": 1}') })
  assert.strictEqual((await client.secrets.get(vault, 'proto')).metadata.isAdmin, undefined)
  const metadata = { snake_key: { inner_key: 1 }, camelKey: 2 }
  await client.secrets.put(vault, 'named', 'v', { metadata })
  assert.deepStrictEqual((await client.secrets.get(vault, 'named')).metadata, metadata)
  // Of another realm, as whoever runs under a test runner has them.
  const foreign = runInNewContext("({ expiresAt: new Date('2030-01-02T03:04:05.678Z'), metadata: { list: [{ a: 1 }], when: new Date(0) } })")
  await client.secrets.put(vault, 'foreign', 'v', foreign)
  const found = await client.secrets.get(vault, 'foreign')
  assert.strictEqual(found.expiresAt.getTime(), expiresAt.getTime())
  assert.deepStrictEqual(found.metadata, { list: [{ a: 1 }], when: '1970-01-01T00:00:00.000Z' })
  const { agent } = await client.agents.register('a', { description: 'd' })
  assert.strictEqual((await client.agents.update(agent.id, { name: 'b' })).description, 'd')
  assert.strictEqual((await client.agents.update(agent.id, { description: null })).description, '')
}

async function badServers() {
  for (const [status, headers] of [[429, { 'Retry-After': '1' }], [503, { 'Retry-After': '0' }], [502, {}], [504, {}]]) {
    const server = await fake((n) => (n === 1 ? [status, headers, problem(status)] : health()))
    assert.strictEqual((await new Keepward({ baseUrl: server.url }).health.get()).status, 'healthy')
    assert.strictEqual(server.requests.length, 2)
  }
  const limited = await fake(() => [429, { 'Retry-After': '7' }, problem(429)])
  const error = await failed(new Keepward({ baseUrl: limited.url, maxRetries: 0 }).health.get(), keepward.RateLimited)
  assert.deepStrictEqual([error.retryAfter, error.status, error.detail, error.name], [7, 429, 'd', 'RateLimited'])
  for (const [status, kind] of [[402, 'PaymentRequired'], [409, 'Conflict'], [410, 'Gone'], [500, 'ServerError'], [501, 'ServerError']]) {
    const server = await fake(() => [status, {}, problem(status)])
    const error = await failed(new Keepward({ baseUrl: server.url, maxRetries: 0 }).health.get(), keepward[kind])
    assert(error instanceof keepward.KeepwardError && error instanceof Error)
  }
  const html = await fake(() => [200, { 'Content-Type': 'text/html' }, '<html>hello</html>'])
  const strange = await failed(new Keepward({ baseUrl: html.url }).health.get(), keepward.ConnectionFailed)
  assert(!inspect(strange).includes('hello'))
  const large = JSON.stringify({ status: 'healthy', padding: 'x'.repeat(10 * 1024 * 1024) })
  const long = await fake(() => [200, { 'Content-Type': 'application/json' }, large])
  assert.strictEqual((await new Keepward({ baseUrl: long.url }).health.get()).status, 'healthy')
  const cut = await fake(() => [200, { 'Content-Type': 'application/json', 'Content-Length': '500' }, '{"status":'])
  cut.server.on('connection', (socket) => setTimeout(() => socket.destroy(), 200).unref())
  await failed(new Keepward({ baseUrl: cut.url, timeout: 5000, maxRetries: 0 }).health.get(), keepward.ConnectionFailed)
  const cutOnce = await fake((n) => (n === 1 ? [200, { 'Content-Type': 'application/json', 'Content-Length': '500' }, '{"status":'] : health()))
  cutOnce.server.once('connection', (socket) => setTimeout(() => socket.destroy(), 200).unref())
  assert.strictEqual((await new Keepward({ baseUrl: cutOnce.url }).health.get()).status, 'healthy')
  // Nobody is told that an argument is wrong where an account is.
  const factors = await fake(() => [200, { 'Content-Type': 'application/json' }, '{"mfa_required": true, "mfa_token": "m"}'])
  const more = new Keepward({ baseUrl: factors.url, email: 'a@example.com', password: 'p' })
  assert((await failed(more.vaults.list(), keepward.Unauthorized)).message.includes('second factor'))
  const other = await fake(health)
  const redirect = await fake(() => [302, { Location: `${other.url}/v1/health` }, ''])
  await failed(new Keepward({ baseUrl: redirect.url, token: 'secret-token' }).account.get(), keepward.KeepwardError)
  assert(redirect.requests.length > 0 && other.requests.length === 0, 'a token must not follow a redirect')
  await failed(new Keepward({ baseUrl: 'http://127.0.0.1:1', maxRetries: 0 }).health.get(), keepward.ConnectionFailed)
}

async function nestedFields() {
  const bodies = []
  const server = http.createServer((request, response) => {
    let body = ''
    request.on('data', (part) => (body += part))
    request.on('end', () => {
      bodies.push(JSON.parse(body))
      response.writeHead(501).end(problem(501))
    })
  })
  server.unref()
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const client = new Keepward({ baseUrl: `http://127.0.0.1:${server.address().port}`, token: 'x' })
  const bundle = "[{ chain: 'base', to: '0x1', value: '1', signingKeyPath: 'keys/a' }]"
  for (const transactions of [eval(bundle), runInNewContext(bundle)]) {
    await failed(client.transactions.simulateBundle(vaultId, transactions), keepward.ServerError)
    assert.strictEqual(bodies.pop().transactions[0].signing_key_path, 'keys/a')
  }
}

/** Not asked over http; over https for a tunnel, and it sees no more. */
async function aProxyOfTheEnvironment() {
  const seen = []
  const proxy = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (head) => {
      seen.push(String(head))
      socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')
    })
  })
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done))
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy']
  const given = Object.entries(process.env).filter(([name]) => name.toUpperCase().endsWith('_PROXY'))
  for (const [name] of given) delete process.env[name]
  for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.address().port}`
  try {
    await failed(new Keepward({ token: 'secret-token' }).account.get(), keepward.Unauthorized)
    const away = new Keepward({ baseUrl: 'https://vault.example.com', token: 'secret-token', maxRetries: 0 })
    await failed(away.account.get(), keepward.ConnectionFailed)
  } finally {
    for (const name of names) delete process.env[name]
    Object.assign(process.env, Object.fromEntries(given))
    proxy.close()
  }
  assert(seen.length === 1 && seen[0].startsWith('CONNECT vault.example.com:443 '), inspect(seen))
  assert(!seen[0].includes('secret-token'), 'a proxy must not see a token')
}

/** What a client is told of them holds, in its units; the defaults would take another time, or number of tries. */
async function retriesAndTimeOuts() {
  for (const maxRetries of [0, 2]) {
    const busy = await fake(() => [503, { 'Retry-After': '0' }, problem(503)])
    await failed(new Keepward({ baseUrl: busy.url, maxRetries }).health.get(), keepward.ServerError)
    assert.strictEqual(busy.requests.length, maxRetries + 1)
  }
  const limited = await fake((n) => n === 1 ? [429, { 'Retry-After': '1' }, problem(429)] : [409, {}, problem(409)])
  let begun = performance.now()
  // A change that was refused goes out again.
  await failed(new Keepward({ baseUrl: limited.url, token: 'x' }).vaults.create('v'), keepward.Conflict)
  assert(performance.now() - begun >= 1000 && limited.requests.length === 2)
  const long = await fake(() => [429, { 'Retry-After': '61' }, problem(429)])
  await failed(new Keepward({ baseUrl: long.url }).health.get(), keepward.RateLimited)
  assert.strictEqual(long.requests.length, 1, 'who is sent away for longer than a minute would rather know')
  const silent = net.createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise((done) => silent.listen(0, '127.0.0.1', done))
  const baseUrl = `http://127.0.0.1:${silent.address().port}`
  begun = performance.now()
  await failed(new Keepward({ baseUrl, timeout: 300, maxRetries: 0 }).health.get(), keepward.Timeout)
  const took = performance.now() - begun
  assert(took >= 300 && took < 15000, `${took} ms`)
  silent.close()
  begun = performance.now()
  await failed(new Keepward({ baseUrl: servers.crowded, connectTimeout: 300, maxRetries: 0 }).health.get(), keepward.ConnectionFailed)
  assert(performance.now() - begun >= 300 && performance.now() - begun < 4000)
}

async function aSilentServer() {
  const sockets = []
  const silent = net.createServer((socket) => sockets.push(socket.on('error', () => {}).resume()))
  await new Promise((done) => silent.listen(0, '127.0.0.1', done))
  const baseUrl = `http://127.0.0.1:${silent.address().port}`
  const client = new Keepward({ baseUrl, timeout: 60000 })
  const controller = new AbortController()
  const before = sockets.length
  const call = client.health.get({ signal: controller.signal })
  setTimeout(() => controller.abort(), 100)
  const error = await call.catch((error) => error)
  assert.strictEqual(error.name, 'AbortError')
  // Not only here: its connection ends.
  assert.strictEqual(sockets.length, before + 1)
  const [socket] = sockets.slice(-1)
  if (!socket.closed) {
    await new Promise((done, fail) => {
      socket.once('close', done)
      setTimeout(() => fail(new Error('an aborted call goes on')), 20000).unref()
    })
  }
  assert.strictEqual((await client.health.get({ signal: controller.signal }).catch((error) => error)).name, 'AbortError')
  assert.strictEqual((await client.health.get({ signal: AbortSignal.timeout(50) }).catch((error) => error)).name, 'TimeoutError')
  // One signal may end many calls: nobody warns of so many listeners, and none is left.
  const warnings = []
  const warned = (warning) => warnings.push(warning)
  process.on('warning', warned)
  const many = new AbortController()
  const calls = Array.from({ length: 50 }, () => client.health.get({ signal: many.signal }).catch((error) => error.name))
  setTimeout(() => many.abort(), 100)
  assert.deepStrictEqual(await Promise.all(calls), Array(50).fill('AbortError'))
  await new Promise(setImmediate)
  process.off('warning', warned)
  assert.deepStrictEqual([warnings, getEventListeners(many.signal, 'abort')], [[], []])
  silent.close()
}

async function closedClientsLetTheProcessEnd() {
  const client = new Keepward()
  await client.health.get()
  client.close()
  assert.match((await failed(client.health.get(), Error)).message, /closed/)
  const code = "const { Keepward } = require('keepward'); const c = new Keepward(); c.health.get().then(() => c.close())"
  assert.strictEqual(spawnSync(process.execPath, ['-e', code], { timeout: 10000 }).status, 0)
  for (let delay = 0; delay < 24; delay += 3) {
    const running = `const { Keepward } = require('keepward'); new Keepward().health.get(); setTimeout(() => process.exit(8), ${delay})`
    const { status, stderr } = spawnSync(process.execPath, ['-e', running], { timeout: 20000 })
    assert.deepStrictEqual([status, String(stderr)], [8, ''])
  }
  const module = "import keepward, { Keepward, NotFound } from 'keepward'; if (keepward.Keepward !== Keepward || !NotFound) process.exit(1)"
  assert.strictEqual(spawnSync(process.execPath, ['--input-type=module', '-e', module], { cwd: process.cwd(), timeout: 20000 }).status, 0)
}

async function workerThreads() {
  const code = "const { Keepward } = require('keepward'); const { parentPort } = require('node:worker_threads'); new Keepward().health.get().then((answer) => parentPort.postMessage(answer.status))"
  const workers = Array.from({ length: 4 }, () => new Promise((done, fail) => {
    const worker = new Worker(code, { eval: true })
    worker.once('message', done)
    worker.once('error', fail)
  }))
  assert.deepStrictEqual(await Promise.all(workers), Array(4).fill('healthy'))
  // One that is ended while its calls run takes nobody along.
  const busy = "const { Keepward } = require('keepward'); const c = new Keepward(); setInterval(() => c.health.get(), 1); require('node:worker_threads').parentPort.postMessage('calls')"
  for (let n = 0; n < 5; n++) {
    const worker = new Worker(busy, { eval: true })
    await new Promise((done) => worker.once('message', done))
    await new Promise((done) => setTimeout(done, 20 * n))
    await worker.terminate()
  }
  // Nor does one whose calls end after it did.
  const silent = net.createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise((done) => silent.listen(0, '127.0.0.1', done))
  const late = `const { Keepward } = require('keepward'); const c = new Keepward({ baseUrl: 'http://127.0.0.1:${silent.address().port}', timeout: 100, maxRetries: 0 }); for (let n = 0; n < 8; n++) c.health.get(); require('node:worker_threads').parentPort.postMessage('calls')`
  for (let n = 0; n < 20; n++) {
    const worker = new Worker(late, { eval: true })
    await new Promise((done) => worker.once('message', done))
    await worker.terminate()
  }
  await new Promise((done) => setTimeout(done, 400))
  silent.close()
  assert.strictEqual((await new Keepward().health.get()).status, 'healthy')
}

/** Whoever knows nothing of pages answers the same one for ever. */
async function pagesWithoutAnEnd() {
  const event = { id: vaultId, action: 'secret.read', details: {} }
  const deaf = await fake(() => [200, { 'Content-Type': 'application/json' }, JSON.stringify({ events: [event] })])
  const found = []
  try {
    for await (const event of new Keepward({ baseUrl: deaf.url, token: 't' }).audit.iterEvents()) found.push(event.id)
  } catch (error) {
    assert(error instanceof keepward.ConnectionFailed && error.title.includes("not Keepward's"), inspect(error))
    found.push('no end')
  }
  assert.deepStrictEqual([found, deaf.requests.length], [[vaultId, 'no end'], 11])
}

async function fiftyCallsShareOneToken() {
  const { client } = await human()
  const { agent, apiKey } = await client.agents.register('a')
  const agentClient = new Keepward({ agentKey: apiKey })
  const answers = await Promise.all(Array.from({ length: 50 }, () => agentClient.agents.me()))
  assert(answers.every((answer) => answer.id === agent.id))
  const { events } = await client.audit.events({ action: 'auth.success', actorId: agent.id })
  assert.strictEqual(events.length, 1)
}

async function aThousandClients() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  // Files, threads, and resident memory in MB; what may be held more of each after a thousand clients.
  const now = () => [readdirSync('/proc/self/fd').length, readdirSync('/proc/self/task').length, process.memoryUsage().rss / 1e6]
  const slack = [8, 8, 16]
  for (const ends of [(client) => client.close(), () => {}]) {
    const one = async () => {
      const client = new Keepward()
      await client.health.get()
      ends(client)
    }
    for (let n = 0; n < 200; n++) await one()
    collect()
    const before = now()
    for (let n = 0; n < 1000; n++) {
      await one()
      if (n % 100 === 0) collect()
    }
    // What was dropped is closed when the collector has come, and the connection's task has seen it.
    for (let n = 0; n < 50 && now()[0] > before[0] + 8; n++) {
      collect()
      await new Promise((done) => setTimeout(done, 100))
    }
    const after = now()
    assert(after.every((held, n) => held <= before[n] + slack[n]), inspect([before, after]))
  }
}

async function main() {
  for (const test of [secretsDoNotPrint, whatAClientIsMadeFrom, arguments_, valuesAsTheyAre, badServers, aProxyOfTheEnvironment, nestedFields, retriesAndTimeOuts, aSilentServer, closedClientsLetTheProcessEnd, workerThreads, pagesWithoutAnEnd, fiftyCallsShareOneToken, aThousandClients]) {
    await test()
    console.log(`client: ${test.name}`)
  }
}

main()
