import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Node versions on which this was tried. V8 complains on standard error about a flag that it does not know. */
const TRIED = { first: 20, last: 26 }
/** Young objects get about this, both halves together; a run with half as many collections is no faster. */
const YOUNG_BYTES = 16 * 1024 * 1024

/** Sets how the heap of this process grows. Only for a process that is ours: a library does not change V8 for its host. */
export function tuneHeapGrowth(youngBytes = YOUNG_BYTES): void {
  const version = Number(process.versions.node.split('.')[0])
  if (version < TRIED.first || version > TRIED.last) return
  // The whole heap may become four times as large between two collections of all of it. That is V8's own most
  // (`MemoryController::GrowingFactor`); what it takes instead depends on what it saw while the program started. Buffers of
  // sockets count: with little heap and a few of them, each fourth archive of a day of 1s bars brought a collection, which took
  // some 7 % of the processor time.
  setFlagsFromString('--heap-growing-percent=300')
  limitYoungObjects(youngBytes)
}

/**
 * Node 20 gives young objects up to 32 MB, Node 24 128 MB, which made the peak of a run of 1m days 110 MB higher and the run no
 * faster. V8 reads its limit before a program starts; what it can be told later is to grow no further, and again after each
 * collection, since a thread that starts makes it forget that.
 */
function limitYoungObjects(youngBytes: number): void {
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    if (young === undefined || young.space_size >= youngBytes) setFlagsFromString('--semi-space-growth-factor=1')
  })
  observer.observe({ entryTypes: ['gc'] })
}
