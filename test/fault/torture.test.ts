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
  readonly faults: { readonly runs: number; readonly lost: readonly string[] }
  readonly attacks: { readonly runs: number; readonly peakMib: number; readonly lost: readonly string[] }
}

/** `npm run torture` in its short form; `npm run torture` itself goes on for 200 kills. */
async function torture(what: 'kills' | 'faults' | 'attacks', count: number): Promise<Torture> {
  const none = ['kills', 'faults', 'attacks', 'fuzz', 'oracle'].filter((name) => name !== what).flatMap((name) => [`--${name}`, '0'])
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

test('runs with random faults: nothing unverified is stored, and the run after them has everything', { timeout: 600_000 }, async () => {
  const { faults } = await torture('faults', 5)
  expect(faults).toMatchObject({ runs: 5, lost: [] })
})

test(
  'runs under random attacks: the exit code is one of the contract, and nothing is lost, unverified, too large or sent within a ban',
  { timeout: 600_000 },
  async () => {
    const { attacks } = await torture('attacks', 4)
    expect(attacks).toMatchObject({ runs: 4, lost: [] })
    expect(attacks.peakMib).toBeGreaterThan(30)
  },
)

test('the torture itself would tell: a shard of other bytes is damage', async () => {
  const { findDamage, ingest, startExchange, withLake, digestsOf } = (await import(
    new URL('../../scripts/torture/world.mjs', import.meta.url).href
  )) as TortureWorld
  const exchange = await startExchange()
  try {
    await withLake(async (lake) => {
      await ingest(lake, exchange.urls)
      const digests = await digestsOf(lake)
      expect(await findDamage(lake, digests)).toEqual([])
      const [path = ''] = digests.keys()
      expect(await findDamage(lake, new Map([...digests, [path, 'another digest']]))).toEqual([`${path} is another`])
      expect((await findDamage(lake, new Map([...digests, ['lost.arrow', 'a digest']])))[0]).toBe('lost.arrow is missing')
    })
  } finally {
    await exchange.close()
  }
})

interface TortureWorld {
  readonly startExchange: () => Promise<{ readonly urls: object; readonly close: () => Promise<void> }>
  readonly withLake: <Result>(work: (lake: string) => Promise<Result>) => Promise<Result>
  readonly ingest: (lake: string, urls: object) => Promise<unknown>
  readonly digestsOf: (lake: string) => Promise<Map<string, string>>
  readonly findDamage: (lake: string, reference: ReadonlyMap<string, string>) => Promise<string[]>
}
