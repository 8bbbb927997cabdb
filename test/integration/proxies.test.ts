import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ingestResult, runHere } from '../support/ckvd.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const INGEST = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', '1h', '--start', '2024-01-01', '--end', '2024-01-03']

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A proxy that answers every CONNECT with this status. */
async function startProxy(status: number): Promise<{ address: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer()
  server.on('connect', (request, client: Socket) => {
    asked.push(request.url ?? '')
    client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close())
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

describe('a proxy that cannot be meant', () => {
  test.each([
    ['ALL_PROXY', 'socks5h://jan:secret@127.0.0.1:1080', /SOCKS is not supported/],
    ['https_proxy', 'http://jan:secret@', /as curl takes it/],
    ['HTTPS_PROXY', 'ftp://proxy.lan', /as curl takes it/],
  ])('%s=%s ends every command that would use it with exit 2, before anything is done', async (name, value, reason) => {
    await using temp = await createTempDirectory()
    for (const args of [INGEST, ['fetch', 'BTCUSDT', '--days', '1'], ['availability', '--out', temp.path]]) {
      const lake = args[0] === 'availability' ? [] : ['--lake', temp.lake]
      const { exit, stdout, stderr } = await runHere([...args, ...lake], { env: { [name]: value }, stdin: 'BTCUSDT' })
      expect(exit).toBe(2)
      expect(stderr).toContain(`\`${name}\``)
      expect(stderr).toMatch(reason)
      expect(stderr).not.toMatch(/ at .*:\d+|CKVD_BUG/)
      expect(stdout + stderr).not.toContain('secret')
    }
    expect(existsSync(temp.lake)).toBe(false)
  })

  test.each(['?token=secret', '#secret', '/secret'])(
    '%s behind one is no part of it, as for curl, and is shown nowhere',
    async (behind) => {
      await using temp = await createTempDirectory()
      const { address, asked } = await startProxy(407)
      const env = { HTTPS_PROXY: `http://jan:pw@${address}${behind}`, CKVD_LISTING_URL: 'https://listing.invalid/b' }
      const { exit, stdout, stderr } = await runHere([...INGEST, '--lake', temp.lake, '--json'], { env, stdin: 'BTCUSDT' })
      expect(exit).toBe(4)
      expect(asked).toContain('listing.invalid:443')
      const config = await runHere(['config'], { env })
      expect(config.stdout).toContain(`http://***@${address}`)
      expect(stdout + stderr + config.stdout + config.stderr).not.toContain('secret')
    },
  )

  test('is no word to a sandbox on this machine, nor to a command that asks nobody', async () => {
    await using temp = await createTempDirectory()
    const env = { HTTPS_PROXY: 'host:8080', http_proxy: 'socks5h://127.0.0.1:1', ALL_PROXY: 'rubbish://', CKVD_NOW: '2024-03-01T00:00:00Z' }
    const result = await runHere([...INGEST, '--sandbox', '--lake', temp.lake, '--json'], { env, stdin: 'BTCUSDT' })
    expect(ingestResult(result)).toMatchObject({ exit: 0, stored: 2 })
    expect((await runHere(['coverage', '--lake', temp.lake], { env })).exit).toBe(0)
  })
})

describe('a proxy that does not let us through', () => {
  test('407: asked once, named with its status, exit 4', async () => {
    await using temp = await createTempDirectory()
    const { address, asked } = await startProxy(407)
    const env = { HTTPS_PROXY: `jan:100%secret@${address}`, CKVD_LISTING_URL: 'https://listing.invalid/b' }
    const { exit, stdout, stderr } = await runHere([...INGEST, '--lake', temp.lake, '--json'], { env, stdin: 'BTCUSDT' })
    expect(exit).toBe(4)
    const message = ingestResult({ exit, stdout, stderr }).stopped?.message
    expect(message).toMatch(new RegExp(`the proxy ${address} \\(HTTPS_PROXY\\) .*answered 407: it wants a user and a password`))
    expect(stdout + stderr).not.toContain('secret')
    // the two forms of archives are listed at once
    expect(asked.length).toBeLessThanOrEqual(2)
  })

  test('a dead one is named, exit 4', async () => {
    await using temp = await createTempDirectory()
    const { address } = await startProxy(200)
    for (const close of closers.splice(0)) close()
    const env = { ALL_PROXY: address, CKVD_MAX_RETRIES: '0', CKVD_LISTING_URL: 'https://listing.invalid/b' }
    const { exit, stdout, stderr } = await runHere([...INGEST, '--lake', temp.lake, '--json'], { env, stdin: 'BTCUSDT' })
    expect(exit).toBe(4)
    expect(ingestResult({ exit, stdout, stderr }).stopped?.message).toContain(
      `does not answer: nothing listens there (ECONNREFUSED), through the proxy ${address} (ALL_PROXY). Nothing was done.`,
    )
  })

  test.each([
    ['101', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n'],
    ['200 with a page behind it', 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>'],
  ])('one that answers CONNECT with %s opens no tunnel: named, exit 4, and asked once', async (_name, answer) => {
    await using temp = await createTempDirectory()
    let connections = 0
    const server = createTcpServer((client) => {
      connections++
      client.on('error', () => undefined).once('data', () => client.write(answer))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => server.close())
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const env = { http_proxy: address, CKVD_MAX_RETRIES: '0', CKVD_LISTING_URL: 'http://listing.invalid/b' }
    const { exit, stdout, stderr } = await runHere([...INGEST, '--lake', temp.lake, '--json'], { env, stdin: 'BTCUSDT' })
    expect(exit).toBe(4)
    const message = ingestResult({ exit, stdout, stderr }).stopped?.message
    expect(message).toMatch(new RegExp(`it opened no tunnel \\(.* through the proxy ${address} \\(http_proxy\\)`))
    // the two forms of archives are listed at once
    expect(connections).toBeLessThanOrEqual(2)
  })
})
