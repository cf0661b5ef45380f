// Runs tests/e2e/scenarios.json against the server of KEEPWARD_URL.
'use strict'

const assert = require('node:assert')
const { randomUUID } = require('node:crypto')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { inspect } = require('node:util')
const keepward = require('keepward')

const e2e = process.env.KEEPWARD_E2E ?? join(__dirname, '..', '..', 'tests', 'e2e')
const surface = JSON.parse(readFileSync(join(e2e, 'surface.json')))
const scenarios = JSON.parse(readFileSync(join(e2e, 'scenarios.json')))
const errors = { type: TypeError, value: RangeError }
const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())

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
  if (expected instanceof keepward.Secret) return found.reveal() === expected.reveal()
  if (Array.isArray(expected)) return found.length >= expected.length && expected.every((item, n) => agrees(found[n], item))
  if (expected !== null && typeof expected === 'object') {
    return Object.entries(expected).every(([key, value]) => agrees(at(found, key), value))
  }
  return (found instanceof keepward.Secret ? found.reveal() : found) === expected
}

async function run(scenario) {
  const names = { unique: randomUUID(), secret: `sk-${randomUUID()}` }
  const clients = {}
  let count = 0
  for (const step of scenario.steps) {
    const given = filled(step.with, names)
    if (step.client) {
      clients[step.client] = new keepward.Keepward(Object.fromEntries(Object.entries(given).map(([k, v]) => [camel(k), v])))
      continue
    }
    const { resource, method, positional } = surface[step.call]
    const options = Object.entries(given).filter(([name]) => !positional.includes(name)).map(([k, v]) => [camel(k), v])
    const call = clients[step.as][camel(resource)][camel(method)]
    let answer
    try {
      answer = await call(...positional.map((name) => given[name]), Object.fromEntries(options))
    } catch (error) {
      assert(step.error, `${scenario.name}: ${step.call}: ${inspect(error)}`)
      assert(error instanceof (errors[step.error] ?? keepward[step.error]), `${scenario.name}: ${step.call}: ${inspect(error)}`)
      assert(!`${error.stack} ${inspect(error)}`.includes(names.secret), 'an error shows a secret')
      if (error instanceof keepward.KeepwardError) assert(error.requestId && error.title, inspect(error))
      count += 1
      continue
    }
    assert(!step.error, `${scenario.name}: ${step.call} did not fail`)
    const text = `${inspect(answer, { depth: 9, showHidden: true })} ${answer === undefined ? '' : JSON.stringify(answer, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`
    assert(!text.includes(names.secret), 'an answer shows a secret')
    if (step.expect) assert(agrees(answer, filled(step.expect, names)), `${scenario.name}: ${step.call}: ${inspect(answer)}`)
    for (const [name, path] of Object.entries(step.bind ?? {})) names[name] = at(answer, path)
    count += 1
  }
  for (const client of Object.values(clients)) client.close()
  return count
}

async function main() {
  assert(process.env.KEEPWARD_URL, 'KEEPWARD_URL names no server')
  for (const scenario of scenarios) {
    console.log(`Keepward: ${scenario.name}: ${await run(scenario)} calls`)
  }
}

main()
