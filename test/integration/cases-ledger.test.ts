import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { FaultRule } from '../../src/sandbox/index.ts'
import { createWorld } from '../support/cases.ts'
import { jsonOf } from '../support/ckvd.ts'
import { digestTree, listFiles } from '../support/temp-lake.ts'

/* What becomes of a day over several runs: accepted by a person, upgraded, published anew, released or kept out. */

const BTC = { market: 'spot', symbol: 'BTCUSDT', firstDay: '2017-08-17' } as const
const NOW = '2024-02-20T12:00:00Z'
const ask = { symbols: ['BTCUSDT'], start: '2024-01-10', end: '2024-01-13' } as const
/** the archives lack two hours of 2024-01-11, REST has them */
const hole = {
  kind: 'outage',
  market: 'spot',
  symbol: 'BTCUSDT',
  from: '2024-01-11T03:00:00Z',
  to: '2024-01-11T05:00:00Z',
  rest: false,
} as const
const wrongChecksum = { kind: 'wrong-checksum', match: '2024-01-11\\.zip\\.CHECKSUM' } as const

interface Coverage {
  readonly exit: number
  readonly series: readonly {
    readonly days: Readonly<Record<string, number>>
    readonly accepted: number
    readonly unexplained: readonly { day: string; condition: string; accepted: boolean; reason: string }[]
  }[]
}

describe('coverage --accept', () => {
  const accept = ['coverage', '--accept', 'spot/BTCUSDT/1h/2024-01-11', '--reason', 'looked at: maintenance']
  const partial = [hole, { kind: 'status', status: 403, match: '/spot/api' }] as const

  test.each([
    ['partial', partial, []],
    ['quarantined', [wrongChecksum], ['--no-rest']],
  ] as const)(
    'a %s day that a person accepts is explained from then on, says so everywhere, and survives reruns',
    async (condition, faults, flags) => {
      await using world = await createWorld({ now: NOW, markets: [BTC], faults })
      const run = { ...ask, flags }
      const first = await world.ingest(run)
      expect(first.exit).not.toBe(0)
      expect(first.days).toMatchObject({ complete: 2, [condition]: 1 })
      expect((await world.ckvd(['coverage', '--json'])).exit).toBe(3)

      expect(await world.ckvd(accept)).toMatchObject({ exit: 0 })
      const shown = await world.ckvd(['coverage', '--json'])
      const coverage = jsonOf(shown) as Coverage
      expect(shown.exit).toBe(0)
      // the condition stays: acceptance explains the day, it does not fill it
      expect(coverage.series[0]).toMatchObject({ accepted: 1, days: { complete: 2, [condition]: 1 } })
      expect(coverage.series[0]?.unexplained).toMatchObject([{ day: '2024-01-11', condition, accepted: true }])
      expect(coverage.series[0]?.unexplained[0]?.reason).toContain('looked at: maintenance')
      const text = (await world.ckvd(['coverage'])).stdout
      expect(text).toContain('looked at: maintenance')
      expect(text).toContain('(accepted)')
      expect((await world.ckvd(['coverage', '--csv'])).stdout.split('\n')[0]).toContain('accepted')

      for (const more of [[], ['--retry-failed']]) {
        const again = await world.ingest({ ...run, flags: [...flags, ...more] })
        expect(again).toMatchObject({ exit: 0, problems: [], days: { complete: 2, [condition]: 1 } })
        expect((await world.ckvd(['coverage', '--json'])).exit).toBe(0)
      }
      expect(world.day('2024-01-11')).toMatchObject({ condition })
      expect(world.day('2024-01-11').accepted).toBe('looked at: maintenance')
    },
  )

  test('an accepted day that can be filled after all is filled, and the acceptance goes', async () => {
    await using world = await createWorld({ now: NOW, markets: [BTC], faults: partial })
    await world.ingest(ask)
    await world.ckvd(accept)
    world.sandbox.setFaults([hole])
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, days: { complete: 3 } })
    expect(world.day('2024-01-11')).toMatchObject({ condition: 'complete', rows: 24, source: 'vision-daily+rest' })
    expect(world.day('2024-01-11').accepted).toBeNull()
  })

  test('nothing else explains a day: not a rerun, not a wrong acceptance', async () => {
    await using world = await createWorld({ now: NOW, markets: [BTC], faults: [hole] })
    const run = { ...ask, flags: ['--no-rest'] }
    expect(await world.ingest(run)).toMatchObject({ exit: 3, days: { partial: 1 } })
    const before = await digestTree(`${world.lake}/data`)
    for (const [args, exit] of [
      [['coverage', '--accept', 'spot/BTCUSDT/1h/2024-01-11'], 2],
      [['coverage', '--accept', 'spot/BTCUSDT/1h/2024-01-11', '--reason', ' '], 2],
      [['coverage', '--accept', 'spot/BTCUSDT/1h/2024-01-10', '--reason', 'it is complete'], 2],
      [['coverage', '--accept', 'spot/BTCUSDT/1h/2024-01-20', '--reason', 'never asked for'], 2],
      [['coverage', '--accept', 'spot/BTCUSDT/2024-01-11', '--reason', 'no interval'], 2],
    ] as const) {
      expect((await world.ckvd(args)).exit, args.join(' ')).toBe(exit)
    }
    expect(await world.ingest(run)).toMatchObject({ exit: 3, days: { partial: 1 } })
    expect(await world.ingest({ ...run, flags: ['--no-rest', '--retry-failed'] })).toMatchObject({ exit: 3, days: { partial: 1 } })
    expect((await world.ckvd(['coverage', '--json'])).exit).toBe(3)
    expect(await digestTree(`${world.lake}/data`)).toEqual(before)
  })
})

