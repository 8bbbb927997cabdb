import { createHash } from 'node:crypto'
import { get } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FaultRule, Sandbox } from '../../../src/sandbox/index.ts'
import { parseFaultRules, startSandbox } from '../../../src/sandbox/index.ts'
import type { ExactRow, WireAnswer } from './client.ts'
import { at, fetchAllKeys, fetchKlines, fetchPage, fetchRows, fetchWire, unzip } from './client.ts'

const NOW = at('2024-03-05T12:00:00Z')
const FOLDER = 'data/spot/daily/klines/BTCUSDT/1m/'
const KEY = `${FOLDER}BTCUSDT-1m-2024-02-03.zip`
const MONTH = 'data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-02.zip'
const DAY = { market: 'spot', symbol: 'BTCUSDT', day: '2024-02-03' } as const
let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({ now: () => NOW, markets: [{ market: 'spot', symbol: 'BTCUSDT', firstDay: '2024-01-01' }] })
})
afterAll(() => sandbox.close())
beforeEach(() => {
  sandbox.setFaults([])
  sandbox.clearRequests()
})

const url = (key: string): string => `${sandbox.urls.vision}/${key}`
const rowsOf = (key: string): Promise<ExactRow[]> => fetchRows(sandbox.urls.vision, key)
const restDay = (): Promise<ExactRow[]> =>
  Promise.all(
    ['00:00', '12:00'].map((time) =>
      fetchKlines(
        `${sandbox.urls.spotRest}/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=720&startTime=${at(`2024-02-03T${time}Z`)}&endTime=${at(`2024-02-03T${time}Z`) + 719 * 60_000}`,
      ),
    ),
  ).then((halves) => halves.flat())
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** The listing's size, the body's length and the CHECKSUM agree: what a fault of content must never break. */
async function expectConsistent(key: string): Promise<Buffer> {
  const [entry] = (await fetchPage(sandbox.urls.listing, { prefix: key })).contents
  const archive = await fetchWire(url(key))
  expect(Number(entry?.Size)).toBe(archive.body.length)
  expect((await fetchWire(url(`${key}.CHECKSUM`))).body.toString().slice(0, 64)).toBe(sha256(archive.body))
  return archive.body
}

