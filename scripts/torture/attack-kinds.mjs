import { createHash } from 'node:crypto'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { createZip, minimalZipBytes } from '../../dist/src/sandbox/zip.js'
import { drip, pour } from './front.mjs'

const MEBIBYTE = 2 ** 20
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
/** The longest ban that Binance knows, and the longest that is obeyed. */
const LONGEST_MS = 72 * HOUR_MS
const ZEROS = new Uint8Array(MEBIBYTE)
/** 200 MiB in some 200 KB. */
const GZIP_BOMB = gzipSync(new Uint8Array(200 * MEBIBYTE))
const BOMB_BYTES = 300 * MEBIBYTE
const DEFLATED_BOMB = deflateRawSync(new Uint8Array(BOMB_BYTES))
/** Clears the screen, colours it, names the window, writes from right to left, ends the line, and C1's way to say the same. */
const ESCAPES = '\u001b[2J\u001b[31m\u001b]0;owned\u0007\u202egnp.exe\r\u0000\u009b1m\u007f'

const ANY = ['^/listing', '\\.zip$', '\\.zip\\.CHECKSUM$', '/klines\\?', '/exchangeInfo', '']
const REST = '^/(spot|um|cm)/'
const LISTING = ['^/listing']
const FILES = ['\\.zip$', '\\.zip\\.CHECKSUM$']

