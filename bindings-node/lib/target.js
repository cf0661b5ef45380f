'use strict'

const { platform, arch } = process

/** `linux-x64-gnu`: what an addon is built for, in the words of its package's name. */
module.exports = function target() {
  if (platform !== 'linux') return `${platform}-${arch}`
  const isGlibc = Boolean(process.report.getReport().header.glibcVersionRuntime)
  return `${platform}-${arch}-${isGlibc ? 'gnu' : 'musl'}`
}