describe('faults of answers', () => {
  const zip = { match: 'BTCUSDT-1m-2024-02-0.*\\.zip$' }

  it('status: with Retry-After and body, so many times, after so many', async () => {
    sandbox.setFaults([{ ...zip, kind: 'status', status: 503, retryAfterSeconds: 7, body: 'busy', times: 2, skip: 1 }])
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await fetchWire(url(KEY)))
    expect(answers.map(({ status }) => status)).toEqual([200, 503, 503, 200])
    expect([answers[1]!.headers['retry-after'], answers[1]!.body.toString()]).toEqual(['7', 'busy'])
    expect((await fetchWire(url(`${KEY}.CHECKSUM`))).status).toBe(200)
    expect(sandbox.requests.map(({ kind, status }) => [kind, status])).toEqual([
      ['archive', 200],
      ['archive', 503],
      ['archive', 503],
      ['archive', 200],
      ['checksum', 200],
    ])
  })

  it.each(['connect', 'headers'] as const)('reset at %s: no answer', async (place) => {
    sandbox.setFaults([{ ...zip, kind: 'reset', at: place }])
    await expect(fetchWire(url(KEY))).rejects.toThrow(/ECONNRESET|socket hang up|Parse Error/)
    expect(sandbox.requests[0]?.status).toBe(0)
  })

  it('reset at body: a part of it', async () => {
    sandbox.setFaults([{ ...zip, kind: 'reset', at: 'body' }])
    const answer = await fetchWire(url(KEY))
    expect([answer.status, answer.complete, answer.body.length < Number(answer.headers['content-length'])]).toEqual([200, false, true])
  })

  it.each(['headers', 'body'] as const)('stall at %s: waits for ever, until the sandbox closes', async (place) => {
    const own = await startSandbox({ now: () => NOW, faults: [{ match: '\\.zip$', kind: 'stall', at: place }] })
    const pending = fetchWire(`${own.urls.vision}/${KEY}`).catch(() => 'broken')
    while (own.requests.length === 0) await new Promise(setImmediate)
    await own.close()
    await own.close()
    const answer = await pending
    expect(answer === 'broken' || (typeof answer !== 'string' && !answer.complete)).toBe(true)
  })

  it('slow: so many bytes a second', async () => {
    sandbox.setFaults([{ match: '\\.CHECKSUM$', kind: 'slow', bytesPerSecond: 400 }])
    const started = performance.now()
    const answer = await fetchWire(url(`${KEY}.CHECKSUM`))
    expect([answer.complete, performance.now() - started > 150]).toEqual([true, true])
  })

  it('truncate: with the whole length declared, or as if it were whole', async () => {
    sandbox.setFaults([{ ...zip, kind: 'truncate', bytes: 1000, declared: true }])
    const declared = await fetchWire(url(KEY))
    expect([declared.body.length, declared.complete]).toEqual([1000, false])
    sandbox.setFaults([{ ...zip, kind: 'truncate', bytes: 1000, declared: false }])
    const quiet = await fetchWire(url(KEY))
    expect([quiet.body.length, quiet.complete, quiet.headers['content-length']]).toEqual([1000, true, undefined])
  })

  it('flip, html, gzip, redirect', async () => {
    const right = (await fetchWire(url(KEY))).body
    sandbox.setFaults([{ ...zip, kind: 'flip', offset: 100 }])
    const flipped = (await fetchWire(url(KEY))).body
    expect(flipped.map((byte, i) => byte ^ right[i]!).filter((bits) => bits !== 0)).toEqual(Buffer.from([1]))
    sandbox.setFaults([{ ...zip, kind: 'html' }])
    const html = await fetchWire(url(KEY))
    expect([html.status, html.headers['content-type'], html.body.toString().slice(0, 9)]).toEqual([200, 'text/html', '<!DOCTYPE'])
    sandbox.setFaults([{ ...zip, kind: 'gzip' }])
    const gzip = await fetchWire(url(KEY))
    expect([gzip.headers['content-encoding'], gunzipSync(gzip.body).equals(right)]).toEqual(['gzip', true])
    sandbox.setFaults([{ ...zip, kind: 'redirect' }])
    const redirect = await fetchWire(url(KEY))
    expect(redirect.status).toBe(302)
    expect((await fetchWire(new URL(redirect.headers['location'] as string, sandbox.urls.vision).href)).body.equals(right)).toBe(true)
  })

  describe('of klines', () => {
    const hours = async (query: string): Promise<string[]> =>
      (await fetchKlines(`${sandbox.urls.spotRest}/api/v3/klines?symbol=BTCUSDT&interval=1h&${query}`)).map(({ open }) =>
        new Date(Number(open)).toISOString().slice(5, 13),
      )
    const range = `startTime=${at('2024-02-01T00:00:00Z')}&endTime=${at('2024-02-09T00:00:00Z')}&limit=1000`

    it('cap: so many rows at most, from the end that is right', async () => {
      sandbox.setFaults([{ match: 'klines', kind: 'cap', rows: 2 }])
      expect(await hours(range)).toEqual(['02-01T00', '02-01T01'])
      expect(await hours(`${range}&limit=1`.replace('&limit=1000', ''))).toEqual(['02-01T00'])
      sandbox.setFaults([{ match: 'klines', kind: 'cap', rows: 0 }])
      expect(await hours(range)).toEqual([])
    })

    it('lookahead: so many days from the start on', async () => {
      sandbox.setFaults([{ match: 'klines', kind: 'lookahead', days: 7 }])
      const rows = await hours(range)
      expect([rows.length, rows.at(-1)]).toEqual([7 * 24, '02-07T23'])
    })

    it('wrong-end: the other end of what is too long for a page', async () => {
      sandbox.setFaults([{ match: 'klines', kind: 'wrong-end' }])
      expect(await hours(range.replace('limit=1000', 'limit=2'))).toEqual(['02-08T23', '02-09T00'])
    })

    it('lag: without the newest', async () => {
      sandbox.setFaults([{ match: 'klines', kind: 'lag', minutes: 90 }])
      expect(await hours('limit=2')).toEqual(['03-05T09', '03-05T10'])
    })

    it('pass by requests that are not for klines, which do not count', async () => {
      sandbox.setFaults([{ match: '', kind: 'cap', rows: 1, times: 1 }])
      expect((await fetchWire(url(KEY))).status).toBe(200)
      expect(await hours(range)).toHaveLength(1)
      expect(await hours(range)).toHaveLength(193)
    })
  })

  it('empty: nothing, in the form of the answer', async () => {
    const list = (): ReturnType<typeof fetchPage> => fetchPage(sandbox.urls.listing, { prefix: FOLDER, delimiter: '/', 'max-keys': '10' })
    expect(await list()).toMatchObject({ truncated: true, contents: { length: 10 } })
    sandbox.setFaults([{ match: '', kind: 'empty' }])
    expect(await list()).toEqual({ truncated: false, nextMarker: undefined, contents: [], folders: [] })
    expect(await fetchKlines(`${sandbox.urls.spotRest}/api/v3/klines?symbol=BTCUSDT&interval=1h`)).toEqual([])
    const info = await fetchWire(`${sandbox.urls.spotRest}/api/v3/exchangeInfo`)
    expect(JSON.parse(info.body.toString())).toMatchObject({ symbols: [], timezone: 'UTC' })
    expect((await fetchWire(url(KEY))).body).toHaveLength(0)
  })

  it('date: another time in the header and in the body', async () => {
    sandbox.setFaults([{ match: '', kind: 'date', offsetSeconds: -7200 }])
    const before = Date.now()
    const answer = await fetchWire(`${sandbox.urls.spotRest}/api/v3/time`)
    const late = [Date.parse(answer.headers['date'] as string), (JSON.parse(answer.body.toString()) as { serverTime: number }).serverTime]
    for (const time of late) expect(Math.abs(time + 7_200_000 - before)).toBeLessThan(10_000)
    expect(Math.abs(Date.parse((await fetchWire(url(KEY))).headers['date'] as string) + 7_200_000 - before)).toBeLessThan(10_000)
  })

  it('ban-text: the end of the ban stands in the text alone, or differs from Retry-After', async () => {
    const ask = (): Promise<WireAnswer> => fetchWire(`${sandbox.urls.spotRest}/api/v3/klines?symbol=BTCUSDT&interval=1h`)
    sandbox.setFaults([
      { match: 'klines', kind: 'ban-text', seconds: 21_600, times: 1 },
      { match: 'klines', kind: 'ban-text', seconds: 21_600, retryAfterSeconds: 60 },
    ])
    const [silent, both] = [await ask(), await ask()]
    expect([silent.status, silent.headers['retry-after'], both.headers['retry-after']]).toEqual([418, undefined, '60'])
    const { code, msg } = JSON.parse(silent.body.toString()) as { code: number; msg: string }
    const until = Number(/banned until (\d+)\./.exec(msg)?.[1])
    expect(code).toBe(-1003)
    expect(Math.abs(until - Date.now() - 21_600_000)).toBeLessThan(10_000)
  })

  it('oversize: the right body and so many bytes more, as its length says', async () => {
    const right = (await fetchWire(url(KEY))).body
    sandbox.setFaults([{ ...zip, kind: 'oversize', bytes: 200_000 }])
    const answer = await fetchWire(url(KEY))
    expect([answer.complete, answer.body.length]).toEqual([true, right.length + 200_000])
    expect(Number(answer.headers['content-length'])).toBe(answer.body.length)
    expect(answer.body.subarray(0, right.length).equals(right)).toBe(true)
  })

  it('endless body: goes on until the client leaves', async () => {
    sandbox.setFaults([{ ...zip, kind: 'endless', what: 'body' }])
    const leave = new AbortController()
    let seen = 0
    const ended = new Promise<void>((resolve, reject) => {
      get(url(KEY), { signal: leave.signal }, (response) => {
        expect(response.headers['content-length']).toBeUndefined()
        response.on('data', (chunk: Buffer) => {
          seen += chunk.length
          if (seen > 5_000_000) leave.abort()
        })
        response.on('error', () => resolve())
        response.on('end', () => reject(new Error('it ended')))
      }).on('error', () => resolve())
    })
    await ended
    expect(seen).toBeGreaterThan(5_000_000)
  })

  it('endless pages: each is whole and says that more come, with another marker', async () => {
    sandbox.setFaults([{ match: '^/listing', kind: 'endless', what: 'pages' }])
    let marker = ''
    const markers = new Set<string>()
    for (let page = 0; page < 20; page++) {
      const answer = await fetchPage(sandbox.urls.listing, { prefix: FOLDER, delimiter: '/', marker })
      expect(answer.truncated).toBe(true)
      expect(answer.contents.every(({ Key }) => Key > marker && Key.startsWith(FOLDER))).toBe(true)
      marker = answer.nextMarker!
      markers.add(marker)
    }
    expect(markers.size).toBe(20)
  })

  it('listing-cut', async () => {
    sandbox.setFaults([{ match: '^/listing\\?.*prefix=data/spot', kind: 'listing-cut' }])
    const answer = await fetchWire(`${sandbox.urls.listing}?prefix=${encodeURIComponent(FOLDER)}`)
    expect([answer.status, answer.complete, answer.body.includes('</ListBucketResult>')]).toEqual([200, true, false])
  })

  it('wrong, stale, missing, foreign and bare CHECKSUM', async () => {
    const right = (await fetchWire(url(`${KEY}.CHECKSUM`))).body.toString()
    const asked = async (
      kind: 'wrong-checksum' | 'stale-checksum' | 'missing-checksum' | 'foreign-checksum' | 'bare-checksum',
    ): Promise<[number, string]> => {
      sandbox.setFaults([{ match: '\\.CHECKSUM$', kind }])
      const answer = await fetchWire(url(`${KEY}.CHECKSUM`))
      expect(sha256((await fetchWire(url(KEY))).body)).toBe(right.slice(0, 64))
      return [answer.status, answer.body.toString()]
    }
    for (const kind of ['wrong-checksum', 'stale-checksum'] as const) {
      const [, text] = await asked(kind)
      expect(text).toMatch(/^[0-9a-f]{64} {2}BTCUSDT-1m-2024-02-03\.zip\n$/)
      expect(text === right).toBe(false)
    }
    expect((await asked('missing-checksum'))[0]).toBe(404)
    expect((await asked('foreign-checksum'))[1]).toMatch(new RegExp(`^${right.slice(0, 64)} {2}(?!BTCUSDT).*\\.zip\\n$`))
    expect((await asked('bare-checksum'))[1]).toBe(right.trimEnd())
  })
})

