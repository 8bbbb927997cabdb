import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { MAIN } from '../../support/dist.ts'

/** Allocates, with a thread started in the middle, which makes V8 forget that it is not to grow. */
const SCRIPT = `
  import { once } from 'node:events'
  import { setImmediate } from 'node:timers/promises'
  import { getHeapSpaceStatistics } from 'node:v8'
  import { Worker } from 'node:worker_threads'
  import { tuneHeapGrowth } from ${JSON.stringify(new URL('heap-growth.js', pathToFileURL(MAIN)).href)}
  tuneHeapGrowth(4 << 20)
  let kept = []
  const allocate = async () => {
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 10_000; i++) kept.push({ round, list: [i] })
      if (kept.length > 150_000) kept = kept.slice(75_000)
      await setImmediate()
    }
  }
  await allocate()
  await once(new Worker('', { eval: true }), 'exit')
  await allocate()
  console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size)
`

/** Left to itself Node 20 gives them 32 MiB here, Node 24 128. */
test('young objects get about as much as was said, and V8 has nothing to say about the flags', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', SCRIPT], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(Number(stdout)).toBeGreaterThan(0)
  expect(Number(stdout)).toBeLessThanOrEqual(9 << 20)
})
