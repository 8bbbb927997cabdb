import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CkvdError } from '../../src/errors.ts'
import { createLogger } from '../../src/log.ts'
import type { LogLevel } from '../../src/log.ts'
import '../support/dist.ts'

let folder: string
let written: string
const destination = { write: (text: string) => (written += text) }
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ckvd-log-'))
  written = ''
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const lines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

function logAll(level: LogLevel): unknown[] {
  const logger = createLogger({ level, destination })
  logger.debug('d')
  logger.info('i')
  logger.warn('w')
  logger.error('e')
  logger.fatal('f')
  return lines(written).map((line) => line['level'])
}

describe('lines', () => {
  test.each<[LogLevel, string[]]>([
    ['DEBUG', ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']],
    ['WARNING', ['WARNING', 'ERROR', 'CRITICAL']],
    ['CRITICAL', ['CRITICAL']],
  ])('from %s on, levels spelled as in Python', (level, expected) => {
    expect(logAll(level)).toEqual(expected)
  })

  test('hold level, time, fields and message, and nothing of the machine', () => {
    createLogger({ level: 'INFO', destination }).info({ market: 'um', day: '2024-01-01' }, 'stored')
    const [line] = lines(written)
    expect(Object.keys(line ?? {})).toEqual(['level', 'time', 'market', 'day', 'msg'])
    expect(line?.['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  test('tell the code and the details of an error', () => {
    createLogger({ level: 'INFO', destination }).error(new CkvdError('CKVD_DISK_FULL', 'Full.', { details: { freeBytes: 0 } }))
    expect(lines(written)[0]).toMatchObject({ msg: 'Full.', err: { code: 'CKVD_DISK_FULL', details: { freeBytes: 0 } } })
  })

  test('pretty: one line for people, coloured only when asked', () => {
    createLogger({ level: 'INFO', destination, pretty: 'clock' }).warn({ day: '2024-01-01' }, 'late')
    expect(written).toMatch(/^\[\d\d:\d\d:\d\d\] WARNING: late \{"day":"2024-01-01"\}\n$/)
    createLogger({ level: 'INFO', destination, pretty: 'clock', color: true }).warn('late')
    expect(written).toContain('\u001b[')
  })
})

describe('the log file', () => {
  test('gets every line as JSON, whatever the terminal gets', () => {
    const file = join(folder, 'x.log')
    createLogger({ level: 'INFO', file, destination, pretty: 'clock' }).info('one')
    createLogger({ level: 'INFO', file, destination }).info('two')
    expect(lines(readFileSync(file, 'utf8')).map((line) => line['msg'])).toEqual(['one', 'two'])
  })

  /** The lines of a log file and of those put aside, the oldest first. */
  const readAll = (file: string): Record<string, unknown>[] => {
    const name = file.slice(folder.length + 1)
    const aside = readdirSync(folder)
      .filter((entry) => entry !== name)
      .sort()
    const texts = aside.map((entry) => {
      const bytes = readFileSync(join(folder, entry))
      return (entry.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    })
    return lines([...texts, readFileSync(file, 'utf8')].join(''))
  }

  test('is put aside and compressed when full; five old ones are kept; no line is lost or doubled among them', () => {
    const file = join(folder, 'x.log')
    const logger = createLogger({ level: 'INFO', file, destination, fileLimitBytes: 1000 })
    for (let i = 0; i < 200; i++) logger.info({ i }, 'line')
    const names = readdirSync(folder).map((name) => name.replace(/\d{8}T\d{12}Z-[0-9a-f]{6}/, 'TIME'))
    expect(names.sort()).toEqual(['x.log', ...Array<string>(5).fill('x.log.TIME.gz')])
    const numbers = readAll(file).map((line) => line['i'] as number)
    const first = numbers[0] ?? 0
    expect(first).toBeGreaterThan(0)
    expect(numbers).toEqual(Array.from({ length: 200 - first }, (_, index) => first + index))
  })

  test('other files beside it are left alone', () => {
    const file = join(folder, 'x.log')
    const others = ['x.log.1', 'x.log.gz', 'x.log.20240101T000000000Z', 'ax.log.20240101T000000000Z-1-1']
    for (const name of others) writeFileSync(join(folder, name), name)
    const logger = createLogger({ level: 'INFO', file, destination, fileLimitBytes: 100 })
    for (let i = 0; i < 30; i++) logger.info({ i }, 'line')
    for (const name of others) expect(readFileSync(join(folder, name), 'utf8')).toBe(name)
  })

  test('may be written by several programs at once: no line of any is lost', async () => {
    const file = join(folder, 'x.log')
    const LINES = 1500
    const code = `
      import { createLogFile } from ${JSON.stringify(new URL('../../dist/src/log-file.js', import.meta.url).href)}
      const fail = (message) => { throw new Error(message) }
      const file = createLogFile(process.argv[1], { limitBytes: 5_000, filesKept: 10_000, onFailure: fail })
      for (let i = 0; i < ${LINES}; i++) {
        file.write(JSON.stringify({ program: process.argv[2], i }) + '\\n')
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
      }`
    const programs = ['a', 'b', 'c'].map((name) =>
      spawn(process.execPath, ['--input-type=module', '-e', code, file, name], { stdio: 'inherit' }),
    )
    expect(await Promise.all(programs.map(async (program) => (await once(program, 'close'))[0] as number))).toEqual([0, 0, 0])
    const all = readAll(file)
    for (const name of ['a', 'b', 'c']) {
      const own = all.filter(({ program }) => program === name).map(({ i }) => i as number)
      expect([...new Set(own)].sort((x, y) => x - y)).toEqual(Array.from({ length: LINES }, (_, i) => i))
    }
    expect(readdirSync(folder).length).toBeGreaterThan(20)
  })

  test('that cannot be opened is refused at once', () => {
    expect(() => createLogger({ level: 'INFO', file: join(folder, 'absent', 'x.log'), destination })).toThrow(
      expect.objectContaining({ code: 'CKVD_CONFIG' }) as Error,
    )
  })

  test('that fails later is given up with one word, and the work goes on', () => {
    const file = join(folder, 'sub.log')
    const logger = createLogger({ level: 'INFO', file, destination, fileLimitBytes: 1 })
    logger.info('one')
    rmSync(folder, { recursive: true })
    logger.info('two')
    logger.info('three')
    expect(written.match(/can no longer be written/g)).toHaveLength(1)
    expect(written).toContain('"three"')
    folder = mkdtempSync(join(tmpdir(), 'ckvd-log-'))
  })
})
