import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DecodeRequest } from '../../src/codec/decode-archive.ts'
import { decodeArchive } from '../../src/codec/decode-archive.ts'
import { readZipEntry } from '../../src/codec/zip/zip-entry.ts'
import { parseChecksum } from '../../src/codec/zip/checksum.ts'
import { toCkvdError } from '../../src/errors.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import type { Sandbox } from '../../src/sandbox/index.ts'
import { parseListingPage } from '../../src/sources/vision/listing-page.ts'
import { decodeKlinesAnswer } from '../../src/sources/rest/klines-answer.ts'
import { archiveKeyParser } from '../../src/sources/vision/vision-url.ts'
import { DecodePool, startSandbox } from '../support/dist.ts'
import { buildZip, checksumOf, readFirstEntry } from '../support/zip-builder.ts'
import { catalogued, checkCases, mutation } from './cases.ts'

const STEM = 'AAAUSDT-1h-2024-03-01'
const KEY = `data/spot/daily/klines/AAAUSDT/1h/${STEM}.zip`
const SERIES = { market: 'spot', symbol: 'AAAUSDT', interval: '1h' } as const
const START_US = Date.parse('2024-03-01T00:00:00Z') * 1000

let sandbox: Sandbox
let archive: Buffer
let listing: Buffer
let klines: Buffer
const pool = new DecodePool({ workers: 1 })