describe('faults of content', () => {
  it('outage: in archive and REST, or in the archive alone', async () => {
    const stretch = { market: 'spot', symbol: '*', from: '2024-02-03T03:00:00Z', to: '2024-02-03T04:10:00Z' } as const
    sandbox.setFaults([{ ...stretch, kind: 'outage' }])
    await expectConsistent(KEY)
    const rows = await rowsOf(KEY)
    expect([rows.length, (await restDay()).length]).toEqual([1370, 1370])
    expect(rows.some(({ open }) => Number(open) >= at(stretch.from) && Number(open) < at(stretch.to))).toBe(false)
    expect(await rowsOf(KEY.replaceAll('1m', '1h'))).toHaveLength(23)
    sandbox.setFaults([{ ...stretch, kind: 'outage', rest: false }])
    expect([(await rowsOf(KEY)).length, (await restDay()).length]).toEqual([1370, 1440])
    expect((await rowsOf(MONTH)).length).toBe(29 * 1440 - 70)
  })

  it('outage of a whole day: no daily archive', async () => {
    sandbox.setFaults([{ market: 'spot', symbol: 'BTCUSDT', from: '2024-02-02T22:00:00Z', to: '2024-02-04T01:00:00Z', kind: 'outage' }])
    expect(await fetchAllKeys(sandbox.urls.listing, FOLDER)).not.toContain(KEY)
    expect((await fetchWire(url(KEY))).status).toBe(404)
  })

  it('cut: the archive ends, REST goes on', async () => {
    sandbox.setFaults([{ ...DAY, kind: 'cut', at: '07:36' }])
    await expectConsistent(KEY)
    const rows = await rowsOf(KEY)
    expect([rows.length, Number(rows.at(-1)!.open)]).toEqual([456, at('2024-02-03T07:35:00Z')])
    expect(await restDay()).toHaveLength(1440)
    sandbox.setFaults([{ ...DAY, kind: 'cut', at: '07:36', rest: false }])
    expect(await restDay()).toHaveLength(456)
  })

  it('drop-day and differ: the month is not its days', async () => {
    const day = await rowsOf(KEY)
    const ofDay = (rows: ExactRow[]): ExactRow[] => rows.filter(({ open }) => open >= day[0]!.open && open <= day.at(-1)!.open)
    sandbox.setFaults([{ ...DAY, kind: 'drop-day' }])
    await expectConsistent(MONTH)
    expect([(await rowsOf(MONTH)).length, ofDay(await rowsOf(MONTH)).length, (await rowsOf(KEY)).length]).toEqual([28 * 1440, 0, 1440])
    sandbox.setFaults([{ ...DAY, kind: 'differ', source: 'monthly' }])
    const changed = ofDay(await rowsOf(MONTH)).filter((row, i) => row.sums[0] !== day[i]!.sums[0])
    expect(changed).toHaveLength(15)
    expect(await rowsOf(KEY)).toEqual(day)
    expect(await restDay()).toEqual(day)
    sandbox.setFaults([{ ...DAY, kind: 'differ', source: 'rest' }])
    expect((await restDay()).filter((row, i) => row.sums[0] !== day[i]!.sums[0]).length).toBeGreaterThan(0)
    expect(await rowsOf(KEY)).toEqual(day)
  })

  it('late and unlisted: the listing lacks the day, then or always', async () => {
    const late = { ...DAY, day: '2024-03-03' }
    const lateKey = `${FOLDER}BTCUSDT-1m-2024-03-03.zip`
    expect(await fetchAllKeys(sandbox.urls.listing, FOLDER)).toContain(lateKey)
    sandbox.setFaults([{ ...late, kind: 'late', hours: 48 }])
    const keys = await fetchAllKeys(sandbox.urls.listing, FOLDER)
    expect([keys.includes(lateKey), keys.includes(`${FOLDER}BTCUSDT-1m-2024-03-04.zip`), (await fetchWire(url(lateKey))).status]).toEqual([
      false,
      true,
      404,
    ])
    sandbox.setFaults([{ ...late, kind: 'late', hours: 20 }])
    expect(await fetchAllKeys(sandbox.urls.listing, FOLDER)).toContain(lateKey)
    sandbox.setFaults([{ ...DAY, kind: 'unlisted' }])
    expect((await fetchAllKeys(sandbox.urls.listing, FOLDER)).filter((key) => key.includes('2024-02-03'))).toEqual([])
    expect(await rowsOf(MONTH)).toHaveLength(29 * 1440)
  })

  it('republish: new ETag and time, other rows in all sources, or the same rows', async () => {
    const before = (await fetchPage(sandbox.urls.listing, { prefix: KEY })).contents[0]!
    const rows = await rowsOf(KEY)
    sandbox.setFaults([{ ...DAY, kind: 'republish' }])
    await expectConsistent(KEY)
    const after = (await fetchPage(sandbox.urls.listing, { prefix: KEY })).contents[0]!
    expect(after.ETag).not.toBe(before.ETag)
    expect(at(after.LastModified)).toBeGreaterThan(at(before.LastModified))
    const revised = await rowsOf(KEY)
    expect(revised.filter((row, i) => row.sums[0] !== rows[i]!.sums[0]).length).toBeGreaterThan(0)
    expect(await restDay()).toEqual(revised)
    sandbox.setFaults([{ ...DAY, kind: 'republish', content: false }])
    expect((await fetchPage(sandbox.urls.listing, { prefix: KEY })).contents[0]!.ETag).not.toBe(before.ETag)
    expect(await rowsOf(KEY)).toEqual(rows)
  })

  it('off-grid: bars open late in archive and REST', async () => {
    sandbox.setFaults([
      { market: 'spot', symbol: 'BTCUSDT', from: '2024-02-03T10:00:00Z', to: '2024-02-03T11:00:00Z', kind: 'off-grid', offsetMs: 14_789 },
    ])
    const late = (await rowsOf(KEY)).filter(({ open }) => open % 60_000n !== 0n)
    expect(late).toHaveLength(60)
    expect([Number(late[0]!.open), Number(late[0]!.close)]).toEqual([at('2024-02-03T10:00:14.789Z'), at('2024-02-03T10:01:14.788Z')])
    expect((await restDay()).filter(({ open }) => open % 60_000n !== 0n)).toEqual(late)
  })

  it('corrupt-line, duplicate-rows, conflicting-rows, unsorted-rows: sound ZIPs of unsound rows', async () => {
    const right = await rowsOf(KEY)
    const textWith = async (rule: FaultRule): Promise<string[]> => {
      sandbox.setFaults([rule])
      return (await unzip(await expectConsistent(KEY))).text.trimEnd().split('\n')
    }
    const match = { match: 'BTCUSDT-1m-2024-02-03\\.zip' }
    expect((await textWith({ ...match, kind: 'corrupt-line', line: 842, text: 'what,is,this' }))[841]).toBe('what,is,this')
    const twice = await textWith({ ...match, kind: 'duplicate-rows' })
    expect([twice.length, twice[3] === twice[4]]).toEqual([1441, true])
    const conflict = await textWith({ ...match, kind: 'conflicting-rows' })
    expect([conflict.length, conflict[3]!.slice(0, 13) === conflict[4]!.slice(0, 13), conflict[3] === conflict[4]]).toEqual([
      1441,
      true,
      false,
    ])
    const unsorted = await textWith({ ...match, kind: 'unsorted-rows' })
    expect([unsorted[1]!.slice(0, 13), unsorted.at(-1)!.slice(0, 13)]).toEqual([String(right.at(-1)!.open), String(right[1]!.open)])
    sandbox.setFaults([{ ...match, kind: 'corrupt-zip' }])
    await expect(unzip(await expectConsistent(KEY))).rejects.toThrow()
  })
})

