'use strict'

/** The items of a list that is answered in pages, from one page on; what the page before had is not given again. Two pages in a row that
 * repeat the one before are the end: whoever answers so knows nothing of pages. */
module.exports = async function* pages(call, items, by, options) {
  const countsItems = by === 'offset'
  let place = options?.[by] ?? (countsItems ? 0 : 1)
  let given = new Set()
  let hasRepeated = false
  for (;;) {
    const found = (await call({ ...options, [by]: place }))[items]
    const fresh = found.filter((item) => !given.has(item.id))
    if (found.length === 0 || (hasRepeated && fresh.length === 0)) return
    hasRepeated = fresh.length === 0
    yield* fresh
    given = new Set(found.map((item) => item.id))
    place += countsItems ? found.length : 1
  }
}
