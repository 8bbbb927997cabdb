import '../support/seeds.ts'
import { appendFileSync } from 'node:fs'
import fc from 'fast-check'
import { ERROR_CATALOGUE } from '../../src/errors.ts'

/** Cases of each property; `npm run torture` asks for more, with a seed of its own. */
const RUNS = Number(process.env['CKVD_FUZZ_RUNS'] ?? '250')
/** Cases of all properties together, in the place of RUNS; by the parts below. */
const TOTAL = process.env['CKVD_FUZZ_TOTAL'] === undefined ? undefined : Number(process.env['CKVD_FUZZ_TOTAL'])
const SEED = Number(process.env['CKVD_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/**
 * How a million cases are shared out: most for what takes microseconds (bytes to values, in this thread), fewer for what goes through a worker
 * or a file, fewest for the catalog, of which each case opens a lake three times.
 */
export const PARTS: Readonly<Record<string, number>> = {
  CHECKSUM: 240_000,
  REST: 200_000,
  inflater: 150_000,
  scanner: 120_000,
  'fault rules': 101_400,
  'ZIP directory': 90_000,
  listing: 30_000,
  universe: 30_000,
  'ZIP entry name': 25_000,
  CSV: 3_000,
  deflate: 3_000,
  ZIP: 3_000,
  'lake.json': 3_000,
  config: 1_000,
  shard: 250,
  pack: 250,
  catalog: 100,
}
/** No case may take longer, however busy the machine is. */
const CASE_MS = 10_000

/** Checks a property on many cases; `cost` tells how many times dearer than an ordinary case one is. */
export async function checkCases<Case>(name: string, cases: fc.Arbitrary<Case>, check: (one: Case) => unknown, cost = 1): Promise<void> {
  const part = PARTS[name]
  if (part === undefined) throw new Error(`Expected a part of the cases for ${name}.`)
  const numRuns = Math.max(20, TOTAL === undefined ? Math.ceil(RUNS / cost) : Math.ceil((TOTAL * part) / 1_000_000))
  const beganMs = performance.now()
  const timed = async (one: Case): Promise<void> => {
    const startedMs = performance.now()
    await check(one)
    const elapsedMs = performance.now() - startedMs
    if (elapsedMs > CASE_MS) throw new Error(`Expected a case of ${name} to take at most ${CASE_MS} ms, it took ${elapsedMs.toFixed(0)}.`)
  }
  await fc.assert(fc.asyncProperty(cases, timed), { numRuns, seed: SEED })
  const report = process.env['CKVD_FUZZ_REPORT']
  if (report !== undefined)
    appendFileSync(report, `${JSON.stringify({ name, runs: numRuns, seed: SEED, ms: Math.round(performance.now() - beganMs) })}\n`)
}

/** The code of an error of the catalogue; what is a bug, or no error of ours, is thrown on. */
export function catalogued(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!Object.hasOwn(ERROR_CATALOGUE, code) || code === 'CKVD_BUG') throw error
  return code
}

/** A change of some bytes; places are fractions, so that they fit any length. */
export type Mutate = (bytes: Uint8Array) => Buffer

export const mutation: fc.Arbitrary<Mutate> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('cut', 'flip', 'set', 'insert', 'drop', 'copy', 'number'),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      from: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      near: fc.constantFrom('start', 'end', 'anywhere', 'anywhere'),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
      // sizes, counts and offsets that programs have stumbled over
      number: fc.constantFrom(0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((steps) => (bytes) => {
    let result = Buffer.from(bytes)
    for (const { kind, at, from, near, bytes: patch, number } of steps) {
      const reach = near === 'anywhere' ? result.length : Math.min(128, result.length)
      const index = Math.max(0, near === 'end' ? result.length - 1 - Math.floor(at * reach) : Math.floor(at * reach))
      const [head, tail] = [result.subarray(0, index), result.subarray(index)]
      if (kind === 'cut') result = Buffer.from(head)
      else if (kind === 'insert') result = Buffer.concat([head, patch, tail])
      else if (kind === 'drop') result = Buffer.concat([head, tail.subarray(patch.length)])
      else if (kind === 'copy') result = Buffer.concat([head, result.subarray(Math.floor(from * result.length)).subarray(0, 200), tail])
      else if (kind === 'number') {
        if (index + 4 <= result.length) result.writeUInt32LE(number, index)
      } else patch.forEach((byte, i) => (result[index + i] = kind === 'set' ? byte : (result[index + i] ?? 0) ^ byte))
    }
    return result
  })