describe('upgrade', () => {
  test('a provisional day is replaced when Vision publishes it; the rows that differ are counted', async () => {
    const differ = { kind: 'differ', market: 'spot', symbol: 'BTCUSDT', day: '2024-02-19', source: 'rest' } as const
    const options = { now: '2024-02-20T05:00:00Z', markets: [BTC] }
    await using world = await createWorld({ ...options, faults: [differ] })
    const run = { symbols: ['BTCUSDT'], start: '2024-02-17', end: '2024-02-20' }
    expect(await world.ingest(run)).toMatchObject({ exit: 0, days: { complete: 2, provisional: 1 } })
    const provisional = world.day('2024-02-19')

    // not published yet: nothing happens
    world.now = '2024-02-20T08:00:00Z'
    expect(await world.ingest(run)).toMatchObject({ exit: 0, days: { provisional: 1 }, stored: 0, requests: { archive: 0, rest: 0 } })
    world.now = '2024-02-21T08:00:00Z'
    const upgraded = await world.ingest(run)
    expect(upgraded).toMatchObject({ exit: 0, days: { complete: 3 }, stored: 1, upgraded: 1, requests: { archive: 1, rest: 0 } })
    expect(world.day('2024-02-19')).toMatchObject({ condition: 'complete', source: 'vision-daily', revision: 2, differing_rows: 1 })
    expect(world.revisions()).toEqual([
      { day: '2024-02-19', revision: 1, archive_etag: null, shard_sha256: provisional.shard_sha256, changed_rows: 1 },
    ])
    await using truth = await createWorld({ ...options, now: '2024-02-21T08:00:00Z' })
    await truth.ingest(run)
    expect(await world.bars('BTCUSDT', '1h')).toEqual(await truth.bars('BTCUSDT', '1h'))
    expect(await world.ingest(run)).toMatchObject({ exit: 0, skipped: 3, stored: 0, requests: { listing: 0, archive: 0 } })
  })

  test('REST that disagrees with rows that Vision has is counted, Vision stays', async () => {
    await using world = await createWorld({
      now: NOW,
      markets: [BTC],
      faults: [
        { kind: 'outage', market: 'spot', symbol: 'BTCUSDT', from: '2024-01-11T01:00:00Z', to: '2024-01-11T03:00:00Z', rest: false },
        { kind: 'differ', market: 'spot', symbol: 'BTCUSDT', day: '2024-01-11', source: 'rest' },
      ],
    })
    await using truth = await createWorld({ now: NOW, markets: [BTC] })
    await truth.ingest(ask)
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, days: { complete: 3 } })
    // REST's bar of 00:00, beside the hole, has another volume
    expect(world.day('2024-01-11')).toMatchObject({ condition: 'complete', source: 'vision-daily+rest', differing_rows: 1 })
    expect((await world.bars('BTCUSDT', '1h'))[24]).toEqual((await truth.bars('BTCUSDT', '1h'))[24])
  })
})

