'use strict'

/** What ends when a signal aborts, by signal, and its one listener: Node warns of a leak where there are more than ten. */
const known = new WeakMap()

/** Calls `stop` when `signal` aborts, until the function that it gives back is called. */
module.exports = function whenAborted(signal, stop) {
  let waiting = known.get(signal)
  if (waiting === undefined) {
    const stops = new Set()
    waiting = { stops, heard: () => stops.forEach((one) => one()) }
    signal.addEventListener('abort', waiting.heard)
    known.set(signal, waiting)
  }
  const { stops, heard } = waiting
  stops.add(stop)
  return () => {
    stops.delete(stop)
    if (stops.size > 0 || known.get(signal) !== waiting) return
    known.delete(signal)
    signal.removeEventListener('abort', heard)
  }
}
