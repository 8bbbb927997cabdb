import { setFlagsFromString } from 'node:v8'

/** Node versions on which this was tried. V8 complains on standard error about a flag that it does not know. */
const TRIED = { first: 20, last: 26 }

/**
 * Lets the heap of this process become four times as large between two collections of all of it. That is V8's own most
 * (`MemoryController::GrowingFactor`); what it takes instead depends on what it saw while the program started. Buffers of sockets
 * count: with little heap and a few of them, each fourth archive of a day of 1s bars brought a collection, which took
 * some 7 % of the processor time. Only for a process that is ours: a library does not change V8 for its host.
 */
export function letHeapGrow(): void {
  const version = Number(process.versions.node.split('.')[0])
  if (version >= TRIED.first && version <= TRIED.last) setFlagsFromString('--heap-growing-percent=300')
}
