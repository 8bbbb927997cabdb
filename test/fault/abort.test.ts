import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import type { IngestOptions } from '../../src/ingest/ingest-options.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import type { FaultRule } from '../../src/sandbox/index.ts'
import { digestTree, listFiles, queryCatalog, waitUntil } from '../support/temp-lake.ts'
import type { World } from './world.ts'
import { BAD_DAY, createWorld, strangeRows, readRows } from './world.ts'

const CHILD = fileURLToPath(new URL('workers/abort-child.mjs', import.meta.url))
const WORKER = fileURLToPath(new URL('workers/broken-worker.mjs', import.meta.url))
const CUT: FaultRule = { kind: 'cut', market: 'spot', symbol: 'AAAUSDT', day: BAD_DAY, at: '12:00' }

let reference: string[]
let truth: Map<string, string[]>

beforeAll(async () => {
  await using world = await createWorld([CUT])
  expect(await world.run()).toMatchObject({ exit: 0, stored: 3 })
  reference = await digestTree(join(world.lake, 'data'))
  truth = await readRows(world.lake)
})

interface Stage {
  readonly name: string
  readonly faults?: readonly FaultRule[]
  readonly changes?: Partial<IngestOptions>
  /** the moment for the interrupt; left out: the child does it itself, at `step` */
  readonly isThere?: (world: World, deaths: string) => boolean | Promise<boolean>
  readonly step?: string
}

const stages: readonly Stage[] = [
  {
    name: 'while the listing stalls',
    faults: [{ kind: 'stall', match: '^/listing', at: 'body' }],
    isThere: (world) => world.requests('listing') > 0,
  },
  {
    name: 'while an archive stalls',
    faults: [{ kind: 'stall', match: `${BAD_DAY}\\.zip$`, at: 'body' }],
    isThere: (world) => world.requests('archive') === 3,
  },
  {
    name: 'while it backs off from a busy server',
    faults: [{ kind: 'status', match: `${BAD_DAY}\\.zip$`, status: 503, retryAfterSeconds: 200 }],
    isThere: (world) => world.requests('archive') === 3,
  },
  {
    name: 'while a worker decodes',
    changes: { workerFile: WORKER },
    isThere: async (_world, deaths) => (await readdir(deaths)).length > 0,
  },
  ...['before write', 'after write', 'before rename', 'before transaction', 'after transaction'].map((step) => ({
    name: `while it stores: ${step}`,
    step,
  })),
  {
    name: 'while REST stalls',
    faults: [{ kind: 'stall', match: '/klines\\?', at: 'headers' }],
    isThere: (world) => world.requests('rest') > 0,
  },
  {
    name: "while it waits for REST's next minute",
    faults: [{ kind: 'status', match: '/klines\\?', status: 429, retryAfterSeconds: 200 }],
    isThere: (world) => world.requests('rest') > 0,
  },
]

test.each(stages)(
  'an interrupt $name: 130, the process ends by itself, and the next run has everything',
  async ({ faults = [], changes, isThere, step }) => {
    await using world = await createWorld([...faults, CUT])
    const deaths = join(world.directory.path, 'deaths')
    await mkdir(deaths)
    const { signal, events, clockMs, ...options } = world.options(changes)
    const env = { ...process.env, CKVD_TEST_DEATH: JSON.stringify({ match: BAD_DAY, how: 'hang', times: 1, directory: deaths }) }
    const child = spawn(process.execPath, [CHILD, JSON.stringify(options), step ?? ''], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    const ended = once(child, 'close')
    let interruptedMs = performance.now()
    if (isThere !== undefined) {
      await waitUntil('the moment', () => isThere(world, deaths))
      interruptedMs = performance.now()
      child.kill('SIGINT')
    }
    const [code, killer] = (await ended) as [number | null, string | null]
    expect({ code, killer }).toEqual({ code: 0, killer: null })
    // far below every timeout that a handle could hang on
    expect(performance.now() - interruptedMs).toBeLessThan(15_000)
    const result = JSON.parse(stdout) as IngestResult
    expect(result).toMatchObject({ exit: 130, stopped: { code: 'CKVD_ABORTED' }, problems: [] })
    expect(queryCatalog(world.lake, 'SELECT exit FROM runs')).toEqual([{ exit: 130 }])
    expect(await listFiles(join(world.lake, 'tmp'))).toEqual([])
    expect(strangeRows(await readRows(world.lake), truth)).toEqual([])

    world.sandbox.setFaults([CUT])
    expect(await world.run()).toMatchObject({ exit: 0, problems: [] })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(reference)
  },
)
