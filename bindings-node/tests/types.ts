// Compiled, not run: the types as a user meets them.
import keepward, { Keepward, NotFound, Secret, type SecretResponse } from 'keepward'

export async function read(vaultId: string, signal: AbortSignal): Promise<string | undefined> {
  const client = new Keepward({ agentKey: new Secret('ocv_x'), timeout: 1000 })
  try {
    const secret: SecretResponse = await client.secrets.get(vaultId, 'payments/stripe', { signal })
    const made: Date = secret.createdAt
    const version: number = secret.version
    await client.secrets.put(vaultId, 'a', secret.value, { maxAccessCount: version, expiresAt: made })
    await client.policies.create(vaultId, {
      secretPathPattern: 'payments/**', principalType: 'agent', principalId: 'x', permissions: ['read'],
    })
    await client.agents.update('x', { description: null })
    // @ts-expect-error there is no such method
    client.secrets.got
    // @ts-expect-error a path is a string
    await client.secrets.get(vaultId, 5)
    // @ts-expect-error a secret is not a string
    const text: string = secret.value
    return text
  } catch (error) {
    if (error instanceof NotFound) return error.requestId ?? keepward.version
    throw error
  } finally {
    client.close()
  }
}
