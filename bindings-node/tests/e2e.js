// What scenarios.js and calls.js share: where operations are, where servers are, and how an operation is called.
'use strict'

const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const folder = process.env.KEEPWARD_E2E ?? join(__dirname, '..', '..', 'tests', 'e2e')
const data = (name) => JSON.parse(readFileSync(join(folder, name)))
const surface = data('surface.json')
// The addresses of the test's own server, by what it does behind each.
const servers = JSON.parse(process.env.KEEPWARD_E2E_SERVERS)
// What secret values of a run begin with: whoever runs this looks for it in everything that is printed.
const secret = process.env.KEEPWARD_E2E_SECRET

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())

/** Calls an operation by its id. */
function invoke(client, operation, given) {
  const { resource, method, positional } = surface[operation]
  const options = Object.entries(given).filter(([name]) => !positional.includes(name)).map(([k, v]) => [camel(k), v])
  return client[camel(resource)][camel(method)](...positional.map((name) => given[name]), Object.fromEntries(options))
}

module.exports = { data, surface, servers, secret, camel, invoke }
