/**
 * Serves a folder of archives from memory on loopback: /vision/<key> and /listing (S3, version 1, without a delimiter's folders).
 *
 * `node bench/server.mjs FOLDER` prints its origin, and ends with its standard input.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { missingAnswer, objectAnswer, pageAnswer, serve } from './loopback.mjs'

const PAGE_KEYS = 1000
const objects = readObjects(process.argv[2])
const keys = [...objects.keys()].sort()

serve(({ pathname, searchParams }) => {
  const object = objects.get(decodeURIComponent(pathname.slice('/vision/'.length)))
  if (object !== undefined) return object.answer
  return pathname.startsWith('/listing') ? listPage(searchParams) : missingAnswer()
})

function readObjects(root) {
  const found = new Map()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const body = readFileSync(path)
    const etag = createHash('md5').update(body).digest('hex')
    const key = relative(root, path).split(sep).join('/')
    found.set(key, { key, etag, sizeBytes: body.length, answer: objectAnswer(body, etag) })
  }
  return found
}

function listPage(params) {
  const prefix = params.get('prefix') ?? ''
  const marker = params.get('marker') ?? ''
  // to look at every key for each page would take longer than what a page costs the client
  let start = firstFrom(prefix > marker ? prefix : marker)
  if (keys[start] === marker) start++
  const found = keys.slice(start, start + PAGE_KEYS + 1).filter((key) => key.startsWith(prefix))
  const contents = found.slice(0, PAGE_KEYS).map((key) => objects.get(key))
  return pageAnswer({ prefix, marker, contents, cut: found.length > PAGE_KEYS })
}

/** Index of the first key that is `least` or comes after it. */
function firstFrom(least) {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle] < least) low = middle + 1
    else high = middle
  }
  return low
}
