// Times reads of a secret beside undici doing the same by hand, in turns; prints one line of JSON a comparison.
import { Keepward } from 'keepward'
import { Agent, request } from 'undici'

const { KEEPWARD_URL: url, KEEPWARD_TOKEN: token, KEEPWARD_VAULT: vault } = process.env
const [rounds, calls] = [Number(process.env.KEEPWARD_ROUNDS), Number(process.env.KEEPWARD_CALLS)]
const path = 'payments/stripe'
const atOnce = 50

const client = new Keepward({ token })
const dispatcher = new Agent({ connections: atOnce, pipelining: 1 })
const headers = { authorization: `Bearer ${token}` }

const ours = async () => (await client.secrets.get(vault, path)).value.reveal()
const theirs = async () => {
  const { body } = await request(`${url}/v1/vaults/${vault}/secrets/${path}`, { dispatcher, headers })
  return (await body.json()).value
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

async function timed(read, together) {
  const one = async () => {
    for (let n = 0; n < calls / together; n += 1) if ((await read()) !== 'not-a-real-key') throw new Error('not the secret')
  }
  const begun = performance.now()
  await Promise.all(Array.from({ length: together }, one))
  return ((performance.now() - begun) * 1000) / calls
}

for (const [together, words] of [[1, 'one at a time'], [atOnce, `${atOnce} at once`]]) {
  const turns = []
  for (let round = 0; round <= rounds; round += 1) turns.push([await timed(ours, together), await timed(theirs, together)])
  turns.shift()
  // In microseconds a call. Each turn is held against the one beside it: the machine has moods.
  const ratios = turns.map(([ours, theirs]) => ours / theirs)
  const [us, them] = [0, 1].map((side) => median(turns.map((turn) => turn[side])))
  console.log(JSON.stringify({ what: `Node, ${words}`, peer: 'undici', ours: us, theirs: them, ratio: median(ratios), ratios }))
}
client.close()
await dispatcher.close()
