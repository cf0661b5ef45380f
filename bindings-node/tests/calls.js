// Calls every operation of tests/e2e/calls.json with every argument, and as the document's examples have it: the
// server looks at each request, and what it answers comes back whole, from a later version of it, too, and as index.d.ts
// declares it.
'use strict'

const assert = require('node:assert')
const { inspect } = require('node:util')
const keepward = require('keepward')
const { declared, differences } = require('./declared')
const { data, surface, servers, camel, invoke } = require('./e2e')

const calls = data('calls.json')
// A time's last three digits are more than a Date has, and a whole number past 2^53 more than JSON.parse has.
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/
const large = /([:,[]\s*)(\d{16,})(?=\s*[,}\]])/g

/** What a value was on the wire, as far as the language has it; names within free-form data are the caller's, and count for
 * nothing here. */
function plain(value) {
  if (value instanceof keepward.Secret) return value.reveal()
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [camel(name), plain(item)]))
}

function wanted(value) {
  if (typeof value === 'string') return time.test(value) ? new Date(value).toISOString() : value
  if (Array.isArray(value)) return value.map(wanted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [camel(name), wanted(item)]))
}

async function main() {
  let count = 0
  for (const [operation, { positional }] of Object.entries(surface)) {
    assert.deepStrictEqual(declared(operation).parameters, [...positional.map(camel), 'options'], operation)
  }
  for (const server of ['full', 'examples', 'newer']) {
    const client = new keepward.Keepward({ baseUrl: servers[server], token: 't', maxRetries: 0 })
    for (const operation of Object.keys(calls)) {
      const response = await fetch(`${servers[server]}/expected/${operation}`)
      if (response.status === 404) continue
      const expected = JSON.parse((await response.text()).replace(large, '$1"$2"'))
      const text = await (await fetch(`${servers[server]}/given/${operation}`)).text()
      const given = JSON.parse(text.replace(large, '$1"large:$2"'), (_, value) => /^large:/.test(value) ? BigInt(value.slice(6)) : value)
      const answer = await invoke(client, operation, given)
      console.log(answer, inspect(answer, { depth: 9, showHidden: true }))
      assert.deepStrictEqual(plain(answer) ?? null, wanted(expected), `${server}: ${operation}`)
      assert.deepStrictEqual(differences(answer, declared(operation).answer, operation), [])
      count += 1
    }
    client.close()
  }
  console.log(`${count} calls of ${Object.keys(calls).length} operations`)
}

main()
