import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import '../support/dist.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/torture.mjs', import.meta.url))
const run = promisify(execFile)

/** What `npm run torture -- --json` prints. */
interface Torture {
  readonly kills: { readonly kills: number; readonly byMoment: Readonly<Record<string, number>>; readonly lost: readonly string[] }
  readonly upgrades: Torture['kills']
  readonly faults: { readonly runs: number; readonly lost: readonly string[] }
  readonly attacks: {
    readonly runs: number
    readonly peakMib: number
    readonly byAsk: Readonly<Record<string, number>>
    readonly lost: readonly string[]
  }
}

/** `npm run torture` in its short form; `npm run torture` itself goes on for 200 kills. */
async function torture(what: 'kills' | 'upgrades' | 'faults' | 'attacks', count: number): Promise<Torture> {
  const none = ['kills', 'upgrades', 'faults', 'attacks', 'fuzz', 'oracle']
    .filter((name) => name !== what)
    .flatMap((name) => [`--${name}`, '0'])
  const args = [`--${what}`, String(count), ...none, '--seed', '20240301', '--minutes', '10']
  const { stdout } = await run(process.execPath, [SCRIPT, '--json', ...args])
  return JSON.parse(stdout) as Torture
}

test(
  '20 kills, at every named step and at any moment between: nothing is lost, and the same command ends as if it had run alone',
  { timeout: 600_000 },
  async () => {
    const { kills } = await torture('kills', 20)
    expect(kills.lost).toEqual([])
    expect(kills.kills).toBe(20)
    const steps = ['write', 'sync', 'rename', 'sync-dir', 'transaction'].flatMap((step) => [`before ${step}`, `after ${step}`])
    expect(Object.keys(kills.byMoment).sort()).toEqual(['any moment', ...steps].sort())
  },
)

test(
  '24 kills of an upgrade, at every named step and at any moment between: every chunk is read after each, and the lake ends as a fresh one',
  { timeout: 600_000 },
  async () => {
    const { upgrades } = await torture('upgrades', 24)
    expect(upgrades.lost).toEqual([])
    expect(upgrades.kills).toBe(24)
    const steps = ['write', 'sync', 'rename', 'sync-dir', 'transaction', 'remove'].flatMap((step) => [`before ${step}`, `after ${step}`])
    expect(Object.keys(upgrades.byMoment).sort()).toEqual(['any moment', ...steps].sort())
  },
)

test('runs with random faults: nothing unverified is stored, and the run after them has everything', { timeout: 600_000 }, async () => {
  const { faults } = await torture('faults', 5)
  expect(faults).toMatchObject({ runs: 5, lost: [] })
})

test(
  'runs under random attacks: the exit code is one of the contract, and nothing is lost, unverified, too large or sent within a ban',
  { timeout: 600_000 },
  async () => {
    const { attacks } = await torture('attacks', 6)
    expect(attacks).toMatchObject({ runs: 6, lost: [] })
    expect(attacks.peakMib).toBeGreaterThan(30)
    // each way to ask was drawn
    expect(new Set(Object.keys(attacks.byAsk).map((asked) => asked.split(' ')[0]))).toEqual(new Set(['ingest', 'fetch', 'library']))
  },
)

test('the torture itself would tell: a bar that the exchange has not, or one that is missing without a word', async () => {
  const { findLies, handedOut } = (await import(new URL('../../scripts/torture/asks.mjs', import.meta.url).href)) as TortureAsks
  const times = [0, 1, 2].map((hour) => new Date(Date.parse('2024-03-01T00:00:00Z') + hour * 3_600_000).toISOString())
  const bars = times.map((time) => ({ open_time: time, close: 5, _data_source: 'VISION' }))
  const ask = { by: 'fetch', from: 0, to: 1 }
  const of = (changed: readonly object[], gaps: readonly object[] = []) => handedOut(ask, JSON.stringify({ bars: changed, gaps }))
  const truth = of(bars).bars
  expect(findLies(ask, of(bars), truth)).toEqual([])
  expect(findLies(ask, of(bars.map((bar, i) => (i === 1 ? { ...bar, close: 6 } : bar))), truth)).toHaveLength(1)
  expect(findLies(ask, of(bars.slice(1)), truth)[0]).toContain('missing without a word')
  const [startUs = 0, endUs = 0] = times.map((time) => Date.parse(time) * 1000)
  expect(findLies(ask, of(bars.slice(1), [{ start: startUs, end: endUs }]), truth)).toEqual([])
})

test('the torture itself would tell: a shard of other bytes is damage', async () => {
  const { findDamage, findUnverified, ingest, startExchange, withLake, referenceOf } = (await import(
    new URL('../../scripts/torture/world.mjs', import.meta.url).href
  )) as TortureWorld
  const exchange = await startExchange()
  try {
    await withLake(async (lake) => {
      await ingest(lake, exchange.urls)
      const reference = await referenceOf(lake)
      expect(await findDamage(lake, reference)).toEqual([])
      expect(await findUnverified(lake, reference)).toEqual([])
      const { files, chunks } = reference
      const [path = ''] = files.keys()
      expect(await findDamage(lake, { files: new Map([...files, [path, 'another digest']]), chunks })).toEqual([`${path} is another`])
      expect((await findDamage(lake, { files: new Map([...files, ['lost.arrow', 'a digest']]), chunks }))[0]).toBe('lost.arrow is missing')
      const [name = ''] = [...chunks.keys()].filter((chunk) => chunk.includes('1h-2024-03.arrow 2024-03-05'))
      expect(await findUnverified(lake, { files, chunks: new Map([...chunks, [name, 'other rows']]) })).toEqual([name])
    })
  } finally {
    await exchange.close()
  }
})

interface HandedOut {
  readonly bars: ReadonlyMap<number, string>
}

interface TortureAsks {
  readonly handedOut: (ask: object, stdout: string) => HandedOut
  readonly findLies: (ask: object, found: HandedOut, truth: HandedOut['bars']) => string[]
}

interface Reference {
  readonly files: ReadonlyMap<string, string>
  readonly chunks: ReadonlyMap<string, string>
}

interface TortureWorld {
  readonly startExchange: () => Promise<{ readonly urls: object; readonly close: () => Promise<void> }>
  readonly withLake: <Result>(work: (lake: string) => Promise<Result>) => Promise<Result>
  readonly ingest: (lake: string, urls: object) => Promise<unknown>
  readonly referenceOf: (lake: string) => Promise<Reference>
  readonly findDamage: (lake: string, reference: Reference) => Promise<string[]>
  readonly findUnverified: (lake: string, reference: Reference) => Promise<string[]>
}
