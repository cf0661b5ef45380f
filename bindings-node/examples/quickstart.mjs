// From nothing to a secret that an agent reads, against the server of KEEPWARD_URL.
import { randomUUID } from 'node:crypto'
import { Keepward } from 'keepward'

const email = `ada-${randomUUID()}@example.com`
const password = 'D3mo!Passw0rd#x7'

const visitor = new Keepward()
await visitor.auth.signup({ email, password })
visitor.close()

const human = new Keepward({ email, password })
const vault = await human.vaults.create('production')
await human.secrets.put(vault.id, 'payments/stripe', 'sk_live_51demo')
const bot = await human.agents.register('checkout-bot')
await human.policies.create(vault.id, {
  secretPathPattern: 'payments/**',
  principalType: 'agent',
  principalId: bot.agent.id,
  permissions: ['read'],
})
human.close()

const agent = new Keepward({ agentKey: bot.apiKey })
const secret = await agent.secrets.get(vault.id, 'payments/stripe')
console.log(`${secret.path}, version ${secret.version}: ${secret.value}`)
if (secret.value.reveal() !== 'sk_live_51demo') throw new Error('not what was stored')
agent.close()