describe('republication', () => {
  const republished = { kind: 'republish', market: 'spot', symbol: 'BTCUSDT', day: '2024-01-11' } as const

  test('a changed archive is reported by a run that reads its page, and taken with --refresh as a new revision', async () => {
    await using world = await createWorld({ now: NOW, markets: [BTC] })
    const first = await world.ingest(ask)
    expect(first).toMatchObject({ exit: 0, changed: 0 })
    const old = world.day('2024-01-11')

    world.sandbox.setFaults([republished])
    const longer = await world.ingest({ ...ask, start: '2024-01-09' })
    expect(longer).toMatchObject({ exit: 0, changed: 1, stored: 1, skipped: 3, republished: 0 })
    expect(world.day('2024-01-11')).toEqual(old)

    const refreshed = await world.ingest({ ...ask, flags: ['--refresh'] })
    expect(refreshed).toMatchObject({ exit: 0, days: { complete: 3 }, stored: 1, republished: 1, requests: { archive: 1, rest: 0 } })
    const now = world.day('2024-01-11')
    expect(now).toMatchObject({ condition: 'complete', revision: 2 })
    expect(now.archive_etag).not.toBe(old.archive_etag)
    // the sandbox's second revision has other volumes at 00:07, 04:07, … of a day
    expect(world.revisions()).toEqual([
      { day: '2024-01-11', revision: 1, archive_etag: old.archive_etag, shard_sha256: old.shard_sha256, changed_rows: 6 },
    ])
    expect(await world.ingest({ ...ask, flags: ['--refresh'] })).toMatchObject({
      exit: 0,
      stored: 0,
      republished: 0,
      requests: { archive: 0 },
    })
  })

  test('a refresh in which the new archive is damaged keeps the day as it was', async () => {
    await using world = await createWorld({ now: NOW, markets: [BTC] })
    await world.ingest(ask)
    const old = world.day('2024-01-11')
    world.sandbox.setFaults([republished, { kind: 'corrupt-zip', match: '2024-01-11\\.zip' }])
    const run = await world.ingest({ ...ask, flags: ['--refresh', '--no-rest'] })
    expect(run.problems.map(({ day }) => day)).toEqual(['2024-01-11'])
    expect(world.day('2024-01-11')).toMatchObject({ condition: 'complete', shard_sha256: old.shard_sha256, revision: 1 })
    expect(await world.bars('BTCUSDT', '1h')).toHaveLength(72)
  })
})

