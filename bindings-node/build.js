// Builds the addon and puts it where `lib/native.js` looks for it, without the symbols that only a debugger reads.
'use strict'

const { execFileSync, spawnSync } = require('node:child_process')
const { copyFileSync } = require('node:fs')
const { join } = require('node:path')
const target = require('./lib/target')

const built = execFileSync(
  'cargo',
  ['build', '--release', '--locked', '-p', 'keepward-node', '--message-format', 'json-render-diagnostics'],
  { cwd: __dirname, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28, encoding: 'utf8' },
)
const messages = built.split('\n').filter(Boolean).map((line) => JSON.parse(line))
const [library] = messages.findLast((message) => message.target?.name === 'keepward_node' && message.filenames).filenames
const addon = join(__dirname, `keepward.${target()}.node`)
copyFileSync(library, addon)
// Where there is no `strip`, the addon is large and works as well.
spawnSync('strip', ['--strip-unneeded', addon], { stdio: 'ignore' })
console.log(addon)
