import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { AnswerFault } from './faults.ts'
import { createNoSuchKey, escapeXml } from './listing.ts'
import { refuse } from './rest.ts'

/** An answer before it is sent. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export function createAnswer(
  status: number,
  contentType: string,
  body: Buffer | string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, headers: { 'content-type': contentType, ...headers }, body: typeof body === 'string' ? Buffer.from(body) : body }
}

/** The answer that a fault makes of the right one. `serverMs`: the time that the exchange tells. What happens on the wire (reset, stall, slow, truncate, oversize, endless) is `sendAnswer`'s. */
export function spoilAnswer(answer: Answer, fault: AnswerFault, url: string, serverMs: number): Answer {
  switch (fault.kind) {
    case 'status':
      return createAnswer(
        fault.status,
        'text/plain',
        fault.body ?? `The sandbox answers ${fault.status} here.`,
        fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) },
      )
    case 'flip':
      return { ...answer, body: flipBit(answer.body, fault.offset ?? answer.body.length >> 1) }
    case 'html':
      return createAnswer(
        200,
        'text/html',
        '<!DOCTYPE html><html><head><title>Please wait</title></head><body><p>Checking your browser.</p></body></html>\n',
      )
    case 'gzip':
      return { ...answer, headers: { ...answer.headers, 'content-encoding': 'gzip' }, body: gzipSync(answer.body) }
    case 'redirect':
      return createAnswer(302, 'text/plain', '', { location: fault.to ?? `/redirected${url}` })
    case 'listing-cut':
      return { ...answer, body: answer.body.subarray(0, answer.body.length >> 1) }
    case 'wrong-checksum':
      return { ...answer, body: replaceDigest(answer.body, flipDigits) }
    case 'stale-checksum':
      return { ...answer, body: replaceDigest(answer.body, (digest) => createHash('sha256').update(`older than ${digest}`).digest('hex')) }
    case 'missing-checksum':
      return createAnswer(404, 'application/xml', createNoSuchKey(url))
    case 'foreign-checksum':
      return { ...answer, body: Buffer.from(answer.body.toString().replace(/ {2}.*/, '  ANOTHERUSDT-1m-2020-01-01.zip')) }
    case 'bare-checksum':
      return { ...answer, body: Buffer.from(answer.body.toString().trimEnd()) }
    case 'empty':
      return { ...answer, body: Buffer.from(emptied(answer.body.toString())) }
    case 'date':
      return withOtherTime(answer, serverMs, fault.offsetSeconds * 1000)
    case 'ban-text':
      return createAnswer(
        418,
        'application/json;charset=UTF-8',
        refuse(-1003, banText(serverMs + fault.seconds * 1000)).body,
        fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) },
      )
    case 'endless':
      return fault.what === 'pages' ? { ...answer, body: Buffer.from(unended(answer.body.toString(), url)) } : answer
    case 'reset':
    case 'stall':
    case 'slow':
    case 'truncate':
    case 'oversize':
    case 'cap':
    case 'lookahead':
    case 'wrong-end':
    case 'lag':
      return answer
  }
}

export function banText(untilMs: number): string {
  return `Way too much request weight used; IP banned until ${untilMs}. Please use WebSocket Streams for live updates to avoid bans.`
}

/** The body with nothing in it, in its own form. */
function emptied(body: string): string {
  if (body.startsWith('[')) return '[]'
  if (body.includes('<ListBucketResult')) {
    return body
      .replace(/<(Contents|CommonPrefixes)>.*<\/\1>/s, '')
      .replace(/<NextMarker>.*<\/NextMarker>/s, '')
      .replace('<IsTruncated>true', '<IsTruncated>false')
  }
  return body.startsWith('{') ? body.replace(/"symbols":\[.*\]/s, '"symbols":[]') : ''
}

function withOtherTime(answer: Answer, serverMs: number, offsetMs: number): Answer {
  const body = answer.body.toString('latin1')
  const moved = body.replace(/"serverTime":(\d+)/, (_, ms: string) => `"serverTime":${Number(ms) + offsetMs}`)
  return {
    ...answer,
    headers: { ...answer.headers, date: new Date(serverMs + offsetMs).toUTCString() },
    body: moved === body ? answer.body : Buffer.from(moved, 'latin1'),
  }
}

