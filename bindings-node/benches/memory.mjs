// Reads a secret over and over; prints one line of JSON a sample: calls, resident bytes, and those of Node's heap.
import { Keepward } from 'keepward'

const { KEEPWARD_TOKEN: token, KEEPWARD_VAULT: vault } = process.env
const [calls, samples, atOnce] = [500_000, 10, 50]
const client = new Keepward({ token })

for (let done = 0; done <= calls; done += atOnce) {
  if (done % (calls / samples) === 0) {
    globalThis.gc()
    const { rss: resident, heapUsed: heap, external } = process.memoryUsage()
    console.log(JSON.stringify({ client: 'Node', calls: done, resident, heap, external }))
  }
  await Promise.all(Array.from({ length: atOnce }, () => client.secrets.get(vault, 'payments/stripe')))
}
client.close()
