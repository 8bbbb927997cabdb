/**
 * HTTP on loopback for the benchmarks' servers: GET only, answers from memory, connections kept alive. So little is done a request that
 * the clients are measured and not this.
 */
import { createServer } from 'node:net'

/** Serves what `answer(url)` gives ({head, body}), prints the origin, and ends with standard input. */
export function serve(answer) {
  const server = createServer({ noDelay: true }, (socket) => {
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const url = /^GET (\S+) /.exec(text)?.[1] ?? '/'
        text = text.slice(end + 4)
        const { head, body } = answer(new URL(url, 'http://bench'))
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
}

/** An object of the bucket. */
export function objectAnswer(body, etag) {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/zip\r\ncontent-length: ${body.length}\r\netag: "${etag}"\r\n\r\n`
  return { head, body }
}

/** A page of the listing; `contents` are {key, etag, sizeBytes}. */
export function pageAnswer({ prefix, marker, contents, cut }) {
  const entries = contents.map(
    ({ key, etag, sizeBytes }) =>
      `<Contents><Key>${key}</Key><LastModified>2024-12-01T00:00:00.000Z</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${sizeBytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  )
  const next = cut ? `<NextMarker>${contents.at(-1).key}</NextMarker>` : ''
  return textAnswer(
    '200 OK',
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data.binance.vision</Name><Prefix>${prefix}</Prefix><Marker>${marker}</Marker>${next}<MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>${cut}</IsTruncated>${entries.join('')}</ListBucketResult>`,
  )
}

export function missingAnswer() {
  return textAnswer('404 Not Found', 'not here')
}

function textAnswer(status, text) {
  const body = Buffer.from(text)
  return { head: `HTTP/1.1 ${status}\r\ncontent-type: application/xml\r\ncontent-length: ${body.length}\r\n\r\n`, body }
}
