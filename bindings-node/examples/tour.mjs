// What docs/sdk/node.md shows, against the server of KEEPWARD_URL.
import assert from 'node:assert'
import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
// snippet: import
import { Forbidden, Keepward, KeepwardError, RateLimited } from 'keepward'
// end

const paid = []
const callStripe = (key) => paid.push(key)

delete process.env.KEEPWARD_AGENT_KEY
const email = `ada-${randomUUID()}@example.com`
const password = 'D3mo!Passw0rd#x7'
const visitor = new Keepward()
await visitor.auth.signup({ email, password })
visitor.close()
const human = new Keepward({ email, password })
const { id: vault } = await human.vaults.create('production')
await human.secrets.put(vault, 'payments/stripe', 'sk_live_51demo', { metadata: { owner: 'payments' } })
await human.secrets.put(vault, 'payroll/bank', 'hunter2')
const bot = await human.agents.register('checkout-bot')
const rights = { secretPathPattern: 'payments/**', principalType: 'agent', principalId: bot.agent.id, permissions: ['read'] }
await human.policies.create(vault, rights)
process.env.KEEPWARD_AGENT_KEY = bot.apiKey.reveal()

async function firstSecret() {
  // snippet: first-secret
  const client = new Keepward() // KEEPWARD_URL and KEEPWARD_AGENT_KEY
  const { vaults } = await client.vaults.list()
  const secret = await client.secrets.get(vaults[0].id, 'payments/stripe')
  callStripe(secret.value.reveal())
  client.close()
  // end
  assert.deepStrictEqual(paid, ['sk_live_51demo'])
}

async function errors(client) {
  // snippet: errors
  try {
    await client.secrets.get(vault, 'payroll/bank')
  } catch (error) {
    if (error instanceof Forbidden) console.log(error.status, error.title, error.detail, error.requestId)
    else if (error instanceof RateLimited) console.log(`again in ${error.retryAfter} seconds`)
    else if (error instanceof KeepwardError) console.log(error.message) // every other answer, and none at all
    else throw error
  }
  // end
}

async function together(client) {
  // snippet: async
  const paths = ['payments/stripe', 'payments/stripe']
  const secrets = await Promise.all(paths.map((path) => client.secrets.get(vault, path)))
  const soon = client.secrets.get(vault, 'payments/stripe', { signal: AbortSignal.timeout(5000) })
  // end
  assert(secrets.every((secret) => secret.value.reveal() === 'sk_live_51demo'))
  assert.strictEqual((await soon).version, 1)
}

async function retries() {
  // snippet: retries
  const patient = new Keepward({ timeout: 10_000, connectTimeout: 2_000, maxRetries: 5 })
  // end
  assert.strictEqual((await patient.secrets.get(vault, 'payments/stripe')).version, 1)
  patient.close()
}

async function values(client) {
  // snippet: values
  const secret = await client.secrets.get(vault, 'payments/stripe')
  const age = Date.now() - secret.createdAt.getTime()
  console.log(secret.id, secret.metadata.owner, age)
  // end
  // snippet: silence
  for (const shown of [`${secret.value}`, inspect(secret, { showHidden: true }), JSON.stringify(secret)]) {
    assert(!shown.includes('sk_live'))
  }
  assert.throws(() => structuredClone(secret.value))
  // end
}

async function pages() {
  // snippet: pages
  for await (const event of human.audit.iterEvents({ action: 'secret.read', limit: 2 })) {
    console.log(event.createdAt, event.actorId, event.outcome)
  }
  // end
  const found = []
  for await (const event of human.audit.iterEvents({ limit: 2 })) found.push(event.id)
  assert(found.length > 4 && new Set(found).size === found.length)
}

const client = new Keepward()
await firstSecret()
await errors(client)
await together(client)
await retries()
await values(client)
await pages()
client.close()
human.close()