beforeAll(async () => {
  const nowMs = Date.parse('2024-03-20T12:00:00Z')
  sandbox = await startSandbox({ now: () => nowMs, markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-03-01' }] })
  const read = async (url: string): Promise<Buffer> => Buffer.from(await (await fetch(url)).arrayBuffer())
  archive = await read(`${sandbox.urls.vision}/${KEY}`)
  listing = await read(`${sandbox.urls.listing}?delimiter=/&prefix=data/spot/daily/klines/AAAUSDT/1h/`)
  klines = await read(
    `${sandbox.urls.spotRest}/api/v3/klines?symbol=AAAUSDT&interval=1h&startTime=${START_US / 1000}&endTime=${START_US / 1000 + 86_399_999}&limit=1000`,
  )
})

afterAll(async () => {
  await sandbox.close()
  await pool.close()
})

/** A request with the right CHECKSUM: what lies behind it must refuse the archive alone. */
function requestFor(zip: Uint8Array): DecodeRequest {
  return {
    series: SERIES,
    archive: { key: KEY, etag: 'e', packaging: 'daily', period: '2024-03-01' },
    zip: new Uint8Array(zip),
    checksum: new Uint8Array(checksumOf(Buffer.from(zip), `${STEM}.zip`)),
    days: ['2024-03-01' as UtcDay],
    startsSeries: false,
    seriesStartUs: null,
    seriesEndUs: null,
  }
}

/** What decoding a request ends in, in this thread by JavaScript and in a worker by WebAssembly. */
async function decodeTwice(zip: Uint8Array): Promise<{ here: string; worker: string }> {
  const here = await decodeArchive(requestFor(zip)).then(
    ({ chunks }) => chunks.map(({ shardSha256 }) => shardSha256).join(),
    (error: unknown) => catalogued(toCkvdError(error)),
  )
  const outcome = await pool.decode(requestFor(zip), new AbortController().signal)
  const worker = outcome.ok ? outcome.result.chunks.map(({ shardSha256 }) => shardSha256).join() : catalogued(outcome.error)
  return { here, worker }
}

describe('archives', () => {
  test('the sample decodes, the same in a worker', async () => {
    const { here, worker } = await decodeTwice(archive)
    expect(here).toMatch(/^[0-9a-f]{64}$/)
    expect(worker).toBe(here)
  })

  test('a damaged ZIP ends in a shard or a code, the same in a worker as here, and the worker lives on', async () => {
    await checkCases('ZIP', mutation, async (mutate) => {
      const { here, worker } = await decodeTwice(mutate(archive))
      expect(worker).toBe(here)
    })
    expect((await decodeTwice(archive)).worker).toMatch(/^[0-9a-f]{64}$/)
  })

  test('a damaged deflate stream under right sizes ends the same in a worker as here', async () => {
    const csv = readFirstEntry(archive)
    const whole = buildZip([{ name: `${STEM}.csv`, data: csv }])
    const start = 30 + `${STEM}.csv`.length
    const packed = whole.subarray(start, start + whole.readUInt32LE(18))
    await checkCases('deflate', mutation, async (mutate) => {
      const { here, worker } = await decodeTwice(buildZip([{ name: `${STEM}.csv`, data: csv, packed: mutate(packed) }]))
      expect(worker).toBe(here)
    })
  })

  test('a damaged CSV ends in a shard or a code, the same in a worker as here', async () => {
    const csv = readFirstEntry(archive)
    await checkCases('CSV', mutation, async (mutate) => {
      const { here, worker } = await decodeTwice(buildZip([{ name: `${STEM}.csv`, data: mutate(csv) }]))
      expect(worker).toBe(here)
    })
  })

  test('any name of an entry but the right one is refused', async () => {
    const names = fc.oneof(
      fc.constantFrom(
        '../../../etc/passwd',
        '/etc/passwd',
        'C:\\evil.csv',
        `../${STEM}.csv`,
        `${STEM}.csv/`,
        `./${STEM}.csv`,
        `${STEM}.csv\0`,
        '',
        '.',
        '..',
      ),
      fc.string({ maxLength: 60 }),
    )
    await checkCases('ZIP entry name', names, async (name) => {
      const zip = buildZip([{ name, data: 'x' }])
      const code = await readZipEntry(zip, STEM).then(
        () => 'read',
        (error: unknown) => catalogued(error),
      )
      expect(code).toMatch(name === `${STEM}.csv` ? /^read$/ : /^CKVD_ZIP_/)
    })
  })

  test('a bomb is refused before its bytes are there: lying sizes, sizes beyond all reason', async () => {
    const bomb = buildZip([{ name: `${STEM}.csv`, data: Buffer.alloc(64 << 20) }])
    const lies = [{ size: 10 }, { size: 0xffff_ffff }, { size: 0 }, { packedSize: 0xffff_ffff }].map((lie) =>
      buildZip([{ name: `${STEM}.csv`, data: Buffer.alloc(8 << 20), ...lie }]),
    )
    const before = process.memoryUsage().rss
    for (const zip of [bomb, ...lies]) {
      const { here, worker } = await decodeTwice(zip)
      expect(here).toMatch(/^CKVD_(ZIP|CSV)_/)
      expect(worker).toBe(here)
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(512 << 20)
  })
})

test('a CHECKSUM of any bytes is a digest or a code', async () => {
  const line = Buffer.from(`${'0123456789abcdef'.repeat(4)}  ${STEM}.zip\n`)
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    mutation.map((mutate) => mutate(line)),
  )
  await checkCases('CHECKSUM', bytes, (text) => {
    try {
      expect(parseChecksum(text, `${STEM}.zip`)).toMatch(/^[0-9a-f]{64}$/)
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error
      expect(catalogued(error)).toMatch(/^CKVD_CHECKSUM_/)
    }
  })
})

describe('the listing', () => {
  const tricks = fc.constantFrom(
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>&c;</Key></Contents></ListBucketResult>',
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>&e;</Key><ETag>"x"</ETag><Size>1</Size></Contents></ListBucketResult>',
    '<ListBucketResult><__proto__><polluted>1</polluted></__proto__><IsTruncated>false</IsTruncated></ListBucketResult>',
    `${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}`,
    '<ListBucketResult>'.repeat(5000),
  )

  test('any page is keys or a code; no key leads out of its folder, and no prototype changes', async () => {
    const pages = fc.oneof(
      { weight: 6, arbitrary: mutation.map((mutate) => mutate(listing)) },
      { weight: 1, arbitrary: tricks.map((text) => Buffer.from(text)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
    )
    await checkCases('listing', pages, async (bytes) => {
      try {
        for (const { key, sizeBytes, etag } of (await parseListingPage(bytes, 'here')).keys) {
          expect(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0).toBe(true)
          expect(typeof etag).toBe('string')
          expect(key).not.toContain('root:')
          const parsed = archiveKeyParser(SERIES, 'daily')(key)
          if (parsed !== undefined) expect(key).toMatch(/^data\/spot\/daily\/klines\/AAAUSDT\/1h\/AAAUSDT-1h-\d{4}-\d{1,2}-\d{1,2}\.zip$/)
        }
      } catch (error) {
        if (error instanceof Error && error.name === 'AssertionError') throw error
        expect(catalogued(error)).toBe('CKVD_LISTING')
      }
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    })
  })
})

test('a REST answer of any bytes is rows in order inside the page, or a code', async () => {
  const page = { startUs: START_US, endUs: START_US + 86_399_999_000, limit: 1000 }
  const bodies = fc.oneof(
    { weight: 4, arbitrary: mutation.map((mutate) => new Uint8Array(mutate(klines))) },
    { weight: 1, arbitrary: fc.json().map((text) => new Uint8Array(Buffer.from(text))) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom('[[]]', '[null]', '{"code":"x"}', '{"__proto__":{"code":1}}', '[['.repeat(50_000), '{"code":1e999}', '[[1e999]]')
        .map((text) => new Uint8Array(Buffer.from(text))),
    },
  )
  const statuses = fc.constantFrom(200, 400, 404, 429)
  const whole = decodeKlinesAnswer({ status: 200, headers: {}, body: new Uint8Array(klines) }, page, 'here', '1h')
  expect(whole === 'unlisted' ? 0 : whole.openTime.length).toBeGreaterThan(0)
  await checkCases('REST', fc.record({ status: statuses, body: bodies }), ({ status, body }) => {
    try {
      const rows = decodeKlinesAnswer({ status, headers: {}, body }, page, 'here', '1h')
      if (rows === 'unlisted') return
      const times = [...rows.openTime]
      expect(times).toEqual([...new Set(times)].sort((a, b) => (a < b ? -1 : 1)))
      expect(times.every((time) => Number(time) >= page.startUs && Number(time) <= page.endUs)).toBe(true)
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error
      catalogued(error)
    }
  })
})
