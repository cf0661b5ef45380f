'use strict'

/** The items of a list that is answered in pages, from one page on; what the page before had is not given again. */
module.exports = async function* pages(call, items, by, options) {
  const countsItems = by === 'offset'
  let place = options?.[by] ?? (countsItems ? 0 : 1)
  let given = new Set()
  for (;;) {
    const found = (await call({ ...options, [by]: place }))[items]
    if (found.length === 0) return
    for (const item of found) if (!given.has(item.id)) yield item
    given = new Set(found.map((item) => item.id))
    place += countsItems ? found.length : 1
  }
}