const json = (response, status, body, headers = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
const xml = (response, status, body) => response.writeHead(status, { 'content-type': 'application/xml' }).end(body)

/** Forms of Retry-After, with the milliseconds that they ask for; undefined: none that can be read, or none at all. */
function retryAfterOf(random) {
  const seconds = random.integer(120, 900)
  return random.pick([
    [String(seconds), seconds * 1000],
    [` ${seconds} `, seconds * 1000],
    [`${seconds}.5`, seconds * 1000 + 500],
    ['9'.repeat(20), LONGEST_MS],
    ['1'.repeat(400), LONGEST_MS],
    [() => new Date(Date.now() + seconds * 1000 + 999).toUTCString(), seconds * 1000],
    ['Fri, 31 Dec 9999 23:59:59 GMT', LONGEST_MS],
    ['Sun, 06 Nov 1994 08:49:37 GMT', undefined],
    ['Sun, 99 Nov 2094 99:99:99 GMT', undefined],
    [`-${seconds}`, undefined],
    ['0', undefined],
    ['in a while', undefined],
    ['1e3', undefined],
    ['NaN', undefined],
    [[`${seconds}`, `${seconds - 60}`], seconds * 1000],
    ['', undefined],
    [undefined, undefined],
  ])
}

/** Texts of a ban. */
function banTextOf(random) {
  const text = (until) => `{"code":-1003,"msg":"Way too much request weight used; IP banned until ${until}. Please use WebSocket Streams."}`
  const delayMs = random.integer(2, 600) * MINUTE_MS
  return random.pick([
    text(Date.now() + delayMs),
    text('9'.repeat(20)),
    text('1'.repeat(400)),
    text(Date.now() - delayMs),
    text('-1'),
    text('tomorrow'),
    `{"code":-1003,"msg":"${ESCAPES}"}`,
    '<html>'.repeat(random.integer(1, 20_000)),
    '',
  ])
}

/** A date is that of the answer, not of the plan. */
const headersOf = (retryAfter) =>
  retryAfter === undefined ? {} : { 'retry-after': typeof retryAfter === 'function' ? retryAfter() : retryAfter }

/** The ways in which a body may end, or not. */
function endOf(random) {
  return random.pick([
    (response, text) => response.end(text),
    (response, text) => response.end(text),
    (response, text) => response.write(text),
    (response, text) => response.write(text.slice(0, text.length >> 1), () => response.destroy()),
    (response, text) => {
      response.write(text)
      pour(response, ZEROS)
    },
    (response) => drip(response, 50),
  ])
}

/** A ZIP whose CSV is 300 MiB of zeros, honest about its size or not. */
function bombFor(path, sizeBytes) {
  const name = path.split('/').at(-1).replace('.CHECKSUM', '').replace('.zip', '.csv')
  const entry = { name, parts: [DEFLATED_BOMB], crc32: 0, sizeBytes, modifiedMs: Date.parse('2024-03-02T00:00:00Z') }
  return createZip(entry, minimalZipBytes(name, DEFLATED_BOMB.length))
}

/** Each makes an attack from random numbers: where it may happen, and how it answers there. A ban tells in `record.surelyMs` how long it lasts at least. */
export const ATTACKS = {
  'a ban': (random) => {
    const [retryAfter, headerMs] = retryAfterOf(random)
    const text = banTextOf(random)
    const end = endOf(random)
    return {
      places: ['/klines\\?', REST],
      // a run may ask REST for little
      skip: random.pick([0, 0, 0, 1, 3]),
      times: random.pick([1, Infinity]),
      answer: (response, _relay, record) => {
        // what is never told to its end is heard by its header alone
        record.surelyMs = headerMs ?? 2 * MINUTE_MS
        response.writeHead(418, headersOf(retryAfter)).flushHeaders()
        end(response, text)
      },
    }
  },
  'a pause': (random) => {
    const [retryAfter] = retryAfterOf(random)
    const status = random.pick([429, 429, 503, 500])
    const end = endOf(random)
    return { places: ANY, answer: (response) => end(response.writeHead(status, headersOf(retryAfter)), '{"code":-1003,"msg":"Too many."}') }
  },
  'a firewall': (random) => {
    const status = random.pick([403, 451])
    return { places: ANY, answer: (response) => response.writeHead(status).end('<html>Request blocked.</html>') }
  },
  'a body of 400 MB': (random) => {
    const stated = random.pick([{}, { 'content-length': 400 * MEBIBYTE }])
    return { places: ANY, answer: (response) => pour(response.writeHead(200, stated), ZEROS, 400) }
  },
  'a body without an end': (random) => {
    const status = random.pick([200, 200, 400, 404, 500])
    const chunk = random.pick([ZEROS, '[1,', '<Contents>', ' '.repeat(60_000)])
    return { places: ANY, answer: (response) => pour(response.writeHead(status), chunk) }
  },
  'a content-encoding': (random) => {
    const encoding = random.pick(['gzip', 'gzip', 'br', 'deflate', 'x-gzip', 'gzip, gzip', 'identity, gzip', 'zstd'])
    return { places: ANY, answer: (response) => response.writeHead(200, { 'content-encoding': encoding }).end(GZIP_BOMB) }
  },
  'false sizes': (random) => {
    const size = random.pick([0, 1, 400 * MEBIBYTE, 2 ** 53, '9'.repeat(30), '-1', '1e9', 'x', ''])
    return {
      places: LISTING,
      answer: (_response, relay) =>
        relay((answer) => ({ ...answer, body: Buffer.from(answer.body.toString().replace(/<Size>\d+/g, `<Size>${size}`)) })),
    }
  },
  'a bomb in a ZIP': (random) => {
    const size = random.pick([BOMB_BYTES, 3000, 0xffff_ffff])
    const length = bombFor('AAAUSDT-1h-2024-03-01.zip', size).length
    return {
      places: ['^/listing|\\.zip'],
      answer: (response, relay, { path }) => {
        if (path.startsWith('/listing'))
          return relay((answer) => ({ ...answer, body: Buffer.from(answer.body.toString().replace(/<Size>\d+/g, `<Size>${length}`)) }))
        const bomb = bombFor(path, size)
        const digest = createHash('sha256').update(bomb).digest('hex')
        response.end(path.endsWith('CHECKSUM') ? `${digest}  ${path.split('/').at(-1).replace('.CHECKSUM', '')}\n` : bomb)
      },
    }
  },
  'one byte now and then': (random) => {
    const status = random.pick([200, 200, 500, 404])
    return { places: ANY, answer: (response) => drip(response.writeHead(status), 50) }
  },
  'a listing without an end': (random) => {
    const isSame = random.unit() < 0.3
    let turn = 0
    return {
      places: LISTING,
      times: undefined,
      answer: (response, _relay, { path }) => {
        const prefix = new URL(path, 'http://front').searchParams.get('prefix') ?? ''
        const keys = Array.from({ length: 1000 }, (_, i) => `${prefix}x${String((isSame ? 0 : turn * 1000) + i).padStart(12, '0')}`)
        turn++
        const entries = keys.map((key) => `<Contents><Key>${key}</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>`).join('')
        xml(
          response,
          200,
          `<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>${keys.at(-1)}</NextMarker>${entries}</ListBucketResult>`,
        )
      },
    }
  },
  'a nested body': (random) => {
    const depth = random.pick([1000, 100_000, 600_000])
    const text = random.pick(['['.repeat(depth) + ']'.repeat(depth), `{"symbols":${'['.repeat(depth)}`, '{"a":'.repeat(depth)])
    const tags = `<ListBucketResult>${'<a>'.repeat(depth)}</ListBucketResult>`
    return { places: ANY, answer: (response, _relay, { path }) => response.end(path.startsWith('/listing') ? tags : text) }
  },
  'numbers without sense': (random) => {
    const text = random.pick([
      `[${'1,'.repeat(2_000_000)}1]`,
      '[[1e999,"1","1","1","1","1",1e999,"1",1,"1","1","0"]]',
      `[[${'9'.repeat(400)},"1","1","1","1","1",1,"1",1,"1","1","0"]]`,
      '[[1709251200000,"NaN","Infinity","-1","1e309","",null,{},[],"1","1","0"]]',
      '{"code":1e999}',
      '{"__proto__":{"code":-1121}}',
      'null',
    ])
    return { places: ['/klines\\?', '/exchangeInfo'], answer: (response) => json(response, 200, text) }
  },
  'escapes for a terminal': (random) => {
    const status = random.pick([200, 400, 404, 418, 429, 500])
    const written = random.pick([ESCAPES, JSON.stringify(ESCAPES).slice(1, -1)])
    return {
      places: ANY,
      answer: (response, _relay, record) => {
        const { path } = record
        if (status === 418 && new RegExp(REST).test(path)) record.surelyMs = 2 * MINUTE_MS
        if (path.startsWith('/listing')) return xml(response, status, `<Error><Code>${written}</Code><Message>${written}</Message></Error>`)
        if (path.endsWith('CHECKSUM')) return response.writeHead(status).end(`${'a'.repeat(64)}  ${written}\n`)
        json(response, status, `{"code":-${random.pick([1121, 1000, 9999])},"msg":"${written}"}`)
      },
    }
  },
  'escapes in a key': () => ({
    places: LISTING,
    answer: (_response, relay) =>
      relay((answer) => ({
        ...answer,
        body: Buffer.from(answer.body.toString().replaceAll('-2024-03-0', `-${ESCAPES.replace('\u0000', '')}2024-03-0`)),
      })),
  }),
  'a wrong date': (random) => {
    const offMs = random.pick([2 * MINUTE_MS, -2 * MINUTE_MS, 18 * HOUR_MS, -18 * HOUR_MS])
    const date = random.pick([
      new Date(Date.now() + offMs).toUTCString(),
      'Thu, 01 Jan 1970 00:00:00 GMT',
      'Fri, 31 Dec 9999 23:59:59 GMT',
      'soon',
      '',
    ])
    return {
      places: ['^/listing', REST],
      answer: (_response, relay) => relay((answer) => ({ ...answer, headers: { ...answer.headers, date } })),
    }
  },
  'another place': (random) => {
    const to = random.pick(['http://127.0.0.1:1/', 'file:///etc/passwd', '/', `//x/${encodeURIComponent(ESCAPES)}`, 'javascript:1'])
    return { places: ANY, answer: (response) => response.writeHead(random.pick([301, 302, 307]), { location: to }).end() }
  },
  'bytes of no kind': (random) => {
    const bytes = Buffer.from(Array.from({ length: random.integer(0, 5000) }, () => random.integer(0, 255)))
    return { places: ANY, answer: (response) => response.end(bytes) }
  },
  'a wrong digest': (random) => ({
    places: FILES,
    answer: (_response, relay) =>
      relay((answer) => {
        const body = Buffer.from(answer.body)
        const at = random.integer(0, Math.min(63, body.length - 1))
        body[at] ^= 1
        return { ...answer, body }
      }),
  }),
  'half an answer': (random) => ({
    places: ANY,
    answer: (response) => {
      response
        .writeHead(200, random.pick([{}, { 'content-length': 5000 }]))
        .write('x', () => random.pick([0, 1]) === 0 && response.destroy())
    },
  }),
}
