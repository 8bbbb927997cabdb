import { statSync } from 'node:fs'

const UNNAMED = ['before write', 'after write', 'before sync', 'after sync', 'before rename']
/** What may be there already: a pack of a month or year with fewer chunks, and what a lake says of its format. */
const REPLACED = /-\d{4}(-\d{2})?\.arrow$|\/lake\.json$/

/**
 * Watches final names: until its rename nothing new may lie under a file's, since a kill in the middle of a write would leave a part of it
 * there; what lay there before must lie there still. Gives a function of a step and its path: true where something is there too early.
 */
export function createNameWatch() {
  const before = new Map()
  return (name, path) => {
    if (!UNNAMED.includes(name)) return false
    const state = stateOf(path)
    if (name !== 'before write') return state !== before.get(path)
    before.set(path, state)
    return state !== '' && !REPLACED.test(path)
  }
}

function stateOf(path) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`
}
