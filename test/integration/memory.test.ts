import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { ingestResult, startNode } from '../support/ckvd.ts'
import { MAIN, startSandbox } from '../support/dist.ts'
import { urlVariables } from '../support/exchange.ts'
import { createRandom } from '../support/random.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'
import { buildZip, checksumOf } from '../support/zip-builder.ts'

const UNIVERSE = fileURLToPath(new URL('../../config/universe/spot_synchronal.csv', import.meta.url))
const DAY = '2024-01-03'
const MONTH = '2024-01'
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const DAILY = { '1s': 1000, '1m': 60_000, '3m': 180_000, '5m': 300_000, '15m': 900_000, '30m': 1_800_000, '1h': HOUR_MS, '2h': 2 * HOUR_MS }
const LONGER = { '4h': 4 * HOUR_MS, '6h': 6 * HOUR_MS, '8h': 8 * HOUR_MS, '12h': 12 * HOUR_MS, '1d': DAY_MS }
/** Open times of the bars that open in the month; those of 3d on days that are 1 modulo 3 since 1970-01-01, weeks open on Monday. */
const MONTHLY = {
  '3d': [1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31],
  '1w': [1, 8, 15, 22, 29],
  '1mo': [1],
}
const MONTHLY_MS = { '3d': 3 * DAY_MS, '1w': 7 * DAY_MS, '1mo': 31 * DAY_MS }
const MEBIBYTE = 2 ** 20
/** What the README promises. */
const LIMIT_MIB = 512

/** Reports the peak of the process, all its threads included, when it ends; `maxRSS` is in KiB. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(
  "import { isMainThread } from 'node:worker_threads'; if (isMainThread) process.on('exit', () => process.stderr.write(`\\npeak ${process.resourceUsage().maxRSS}\\n`))",
)}`

/** Bars in the exchange's text, each with prices of its own. */
function csvOf(openTimesMs: readonly number[], lengthMs: number): string {
  const random = createRandom(1)
  const lines = openTimesMs.map((openMs) => {
    const [low, high, ...amounts] = [1, 2, 0, 0, 0, 0].map((base) => (base + random()).toFixed(8)) as [string, string, ...string[]]
    const [volume, quote, taker, takerQuote] = amounts as [string, string, string, string]
    return `${openMs},${low},${high},${low},${high},${volume},${openMs + lengthMs - 1},${quote},7,${taker},${takerQuote},0\n`
  })
  return lines.join('')
}

/** Archives of all intervals of the symbols, laid out as the bucket; the symbols have the same rows. Gives the size of their CSV. */
async function writeArchives(folder: string, symbols: readonly string[]): Promise<number> {
  const dayMs = Date.parse(DAY)
  const contents = [
    ...Object.entries({ ...DAILY, ...LONGER }).map(([interval, lengthMs]) => {
      const times = Array.from({ length: DAY_MS / lengthMs }, (_, i) => dayMs + i * lengthMs)
      return { packaging: 'daily', interval, period: DAY, csv: csvOf(times, lengthMs) }
    }),
    ...Object.entries(MONTHLY).map(([interval, days]) => {
      const times = days.map((day) => Date.parse(`${MONTH}-${String(day).padStart(2, '0')}`))
      return { packaging: 'monthly', interval, period: MONTH, csv: csvOf(times, MONTHLY_MS[interval as keyof typeof MONTHLY]) }
    }),
  ]
  for (const { packaging, interval, period, csv } of contents) {
    // once for all symbols: nothing takes longer
    const packed = deflateRawSync(csv, { level: 1 })
    for (const symbol of symbols) {
      const stem = `${symbol}-${interval}-${period}`
      const path = join(folder, `data/spot/${packaging}/klines/${symbol}/${interval}/${stem}.zip`)
      const zip = buildZip([{ name: `${stem}.csv`, data: csv, packed }])
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, zip)
      await writeFile(`${path}.CHECKSUM`, checksumOf(zip, basename(path)))
    }
  }
  return contents.reduce((sum, { csv }) => sum + csv.length, 0) * symbols.length
}

test('case 26: 45 symbols at all intervals, 450 MiB of CSV, within the memory that README promises', { timeout: 120_000 }, async () => {
  await using temp = await createTempDirectory()
  const symbols = (await readFile(UNIVERSE, 'utf8'))
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[1] ?? '')
  expect(symbols).toHaveLength(45)
  expect(await writeArchives(temp.path, symbols)).toBeGreaterThan(450 * MEBIBYTE)
  await using sandbox = await startSandbox({ archive: temp.path, now: () => Date.parse('2024-03-20T12:00:00Z') })
  const args = ['ingest', '--universe', '-', '--market', 'spot', '--intervals', 'all', '--start', DAY, '--end', '2024-01-04']
  const { ended } = startNode(['--import', PRELOAD, MAIN, ...args, '--lake', temp.lake, '--workers', '2', '--json', '--quiet'], {
    env: { ...urlVariables(sandbox), CKVD_NOW: '2024-03-20T12:00:00Z' },
    stdin: symbols.join('\n'),
  })
  const result = await ended
  expect(ingestResult(result)).toMatchObject({ exit: 0, series: 45 * 16, stored: 45 * 16, problems: [] })
  expect(await listFiles(join(temp.lake, 'data'))).toHaveLength(45 * 16)
  const peakMib = Number(/peak (\d+)/.exec(result.stderr)?.[1]) / 1024
  expect(peakMib).toBeLessThan(LIMIT_MIB)
})