describe('a wrong checksum', () => {
  test('agrees with REST row by row: released, with the evidence', async () => {
    await using world = await createWorld({ now: NOW, markets: [BTC], faults: [wrongChecksum] })
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, days: { complete: 3 }, problems: [], requests: { rest: 1 } })
    const day = world.day('2024-01-11')
    expect(day).toMatchObject({ condition: 'complete', source: 'vision-daily', differing_rows: 0 })
    expect(day.evidence).toBe('released: CKVD_CHECKSUM_MISMATCH, but all 24 rows of the archive agree with REST')
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, skipped: 3, requests: { archive: 0, rest: 0 } })
  })

  test('agrees with the other form of archive: the day comes from that, and REST is not needed', async () => {
    await using world = await createWorld({
      now: NOW,
      markets: [BTC],
      faults: [{ kind: 'wrong-checksum', match: 'daily/.*2024-01-11\\.zip\\.CHECKSUM' }],
    })
    // a whole month is asked for, so that its archive is listed; daily archives are preferred by the flag
    const run = await world.ingest({
      symbols: ['BTCUSDT'],
      start: '2024-01-01',
      end: '2024-02-01',
      flags: ['--no-rest', '--archives', 'auto'],
    })
    expect(run).toMatchObject({ exit: 0, days: { complete: 31 }, requests: { rest: 0 } })
    world.sandbox.setFaults([{ kind: 'wrong-checksum', match: 'monthly/.*2024-01\\.zip\\.CHECKSUM' }])
    const other = await world.ingest({ symbols: ['BTCUSDT'], start: '2024-01-01', end: '2024-02-01', flags: ['--no-rest', '--force'] })
    expect(other).toMatchObject({ exit: 0, days: { complete: 31 }, requests: { rest: 0 } })
    expect(world.day('2024-01-11')).toMatchObject({ condition: 'complete', source: 'vision-daily' })
    expect(world.day('2024-01-11').evidence).toMatch(/monthly.*CKVD_CHECKSUM_MISMATCH; its 24 rows agree with .*daily/)
  })

  test('differs from REST: the day comes from REST, provisional, and the archive is not tried again until its ETag changes', async () => {
    const differ = { kind: 'differ', market: 'spot', symbol: 'BTCUSDT', day: '2024-01-11', source: 'rest' } as const
    await using world = await createWorld({ now: NOW, markets: [BTC], faults: [wrongChecksum, differ] })
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, days: { complete: 2, provisional: 1 } })
    const day = world.day('2024-01-11')
    expect(day).toMatchObject({ condition: 'provisional', source: 'rest', differing_rows: 1 })
    expect(day.evidence).toContain('quarantined (CKVD_CHECKSUM_MISMATCH)')
    expect(day.archive_etag).not.toBeNull()
    world.clearRequests()
    for (const flags of [[], ['--refresh'], ['--retry-failed']]) {
      expect(await world.ingest({ ...ask, flags }), flags.join()).toMatchObject({
        exit: 0,
        days: { complete: 2, provisional: 1 },
        requests: { archive: 0, rest: 0 },
      })
    }
  })

  test('differs from REST, then published anew with a right checksum: taken by the next run', async () => {
    const differ = { kind: 'differ', market: 'spot', symbol: 'BTCUSDT', day: '2024-01-11', source: 'rest' } as const
    await using world = await createWorld({ now: NOW, markets: [BTC], faults: [wrongChecksum, differ] })
    await world.ingest(ask)
    world.sandbox.setFaults([{ kind: 'republish', market: 'spot', symbol: 'BTCUSDT', day: '2024-01-11', content: false }])
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, days: { complete: 3 }, upgraded: 1, requests: { archive: 1, rest: 0 } })
    expect(world.day('2024-01-11')).toMatchObject({ condition: 'complete', source: 'vision-daily', revision: 2, differing_rows: 1 })
  })

  test.each<[string, readonly FaultRule[], number, string]>([
    ['a wrong checksum', [wrongChecksum], 503, 'CKVD_CHECKSUM_MISMATCH'],
    ['a damaged archive', [{ kind: 'corrupt-zip', match: '2024-01-11\\.zip' }], 403, 'CKVD_ZIP_'],
  ])('%s while REST cannot be asked: failed, and the next run tries again by itself', async (_name, faults, status, code) => {
    await using world = await createWorld({
      now: NOW,
      markets: [BTC],
      faults: [...faults, { kind: 'status', status, match: '/klines\\?' }],
    })
    const first = await world.ingest(ask)
    expect(first).toMatchObject({ exit: 3, days: { complete: 2, failed: 1 }, problems: [{ day: '2024-01-11', condition: 'failed' }] })
    expect(first.problems[0]?.code).toMatch(new RegExp(`^${code}`))
    expect(world.day('2024-01-11')).toMatchObject({
      shard_sha256: null,
      evidence: expect.stringMatching(/^REST could not be asked: CKVD_/) as string,
    })
    // REST answers again; the archive is as bad as it was
    world.sandbox.setFaults(faults)
    expect(await world.ingest(ask)).toMatchObject({ exit: 0, problems: [], stored: 1, skipped: 2 })
    expect(await world.bars('BTCUSDT', '1h')).toHaveLength(72)
  })

  test('without REST: quarantined with the reason beside it, kept out of later runs, tried again with --retry-failed or a new ETag', async () => {
    await using world = await createWorld({ now: NOW, markets: [BTC], faults: [wrongChecksum] })
    const alone = { ...ask, flags: ['--no-rest'] }
    const first = await world.ingest(alone)
    expect(first).toMatchObject({ exit: 3, days: { complete: 2, quarantined: 1 }, requests: { archive: 4, rest: 0 } })
    expect(first.problems).toMatchObject([{ day: '2024-01-11', condition: 'quarantined', code: 'CKVD_CHECKSUM_MISMATCH' }])
    expect(await world.chunks()).toHaveLength(2)
    const kept = await listFiles(`${world.lake}/quarantine`)
    expect(kept).toHaveLength(2)
    const reason = kept.find((name) => name.endsWith('.json'))!
    expect(JSON.parse(await readFile(`${world.lake}/quarantine/${reason}`, 'utf8'))).toMatchObject({ code: 'CKVD_CHECKSUM_MISMATCH' })

    // its ETag has not changed: no run tries it again, each run says so
    const second = await world.ingest(alone)
    expect(second).toMatchObject({ exit: 3, days: { quarantined: 1 }, skipped: 3, requests: { archive: 0 } })
    expect(second.problems).toMatchObject([{ day: '2024-01-11', condition: 'quarantined' }])

    // a new ETag is a new archive
    world.sandbox.setFaults([{ kind: 'republish', market: 'spot', symbol: 'BTCUSDT', day: '2024-01-11', content: false }, wrongChecksum])
    expect(await world.ingest(alone)).toMatchObject({ exit: 3, days: { quarantined: 1 }, requests: { archive: 2 } })

    // and a person may insist
    expect(await world.ingest({ ...ask, flags: ['--retry-failed'] })).toMatchObject({
      exit: 0,
      days: { complete: 3 },
      requests: { archive: 2, rest: 1 },
    })
    expect(world.day('2024-01-11').evidence).toContain('released')
  })
})

