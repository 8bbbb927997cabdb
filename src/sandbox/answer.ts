import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { AnswerFault } from './faults.ts'
import { createNoSuchKey } from './listing.ts'

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

/** The answer that a fault makes of the right one. What happens on the wire (reset, stall, slow, truncate) is `sendAnswer`'s. */
export function spoilAnswer(answer: Answer, fault: AnswerFault, url: string): Answer {
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
    case 'reset':
    case 'stall':
    case 'slow':
    case 'truncate':
      return answer
  }
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

async function writeSlowly(response: ServerResponse, body: Buffer, bytesPerSecond: number): Promise<void> {
  const stepMs = 50
  const step = Math.max(1, Math.floor((bytesPerSecond * stepMs) / 1000))
  for (let at = 0; at < body.length && !response.destroyed; at += step) {
    await write(response, body.subarray(at, at + step))
    await delay(stepMs, undefined, { ref: false })
  }
  response.end()
}
