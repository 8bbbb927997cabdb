import { describe, expect, test } from 'vitest'
import { CkvdError } from '../../../../src/errors.ts'
import { checkProxies, hideCredentials, proxyFor } from '../../../../src/sources/http/proxy.ts'

const HTTPS = 'https://data.binance.vision'
const HTTP = 'http://archive.lan'

function codeOf(work: () => unknown): CkvdError {
  try {
    work()
  } catch (error) {
    if (error instanceof CkvdError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('which variable counts', () => {
  test.each<[string, string, Record<string, string>, string | undefined]>([
    ['https of https_proxy', HTTPS, { https_proxy: 'a:1', HTTPS_PROXY: 'b:1', all_proxy: 'c:1' }, 'http://a:1'],
    ['https of HTTPS_PROXY', HTTPS, { HTTPS_PROXY: 'b:1', ALL_PROXY: 'c:1' }, 'http://b:1'],
    ['https of all_proxy', HTTPS, { all_proxy: 'c:1', ALL_PROXY: 'd:1' }, 'http://c:1'],
    ['https of ALL_PROXY', HTTPS, { ALL_PROXY: 'd:1' }, 'http://d:1'],
    ['https not of http_proxy', HTTPS, { http_proxy: 'a:1' }, undefined],
    ['http of http_proxy', HTTP, { http_proxy: 'a:1', HTTP_PROXY: 'b:1' }, 'http://a:1'],
    ['http of HTTP_PROXY', HTTP, { HTTP_PROXY: 'b:1' }, 'http://b:1'],
    ['http not of a HTTP_PROXY that a CGI request may have set', HTTP, { HTTP_PROXY: 'b:1', REQUEST_METHOD: 'GET' }, undefined],
    ['an empty one is none', HTTPS, { https_proxy: '', HTTPS_PROXY: ' ', all_proxy: 'c:1' }, 'http://c:1'],
    ['none', HTTPS, {}, undefined],
  ])('%s', (_name, origin, env, url) => {
    expect(proxyFor(origin, env)?.url).toBe(url)
  })
})

describe('the forms that people have', () => {
  test.each([
    ['proxy.lan:8080', 'http://proxy.lan:8080', undefined],
    ['localhost:8080', 'http://localhost:8080', undefined],
    ['  http://proxy.lan:8080/  ', 'http://proxy.lan:8080', undefined],
    ['proxy.lan', 'http://proxy.lan:1080', undefined],
    ['HTTPS://proxy.lan', 'https://proxy.lan:443', undefined],
    ['[::1]:8080', 'http://[::1]:8080', undefined],
    ['jan:a%b@proxy.lan:8080', 'http://proxy.lan:8080', 'jan:a%b'],
    ['http://jan:100%@proxy.lan:8080', 'http://proxy.lan:8080', 'jan:100%'],
    ['http://jan:p%40ss%25@proxy.lan:8080', 'http://proxy.lan:8080', 'jan:p@ss%'],
    ['http://jan:p@ss@proxy.lan:8080', 'http://proxy.lan:8080', 'jan:p@ss'],
    ['http://jan:pw@proxy.lan:8080/p@th', 'http://proxy.lan:8080', 'jan:pw'],
    ['http://jan:pw@proxy.lan:8080/?a@b', 'http://proxy.lan:8080', 'jan:pw'],
    ['http://jan:pw@proxy.lan:8080?token=a@b', 'http://proxy.lan:8080', 'jan:pw'],
    ['http://proxy.lan:8080#jan:pw@other.lan', 'http://proxy.lan:8080', undefined],
    ['proxy.lan:8080?token=a', 'http://proxy.lan:8080', undefined],
    ['http://jan@proxy.lan:8080', 'http://proxy.lan:8080', 'jan:'],
    ['http://j%C3%A4n:%fe@proxy.lan:8080', 'http://proxy.lan:8080', Buffer.concat([Buffer.from('jän:'), Buffer.from([0xfe])])],
  ])('%s', (value, url, credentials) => {
    const proxy = proxyFor(HTTPS, { https_proxy: value })
    expect(proxy?.url).toBe(url)
    expect(proxy?.authorization).toBe(credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`)
  })

  test.each(['socks5h://jan:secret@proxy.lan:1080', 'socks5://proxy.lan', 'socks4://proxy.lan', 'SOCKS://proxy.lan'])(
    '%s is told as unsupported, with the variable and no secret',
    (value) => {
      const error = codeOf(() => proxyFor(HTTPS, { ALL_PROXY: value }))
      expect(error).toMatchObject({ code: 'CKVD_CONFIG', exit: 2 })
      expect(error.message).toMatch(/`ALL_PROXY`.*SOCKS is not supported/)
      expect(JSON.stringify(error.toData())).not.toContain('secret')
    },
  )

  const behind = ['ftp://proxy.lan/?token=secret', 'ftp://proxy.lan#secret', 'ftp://proxy.lan/secret', 'ftp://u:p/secret@x', 'a b/?secret']
  const broken = ['ftp://proxy.lan', 'http://', 'http://jan:secret@', 'proxy lan:8080', 'proxy.lan:99999', 'proxy.lan:port', '://x']
  const noAddress = ['1.2.3.256:80', 'http://jan:secret@1.2.3.4.5:80', '[::::]:80', '[1:2]:80', 'xn--:80', 'http:/proxy.lan']
  test.each([...behind, ...broken, ...noAddress])('%j is refused with the variable and no secret', (value) => {
    const error = codeOf(() => proxyFor(HTTPS, { https_proxy: value }))
    expect(error.code).toBe('CKVD_CONFIG')
    expect(error.message).toContain('`https_proxy`')
    expect(JSON.stringify(error.toData())).not.toContain('secret')
  })
})

describe('who goes without', () => {
  const named = ['http://localhost:80', 'http://app.localhost', 'http://LOCALHOST.:80']
  test.each([...named, 'http://127.0.0.1:8080', 'http://127.8.9.1', 'http://[::1]:8080', 'http://[::ffff:127.0.0.1]:1'])(
    'this machine (%s) never reads a proxy, not even a wrong one',
    (origin) => {
      expect(proxyFor(origin, { http_proxy: 'socks5://x', ALL_PROXY: 'rubbish://' })).toBeUndefined()
    },
  )

  test.each<[string, string, boolean]>([
    ['*', HTTPS, true],
    ['binance.vision', HTTPS, true],
    ['.binance.vision', HTTPS, true],
    ['*.binance.vision', HTTPS, true],
    ['DATA.binance.vision', HTTPS, true],
    ['other.lan, data.binance.vision', HTTPS, true],
    ['other.lan data.binance.vision', HTTPS, true],
    ['data.binance.vision:443', HTTPS, true],
    ['data.binance.vision:8443', HTTPS, false],
    ['ance.vision', HTTPS, false],
    ['data.binance', HTTPS, false],
    ['', HTTPS, false],
    [',', HTTPS, false],
    ['10.1.2.3', 'http://10.1.2.3', true],
    ['10.0.0.0/8', 'http://10.1.2.3', true],
    ['10.0.0.0/16', 'http://10.1.2.3', false],
    ['10.0.0.0/99', 'http://10.1.2.3', false],
    ['fd00::/8', 'http://[fd00::1]:80', true],
    ['fd00::1', 'http://[fd00::1]:80', true],
    ['2.3', 'http://10.1.2.3', false],
    ['binance.vision', 'https://Data.Binance.Vision.:443', true],
    ['10.0.0.0/8', 'http://[::ffff:10.1.2.3]', true],
  ])('no_proxy=%s for %s: %s', (list, origin, exempt) => {
    expect(proxyFor(origin, { all_proxy: 'a:1', NO_PROXY: list }) === undefined).toBe(exempt)
  })

  test('a proxy that nothing would use is not checked', () => {
    expect(() =>
      checkProxies(['http://127.0.0.1:1/listing', 'https://data.binance.vision/x'], {
        ALL_PROXY: 'socks5://x',
        no_proxy: 'binance.vision',
      }),
    ).not.toThrow()
    expect(codeOf(() => checkProxies(['http://127.0.0.1:1', HTTPS], { ALL_PROXY: 'socks5://x' })).code).toBe('CKVD_CONFIG')
  })
})

test.each([
  ['http://jan:p@ss@proxy.lan:1', 'http://***@proxy.lan:1'],
  // what stands for the host is a part of the password here
  ['http://jan:p@ss/w@proxy.lan:1', 'http://***'],
  ['http://jan:pw@proxy.lan:1/p@th', 'http://***'],
  ['jan:pass@proxy.lan', '***@proxy.lan'],
  ['http://jan:pass', 'http://jan:***'],
  ['jan:12pass/x', 'jan:***'],
  ['socks5://jan:pass word', 'socks5://jan:***'],
  ['http://jan:pass@proxy.lan:1?token=secret', 'http://***@proxy.lan:1'],
  ['http://proxy.lan:1#secret', 'http://proxy.lan:1'],
  ['http://proxy.lan:80/secret', 'http://proxy.lan:80'],
  ['proxy.lan?secret', 'proxy.lan'],
  [' proxy.lan:8080 ', 'proxy.lan:8080'],
  ['http://proxy.lan', 'http://proxy.lan'],
  ['[::1]:80', '[::1]:80'],
  ['http://[::1]:80', 'http://[::1]:80'],
])('of %s the user sees %s', (value, shown) => {
  expect(hideCredentials(value)).toBe(shown)
})