describe('fault rules', () => {
  it.each([
    ['not a list', { kind: 'html' }, /list/],
    ['an unknown kind', [{ match: 'x', kind: 'explode' }], /rule 1: expected `kind`.*"explode"/],
    ['an unknown key', [{ match: 'x', kind: 'html', time: 3 }], /`time` is not a key of the kind html/],
    ['a missing key', [{ match: 'x', kind: 'slow' }], /`bytesPerSecond` of slow.*nothing/],
    ['a bad expression', [{ match: '(', kind: 'html' }], /`match` of html to be a regular expression/],
    ['a bad day', [{ ...DAY, day: '2023-02-29', kind: 'unlisted' }], /a day YYYY-MM-DD/],
    [
      'a naive time',
      [{ market: 'spot', symbol: '*', from: '2024-01-01T00:00', to: '2024-01-02T00:00:00Z', kind: 'outage' }],
      /with a zone/,
    ],
    ['a match where a place is meant', [{ ...DAY, match: 'x', kind: 'drop-day' }], /`match` is not a key/],
  ])('refuse %s', (_, rules, message) => {
    expect(() => parseFaultRules(rules)).toThrow(
      expect.objectContaining({ code: 'CKVD_CONFIG', message: expect.stringMatching(message) as string }),
    )
  })

  it('that are wrong leave the old ones in force', async () => {
    sandbox.setFaults([{ match: '\\.zip$', kind: 'status', status: 500 }])
    expect(() => sandbox.setFaults([{ match: '\\.zip$', kind: 'status', status: 5000 }])).toThrow(/HTTP status/)
    expect((await fetchWire(url(KEY))).status).toBe(500)
  })

  it('and options are checked before anything starts', async () => {
    await expect(startSandbox({ port: 70_000 })).rejects.toMatchObject({ code: 'CKVD_CONFIG' })
    await expect(startSandbox({ prot: 1 } as never)).rejects.toMatchObject({ code: 'CKVD_CONFIG' })
    await expect(startSandbox({ port: Number(new URL(sandbox.urls.vision).port) })).rejects.toMatchObject({ code: 'CKVD_CONFIG' })
    await expect(startSandbox({ archive: '/nowhere/at/all' })).rejects.toMatchObject({ code: 'CKVD_CONFIG' })
  })
})
