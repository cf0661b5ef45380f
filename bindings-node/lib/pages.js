'use strict'

/** The items of a list that is answered in pages, from one page on; `page` asks for the one that a cursor stands for. */
module.exports = async function* pages(page) {
  let cursor = null
  do {
    const found = await page(cursor)
    yield* found.items
    cursor = found.cursor
  } while (cursor !== null)
}
