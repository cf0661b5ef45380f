'use strict'

const { platform, arch } = process

/** `linux-x64-gnu`, as the packages of addons are named. */
function target() {
  if (platform !== 'linux') return `${platform}-${arch}`
  const isGlibc = Boolean(process.report.getReport().header.glibcVersionRuntime)
  return `${platform}-${arch}-${isGlibc ? 'gnu' : 'musl'}`
}

function load() {
  const name = target()
  for (const place of [`../keepward.${name}.node`, `keepward-${name}`]) {
    try {
      return require(place)
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  throw new Error(`keepward has no addon for ${name}: build it with \`npm run build\``)
}

module.exports = load()
