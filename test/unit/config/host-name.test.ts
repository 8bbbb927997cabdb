import { expect, test } from 'vitest'
import { hostNameOf } from '../../../config/host-name.ts'

test.each([
  ['https://api.example/x', 'api.example'],
  ['https://API.Example.:443/x', 'api.example'],
  ['http://me:word@api.example:80', 'api.example'],
  ['http://[0:0:0:0:0:0:0:1]:4000', '[::1]'],
  ['http://[2001:DB8::0:1]', '[2001:db8::1]'],
  ['http://[::ffff:127.0.0.1]:4000', '127.0.0.1'],
  ['http://[::FFFF:c0a8:00fe]', '192.168.0.254'],
  ['http://127.1', '127.0.0.1'],
  ['http://0x7f.0.0.1.', '127.0.0.1'],
])('%s is a host of the name %s', (url, name) => {
  expect(hostNameOf(url)).toBe(name)
})
