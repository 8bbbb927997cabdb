import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseExchangeInfo } from '../../src/sources/rest/exchange-info.ts'
import { SHARED } from '../support/shared.ts'

/*
 * exchangeInfo is read without a tree of its bytes. What comes out is what `JSON.parse` and a look at its tree say, written down here by hand,
 * of any bytes: the same server time and names, or a refusal of the same bodies.
 */
interface Answer {
  serverTimeMs: number
  trading: string[]
}

function byTree(body: Uint8Array): Answer | 'refused' {
  let tree: unknown
  try {
    tree = JSON.parse(new TextDecoder().decode(body))
  } catch {
    return 'refused'
  }
  const { serverTime, symbols } = (tree ?? {}) as { serverTime?: unknown; symbols?: unknown }
  if (typeof serverTime !== 'number' || !Number.isSafeInteger(serverTime) || !Array.isArray(symbols)) return 'refused'
  const entries = symbols.map((entry) => (entry ?? {}) as Record<string, unknown>)
  if (entries.some(({ symbol }) => typeof symbol !== 'string')) return 'refused'
  const trading = entries.filter(({ status, contractStatus, deliveryDate }) => {
    const isDelivered = typeof deliveryDate === 'number' && deliveryDate > 0 && deliveryDate <= serverTime
    return (status ?? contractStatus) === 'TRADING' && !isDelivered
  })
  return { serverTimeMs: serverTime, trading: [...new Set(trading.map(({ symbol }) => symbol as string))] }
}

function byReader(body: Uint8Array): Answer | 'refused' {
  try {
    const { serverTimeMs, trading } = parseExchangeInfo(body, 'https://rest/exchangeInfo')
    return { serverTimeMs, trading: [...trading] }
  } catch (error) {
    expect(error).toMatchObject({ code: 'CKVD_REST_BODY' })
    return 'refused'
  }
}

function expectSame(body: Uint8Array): void {
  expect(byReader(body)).toEqual(byTree(body))
}

const TIME = 1_700_000_000_000
const blank = fc.constantFrom('', '', '', ' ', '\n\t', '\r')
/** A text as JSON, some of its characters as escapes, and some that are none. */
const written = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(text, fc.nat(3), fc.constantFrom('', '', '', '', '', '', '\\x', '\\u12', '\t', '\\', '"')).map(([value, every, broken]) => {
    const escaped = Array.from(value, (sign, i) => {
      return every > 0 && i % (every + 1) === 0 && sign.length === 1
        ? `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`
        : JSON.stringify(sign).slice(1, -1)
    })
    return `"${escaped.join('')}${broken}"`
  })
const names = ['serverTime', 'symbols', 'symbol', 'status', 'contractStatus', 'deliveryDate', '__proto__', 'constructor', '', 'ä']
const scalar = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    'false',
    '0',
    '-0',
    '-1',
    '1.5',
    '1e3',
    '1E+2',
    '01',
    '.5',
    '1.',
    '-',
    '+1',
    '1e',
    'nul',
    'NaN',
    "'a'",
    '',
  ),
  fc.constantFrom(String(TIME), String(TIME - 1), String(TIME + 1), '9007199254740993', '1e400', '17e11'),
  written(fc.constantFrom('TRADING', 'BREAK', 'BTCUSDT', 'ETHBTC', '币安USDT', '😀', '\ufeff', '\u0000')),
)
const { value } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, { weight: 4, arbitrary: scalar }, tie('list'), tie('object')),
  list: fc
    .tuple(blank, fc.array(tie('value'), { maxLength: 4 }), fc.constantFrom('', '', '', '', ','))
    .map(([b, items, more]) => `[${b}${items.join(`${b},`)}${more}]`),
  object: fc
    .tuple(blank, fc.array(fc.tuple(written(fc.constantFrom(...names)), tie('value')), { maxLength: 5 }))
    .map(([b, members]) => `{${b}${members.map(([name, member]) => `${name}${b}:${b}${member}`).join(`${b},`)}${b}}`),
}))
const entry = fc
  .record(
    {
      symbol: fc.constantFrom('"BTCUSDT"', '"BTC\\u0055SDT"', '"币安"', '1', 'null'),
      status: fc.constantFrom('"TRADING"', '"TR\\u0041DING"', '"BREAK"', 'null', '{}', '[]', '0'),
      contractStatus: fc.constantFrom('"TRADING"', '"BREAK"'),
      deliveryDate: fc.constantFrom('0', '-1', String(TIME), String(TIME + 1), '"1"', 'null'),
    },
    { requiredKeys: ['symbol'] },
  )
  .map(
    (members) =>
      `{${Object.entries(members)
        .map(([name, member]) => `"${name}":${member}`)
        .join()}}`,
  )
const answer = fc
  .tuple(blank, fc.array(fc.oneof({ weight: 8, arbitrary: entry }, value), { maxLength: 6 }), fc.boolean(), value)
  .map(([b, entries, isLate, other]) => {
    const parts = [`"serverTime":${TIME}`, `"other":${other}`, `"symbols"${b}:[${entries.join(`${b},`)}]`]
    return `${b}{${(isLate ? parts.reverse() : parts).join()}}${b}`
  })

describe('exchangeInfo, read without a tree', () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

  test('any JSON, or what nearly is some, is what JSON.parse makes of it', () => {
    fc.assert(
      fc.property(fc.oneof(answer, value), (text) => expectSame(encode(text))),
      { numRuns: 3000 },
    )
  })

  test('answers with bytes changed, lost or put in are what JSON.parse makes of them', () => {
    const signs = [...'"\\{}[],:0-+.eEu \n', '\ufeff'].flatMap((sign) => [...encode(sign)])
    const change = fc.record({
      at: fc.nat(4000),
      lost: fc.nat(2),
      put: fc.array(fc.oneof(fc.constantFrom(...signs), fc.nat(255)), { maxLength: 2 }),
    })
    fc.assert(
      fc.property(answer, fc.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
        const bytes = [...encode(text)]
        for (const { at, lost, put } of changes) bytes.splice(at % (bytes.length + 1), lost, ...put)
        expectSame(Uint8Array.from(bytes))
      }),
      { numRuns: 3000 },
    )
  })

  test.each(['\ufeff', '\ufeff\ufeff', ' ', ''])('behind %j', (before) => {
    expectSame(encode(`${before}{"serverTime":${TIME},"symbols":[{"symbol":"A","status":"TRADING"}]}`))
  })

  describe.skipIf(SHARED === undefined)('recorded bodies', () => {
    test.each([
      'api_v3_exchangeInfo.json',
      'fapi_v1_exchangeInfo.json',
      'dapi_v1_exchangeInfo.json',
      'api_v3_exchangeInfo_2021-10-12.full.json.gz',
      'fapi_v1_exchangeInfo_2021-07-22.full.json.gz',
      'dapi_v1_exchangeInfo_2021-07-22.full.json.gz',
    ])('%s, whole and with bytes changed', (name) => {
      const stored = readFileSync(`${SHARED}/rest/${name}`)
      const body = name.endsWith('.gz') ? gunzipSync(stored) : stored
      const whole = byReader(body)
      expect(whole).toEqual(byTree(body))
      expect((whole as Answer).trading.length).toBeGreaterThan(0)
      fc.assert(
        fc.property(fc.nat(body.length - 1), fc.nat(255), (at, byte) => {
          const changed = Uint8Array.from(body)
          changed[at] = byte
          expectSame(changed)
          expectSame(body.subarray(0, at))
        }),
        { numRuns: 20 },
      )
    })
  })
})
