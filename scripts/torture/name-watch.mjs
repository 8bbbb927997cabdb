import { statSync } from 'node:fs'

const UNNAMED = ['before write', 'after write', 'before sync', 'after sync', 'before rename']
/** A pack of a month or year may be there already, with fewer chunks. */
const PACK = /-\d{4}(-\d{2})?\.arrow$/

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
    return state !== '' && !PACK.test(path)
  }
}

function stateOf(path) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`
}
