// Run by scripts/test-package.mjs in a folder where the tarball is installed: the package as its users import it.
import assert from 'node:assert/strict'
import { CkvdError } from 'crypto-kline-vision-data'
import { startSandbox } from 'crypto-kline-vision-data/sandbox'

assert.ok(new CkvdError('CKVD_USAGE', 'a message') instanceof Error)

const sandbox = await startSandbox({ seed: 1 })
try {
  const response = await fetch(`${sandbox.urls.listing}?prefix=data/spot/daily/klines/BTCUSDT/1m/&max-keys=1`)
  assert.equal(response.status, 200)
  assert.match(await response.text(), /<Key>data\/spot\/daily\/klines\/BTCUSDT\/1m\/BTCUSDT-1m-\d{4}-\d{2}-\d{2}\.zip<\/Key>/)
} finally {
  await sandbox.close()
}
