/**
 * Serves a folder of archives from memory on loopback: /vision/<key> and /listing (S3, version 1, without a delimiter's
 * folders). So little is done a request that the clients are measured and not this.
 *
 * `node bench/server.mjs FOLDER` prints its origin, and ends with its standard input.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, relative, sep } from 'node:path'

const PAGE_KEYS = 1000
const objects = readObjects(process.argv[2])
const keys = [...objects.keys()].sort()

const server = createServer({ noDelay: true }, (socket) => {
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
      const url = /^GET (\S+) /.exec(text)?.[1] ?? '/'
      text = text.slice(end + 4)
      const { head, body } = answer(url)
      socket.cork()
      socket.write(head, 'latin1')
      socket.write(body)
      socket.uncork()
    }
  })
  socket.on('error', () => socket.destroy()) // a client that was killed
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
process.stdin.resume().on('end', () => process.exit())

function readObjects(root) {
  const found = new Map()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const body = readFileSync(path)
    const etag = createHash('md5').update(body).digest('hex')
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/zip\r\ncontent-length: ${body.length}\r\netag: "${etag}"\r\n\r\n`
    found.set(relative(root, path).split(sep).join('/'), { head, body, etag })
  }
  return found
}

function answer(url) {
  const { pathname, searchParams } = new URL(url, 'http://bench')
  const object = objects.get(decodeURIComponent(pathname.slice('/vision/'.length)))
  if (object !== undefined) return object
  const found = pathname.startsWith('/listing')
  const body = Buffer.from(found ? listPage(searchParams) : 'not here')
  return {
    head: `HTTP/1.1 ${found ? '200 OK' : '404 Not Found'}\r\ncontent-type: application/xml\r\ncontent-length: ${body.length}\r\n\r\n`,
    body,
  }
}

function listPage(params) {
  const prefix = params.get('prefix') ?? ''
  const marker = params.get('marker') ?? ''
  const after = keys.filter((key) => key.startsWith(prefix) && key > marker)
  const page = after.slice(0, PAGE_KEYS)
  const contents = page.map((key) => {
    const { body, etag } = objects.get(key)
    return `<Contents><Key>${key}</Key><LastModified>2024-12-01T00:00:00.000Z</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  })
  const cut = after.length > page.length
  const next = cut ? `<NextMarker>${page.at(-1)}</NextMarker>` : ''
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data.binance.vision</Name><Prefix>${prefix}</Prefix><Marker>${marker}</Marker>${next}<MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>${cut}</IsTruncated>${contents.join('')}</ListBucketResult>`
}
