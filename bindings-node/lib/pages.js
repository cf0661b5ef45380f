'use strict'

const { ConnectionFailed } = require('./errors')

/** So many pages in a row that repeat the one before come from somebody who knows nothing of pages, or grow as fast as they
 * are read: there is no end to come to. */
const MOST_REPEATED = 10

/** The items of a list that is answered in pages, from one page on; what the page before had is not given again. */
module.exports = async function* pages(call, items, by, options) {
  const countsItems = by === 'offset'
  let place = options?.[by] ?? (countsItems ? 0 : 1)
  let given = new Set()
  let repeated = 0
  for (;;) {
    const found = (await call({ ...options, [by]: place }))[items]
    if (found.length === 0) return
    const fresh = found.filter((item) => !given.has(item.id))
    repeated = fresh.length === 0 ? repeated + 1 : 0
    if (repeated === MOST_REPEATED) {
      throw new ConnectionFailed("an answer that is not Keepward's", { detail: 'the same page again and again' })
    }
    yield* fresh
    given = new Set(found.map((item) => item.id))
    place += countsItems ? found.length : 1
  }
}
