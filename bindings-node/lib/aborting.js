'use strict'

/** What is stopped when a signal aborts, by signal: Node warns of a leak where one has more than ten listeners. */
const known = new WeakMap()

/** Calls `stop` when `signal` aborts, until the function that it gives back is called. */
module.exports = function whenAborted(signal, stop) {
  let stops = known.get(signal)
  if (stops === undefined) {
    const mine = (stops = new Set())
    mine.heard = () => mine.forEach((one) => one())
    signal.addEventListener('abort', mine.heard)
    known.set(signal, mine)
  }
  stops.add(stop)
  return () => {
    stops.delete(stop)
    if (stops.size > 0 || known.get(signal) !== stops) return
    known.delete(signal)
    signal.removeEventListener('abort', stops.heard)
  }
}