/** A page of the listing that says that more come: the last one holds the next made-up key, one after the marker that was asked for. */
function unended(body: string, url: string): string {
  if (!body.includes('<ListBucketResult') || body.includes('<IsTruncated>true')) return body
  const params = new URL(url, 'http://sandbox').searchParams
  const marker = params.get('marker') ?? ''
  const prefix = params.get('prefix') ?? ''
  const turn = Number(/~(\d+)$/.exec(marker)?.[1] ?? 0) + 1
  // `~` comes after all that keys are made of
  const key = escapeXml(`${prefix}~${String(turn).padStart(9, '0')}`)
  const entry = `<Contents><Key>${key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;${'0'.repeat(32)}&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>`
  return body
    .replace('<IsTruncated>false</IsTruncated>', `<NextMarker>${key}</NextMarker><IsTruncated>true</IsTruncated>`)
    .replace('</ListBucketResult>', `${entry}</ListBucketResult>`)
}

function flipBit(body: Buffer, offset: number): Buffer {
  const flipped = Buffer.from(body)
  const at = Math.min(offset, flipped.length - 1)
  if (at >= 0) flipped[at] = (flipped[at] as number) ^ 1
  return flipped
}

function replaceDigest(body: Buffer, change: (digest: string) => string): Buffer {
  return Buffer.from(body.toString().replace(/^[0-9a-f]{64}/, change))
}

function flipDigits(digest: string): string {
  return [...digest].map((digit) => (15 - parseInt(digit, 16)).toString(16)).join('')
}

/**
 * Sends an answer, with what a fault does on the wire. Resolves when all is written, or when the fault has left the
 * connection as it shall be.
 */
export async function sendAnswer(response: ServerResponse, answer: Answer, fault: AnswerFault | undefined, isHead: boolean): Promise<void> {
  const { status, headers } = answer
  const body = isHead ? Buffer.alloc(0) : answer.body
  const declared = { ...headers, 'content-length': String(answer.body.length) }
  if (fault?.kind === 'reset') {
    if (fault.at === 'headers') await writeRaw(response, `HTTP/1.1 ${status} OK\r\ncontent-len`)
    else if (fault.at === 'body') await writeHalf(response, status, declared, body)
    response.socket?.resetAndDestroy()
  } else if (fault?.kind === 'stall') {
    if (fault.at === 'body') await writeHalf(response, status, declared, body)
  } else if (fault?.kind === 'slow') {
    response.writeHead(status, declared)
    await writeSlowly(response, body, fault.bytesPerSecond)
  } else if (fault?.kind === 'truncate') {
    response.writeHead(status, fault.declared ? declared : headers)
    await write(response, body.subarray(0, fault.bytes))
    if (fault.declared) response.socket?.end()
    else response.end()
  } else if (fault?.kind === 'oversize') {
    response.writeHead(status, { ...headers, 'content-length': String(answer.body.length + fault.bytes) })
    await write(response, body)
    if (!isHead) await writeSpaces(response, fault.bytes)
    response.end()
  } else if (fault?.kind === 'endless' && fault.what === 'body' && !isHead) {
    response.writeHead(status, headers)
    await write(response, body)
    await writeSpaces(response, Infinity)
  } else {
    response.writeHead(status, declared)
    response.end(body)
  }
}

async function writeHalf(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: Buffer): Promise<void> {
  response.writeHead(status, headers)
  await write(response, body.subarray(0, body.length >> 1))
}

function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (chunk.length === 0) response.flushHeaders()
  // a client that has gone away is no fault of the exchange
  return new Promise((resolve) => response.write(chunk, () => resolve()))
}

function writeRaw(response: ServerResponse, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (response.socket === null) resolve()
    else response.socket.write(text, () => resolve())
  })
}

const SPACES = Buffer.alloc(64 * 1024, 32)

async function writeSpaces(response: ServerResponse, count: number): Promise<void> {
  for (let left = count; left > 0 && !response.destroyed; left -= SPACES.length)
    await write(response, SPACES.subarray(0, Math.min(left, SPACES.length)))
}

async function writeSlowly(response: ServerResponse, body: Buffer, bytesPerSecond: number): Promise<void> {
  const stepMs = 50
  const step = Math.max(1, Math.floor((bytesPerSecond * stepMs) / 1000))
  for (let at = 0; at < body.length && !response.destroyed; at += step) {
    await write(response, body.subarray(at, at + step))
    await delay(stepMs, undefined, { ref: false })
  }
  response.end()
}
