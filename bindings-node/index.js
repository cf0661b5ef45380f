'use strict'

const { version } = require('./package.json')
const { ofStatus, ...errors } = require('./lib/errors')

module.exports = { Keepward: require('./lib/client'), Secret: require('./lib/secret'), version, ...errors }
