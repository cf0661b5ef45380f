// Runs tests/e2e/scenarios.json against the servers of KEEPWARD_E2E_SERVERS (a test's own).
'use strict'

const assert = require('node:assert')
const { randomUUID } = require('node:crypto')
const { inspect } = require('node:util')
const keepward = require('keepward')
const { data, servers, secret, camel, invoke } = require('./e2e')

const errors = { type: TypeError, value: RangeError }

function filled(value, names) {
  if (typeof value === 'string') {
    const bound = /^\{(\w+)\}$/.exec(value)
    if (bound && bound[1] in names) return names[bound[1]]
    return value.replace('{unique}', names.unique)
  }
  if (Array.isArray(value)) return value.map((item) => filled(item, names))
  if (value instanceof keepward.Secret || value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, names)]))
}

function at(value, path) {
  return path.split('.').reduce((inner, step) => {
    const name = [step, camel(step)].find((name) => name in inner)
    assert(name, `${inspect(inner)} has no ${step}`)
    return inner[name]
  }, value)
}

/** Whether a value has what is expected of it, or more. */
function agrees(found, expected) {
  if (expected === '*') return found !== undefined
  if (typeof found === 'number' && expected?.at_least) return found >= expected.at_least
  if (expected instanceof keepward.Secret) return found.reveal() === expected.reveal()
  if (Array.isArray(expected)) return found.length >= expected.length && expected.every((item, n) => agrees(found[n], item))
  if (expected !== null && typeof expected === 'object') {
    return Object.entries(expected).every(([key, value]) => agrees(at(found, key), value))
  }
  return (found instanceof keepward.Secret ? found.reveal() : found) === expected
}

function make(step, names) {
  const options = Object.entries(filled(step.with, names)).map(([name, value]) => [camel(name), value])
  if (step.timeout_seconds) options.push(['timeout', step.timeout_seconds * 1000])
  if (step.max_retries !== undefined) options.push(['maxRetries', step.max_retries])
  const client = new keepward.Keepward({ baseUrl: servers[step.server ?? 'real'], ...Object.fromEntries(options) })
  console.log(inspect(client, { showHidden: true, depth: 9 }), JSON.stringify(client), String(client))
  return client
}

/** Does what a step says, and holds it against what the step expects. */
async function call(client, step, names) {
  let answer
  try {
    answer = await invoke(client, step.call, filled(step.with, names))
  } catch (error) {
    console.log(error.stack, inspect(error, { showHidden: true }))
    const expected = [step.error, step.or].filter(Boolean).map((name) => errors[name] ?? keepward[name])
    assert(expected.some((kind) => error instanceof kind), `${step.call}: ${inspect(error)}`)
    if (error instanceof keepward.KeepwardError && error.status) assert(error.requestId && error.title, inspect(error))
    assert(agrees(error, step.failure ?? {}), inspect(error))
    return undefined
  }
  console.log(answer, inspect(answer, { depth: 9, showHidden: true }), `${answer}`)
  if (answer !== undefined) console.log(JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? `${value}` : value)))
  assert(!step.error, `${step.call} did not fail`)
  if (step.expect) assert(agrees(answer, filled(step.expect, names)), `${step.call}: ${inspect(answer)}`)
  return answer
}

/** Does what the steps say; how many calls it made. */
async function run(steps, names, clients) {
  let count = 0
  for (const step of steps) {
    if (step.client) {
      clients[step.client] = make(step, names)
      continue
    }
    if (step.pause_seconds) {
      await new Promise((resolve) => setTimeout(resolve, step.pause_seconds * 1000))
      continue
    }
    const times = step.times ?? 1
    // From when to when they begin, one after the other.
    const pause = (number) => new Promise((resolve) => setTimeout(resolve, ((step.spread_seconds ?? 0) * 1000 * number) / times))
    const calls = Promise.all(Array.from({ length: times }, async (_, number) => {
      await pause(number)
      return call(clients[step.as], step, names)
    }))
    const [answers, others] = await Promise.all([calls, run(step.meanwhile ?? [], names, clients)])
    const failed = answers.filter((answer) => answer === undefined).length
    if (step.or) assert(failed > 0 && failed < times, `${step.call}: all ended in the same way`)
    for (const [name, path] of Object.entries(step.bind ?? {})) names[name] = at(answers[0], path)
    count += times + others
  }
  return count
}

async function runWhole(scenario) {
  const names = { unique: randomUUID(), secret: `${secret}-${randomUUID()}`, certificate: servers.certificate }
  const clients = {}
  const count = await run(scenario.steps, names, clients)
  for (const client of Object.values(clients)) client.close()
  return count
}

async function main() {
  for (const scenario of data('scenarios.json')) {
    console.error(`Keepward: ${scenario.name}: ${await runWhole(scenario)} calls`)
  }
}

main()
