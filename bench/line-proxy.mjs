/**
 * A line between the clients and a loopback server: `node bench/line-proxy.mjs ORIGIN '{"rttMs":100,"mbit":200}'` prints its own origin and
 * ends with its standard input. Every connection takes a round trip to open, every byte half of one each way; all connections share the
 * bandwidth towards the client, first come, first served. With `resetEvery` each so-many-th connection breaks in the midst of its third
 * answer, with `most` a connection beyond so many is refused. Nothing is random: the same requests meet the same line.
 */
import { connect, createServer } from 'node:net'

const origin = new URL(process.argv[2])
const { rttMs, mbit = Infinity, resetEvery = Infinity, most = Infinity } = JSON.parse(process.argv[3])
const BYTES_PER_MS = mbit * 125
const RESET_AFTER_BYTES = 150_000
let lineFreeMs = 0
let open = 0
let count = 0

const server = createServer({ noDelay: true }, (client) => {
  if (open >= most) return client.resetAndDestroy()
  open++
  const isDoomed = ++count % resetEvery === 0
  const upstream = connect({ host: origin.hostname, port: origin.port, noDelay: true })
  const openAtMs = performance.now() + rttMs
  let left = isDoomed ? RESET_AFTER_BYTES : Infinity
  const toServer = later(upstream)
  const toClient = later(client)
  client.on('data', (bytes) => toServer(Math.max(openAtMs, performance.now()) + rttMs / 2, bytes))
  upstream.on('data', (bytes) => {
    left -= bytes.length
    if (left < 0) return client.resetAndDestroy()
    lineFreeMs = Math.max(lineFreeMs, performance.now()) + bytes.length / BYTES_PER_MS
    toClient(lineFreeMs + rttMs / 2, bytes)
  })
  client.on('error', () => client.destroy()) // a client that was killed
  upstream.on('error', () => client.destroy())
  client.on('close', () => {
    open--
    upstream.destroy()
  })
  upstream.on('close', () => client.end())
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
process.stdin.resume().on('end', () => process.exit())

/** Gives a function that writes bytes to a socket at a time, in the order in which they came. */
function later(socket) {
  const waiting = []
  let timer
  const pump = () => {
    timer = undefined
    while (waiting.length > 0 && waiting[0].dueMs <= performance.now()) socket.write(waiting.shift().bytes)
    if (waiting.length > 0) timer = setTimeout(pump, waiting[0].dueMs - performance.now())
  }
  return (dueMs, bytes) => {
    waiting.push({ dueMs, bytes })
    timer ??= setTimeout(pump, dueMs - performance.now())
  }
}
