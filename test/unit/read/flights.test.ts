import { describe, expect, test } from 'vitest'
import type { Batch } from '../../../src/read/flights.ts'
import { Flights } from '../../../src/read/flights.ts'

const NEVER = new AbortController().signal

/** Work whose end the test decides. */
function createWork() {
  const started: { keys: readonly string[]; batch: Batch<string>; finish: () => void; fail: (error: Error) => void }[] = []
  const start = (keys: readonly string[], batch: Batch<string>) =>
    new Promise<void>((resolve, reject) => started.push({ keys, batch, finish: resolve, fail: reject }))
  return { started, start }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('Flights', () => {
  test('keys on their way are joined, only the others are started', async () => {
    const flights = new Flights<string>()
    const { started, start } = createWork()
    const first = flights.fetch(['a', 'b'], NEVER, start)
    const second = flights.fetch(['b', 'c'], NEVER, start)
    await turn()
    expect(started.map(({ keys }) => keys)).toEqual([['a', 'b'], ['c']])
    for (const { keys, batch, finish } of started) {
      for (const key of keys) batch.resolve(key, key.toUpperCase())
      finish()
    }
    expect(Object.fromEntries(await first)).toEqual({ a: 'A', b: 'B' })
    expect(Object.fromEntries(await second)).toEqual({ b: 'B', c: 'C' })
    // what has come is no longer on its way: whoever wants it starts it anew
    void flights.fetch(['a'], NEVER, start)
    await turn()
    expect(started.map(({ keys }) => keys)).toEqual([['a', 'b'], ['c'], ['a']])
  })

  test('a caller that goes away leaves the others alone; with the last one the work is stopped', async () => {
    const flights = new Flights<string>()
    const { started, start } = createWork()
    const [one, two] = [new AbortController(), new AbortController()]
    const first = flights.fetch(['a'], one.signal, start)
    const second = flights.fetch(['a'], two.signal, start)
    await turn()
    one.abort()
    await expect(first).rejects.toMatchObject({ code: 'CKVD_ABORTED' })
    expect(started[0]?.batch.signal.aborted).toBe(false)
    two.abort()
    await expect(second).rejects.toMatchObject({ code: 'CKVD_ABORTED' })
    expect(started[0]?.batch.signal.aborted).toBe(true)
    // what was stopped is not joined: the next call starts anew
    const third = flights.fetch(['a'], NEVER, start)
    await turn()
    expect(started).toHaveLength(2)
    started[1]?.batch.resolve('a', 'again')
    started[1]?.finish()
    expect((await third).get('a')).toBe('again')
    // the value of the stopped work, should it come, is nobody's
    started[0]?.batch.resolve('a', 'late')
    started[0]?.finish()
  })

  test('parts of a batch stop by themselves', async () => {
    const flights = new Flights<string>()
    const { started, start } = createWork()
    const stop = new AbortController()
    const both = flights.fetch(['a', 'b'], stop.signal, start)
    const kept = flights.fetch(['b'], NEVER, start)
    await turn()
    const batch = started[0]?.batch as Batch<string>
    const [a, b] = [batch.split(['a']), batch.split(['b'])]
    stop.abort()
    await expect(both).rejects.toMatchObject({ code: 'CKVD_ABORTED' })
    expect([a.aborted, b.aborted]).toEqual([true, false])
    // work that comes to a part later, when nobody waits for it any more, is told so
    expect(batch.split(['a']).aborted).toBe(true)
    batch.resolve('b', 'B')
    expect(batch.split(['b']).aborted).toBe(true)
    started[0]?.finish()
    expect((await kept).get('b')).toBe('B')
  })

  test('a failure is everybody’s whose key has no value yet; work that forgets a key is a bug', async () => {
    const flights = new Flights<string>()
    const { started, start } = createWork()
    const first = flights.fetch(['a', 'b'], NEVER, start)
    const onlyA = flights.fetch(['a'], NEVER, start)
    await turn()
    started[0]?.batch.resolve('a', 'A')
    started[0]?.fail(new Error('broken'))
    await expect(first).rejects.toThrow('broken')
    expect((await onlyA).get('a')).toBe('A')
    const forgotten = flights.fetch(['x'], NEVER, start)
    await turn()
    started[1]?.finish()
    await expect(forgotten).rejects.toMatchObject({ code: 'CKVD_BUG' })
  })

  test('an aborted signal starts nothing', async () => {
    const { started, start } = createWork()
    await expect(new Flights<string>().fetch(['a'], AbortSignal.abort(), start)).rejects.toMatchObject({ code: 'CKVD_ABORTED' })
    await turn()
    expect(started).toEqual([])
  })
})