test('a first month that cannot be had while REST is off: when REST can be asked, the time before the first bar is no outage', async () => {
  const market = { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-02-01', opensAt: '12:30' } as const
  const month = { kind: 'status', status: 404, match: '/monthly/klines/AAAUSDT/.*2024-02\\.zip$' } as const
  await using world = await createWorld({ now: '2024-04-20T12:00:00Z', markets: [market], faults: [month] })
  const ask = { market: 'spot', symbols: ['AAAUSDT'], intervals: '6h', start: '2024-01-23', end: '2024-03-01' } as const
  const first = await world.ingest({ ...ask, flags: ['--no-rest'] })
  expect(first.exit).toBe(3)
  expect(world.days('AAAUSDT')[0]).toMatchObject({ day: '2024-02-01', condition: 'partial' })
  const second = await world.ingest(ask)
  expect(second.exit).toBe(0)
  // 12:30 lies in the slot of 12:00, the third of four
  expect(world.days('AAAUSDT')[0]).toMatchObject({ day: '2024-02-01', condition: 'complete', rows: 2, expected: 2 })
  expect(world.gaps('AAAUSDT')).toEqual([])
})

test('a first month whose archive has no bar while REST is off: when REST can be asked, the time before the first bar is no outage', async () => {
  const market = { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-02-12' } as const
  const silence = { kind: 'outage', market: 'spot', symbol: 'AAAUSDT', from: '2024-02-12T00:00:00Z', to: '2024-03-06T00:00:00Z' } as const
  await using world = await createWorld({ now: '2024-04-20T12:00:00Z', markets: [market], faults: [silence] })
  const ask = { market: 'spot', symbols: ['AAAUSDT'], intervals: '1h', start: '2024-01-30', end: '2024-03-08' } as const
  const monthly = ['--archives', 'monthly']
  const first = await world.ingest({ ...ask, flags: [...monthly, '--no-rest'] })
  expect(first.exit).toBe(3)
  const second = await world.ingest({ ...ask, flags: monthly })
  expect(second).toMatchObject({ exit: 0, days: { outage: 0, partial: 0, complete: 2, unlisted: 36 } })
  expect(world.days('AAAUSDT').map(({ day }) => day)).toEqual(['2024-03-06', '2024-03-07'])
  expect(world.gaps('AAAUSDT')).toEqual([])
})
