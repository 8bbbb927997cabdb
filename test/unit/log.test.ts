import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CkvdError } from '../../src/errors.ts'
import { createLogger } from '../../src/log.ts'
import type { LogLevel } from '../../src/log.ts'

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
    createLogger({ level: 'INFO', destination, pretty: true }).warn({ day: '2024-01-01' }, 'late')
    expect(written).toMatch(/^\[\d\d:\d\d:\d\d\] WARNING: late \{"day":"2024-01-01"\}\n$/)
    createLogger({ level: 'INFO', destination, pretty: true, color: true }).warn('late')
    expect(written).toContain('\u001b[')
  })
})

describe('the log file', () => {
  test('gets every line as JSON, whatever the terminal gets', () => {
    const file = join(folder, 'x.log')
    createLogger({ level: 'INFO', file, destination, pretty: true }).info('one')
    createLogger({ level: 'INFO', file, destination }).info('two')
    expect(lines(readFileSync(file, 'utf8')).map((line) => line['msg'])).toEqual(['one', 'two'])
  })

  test('is compressed when full; five old ones are kept; no line is lost or doubled among them', () => {
    const file = join(folder, 'x.log')
    const logger = createLogger({ level: 'INFO', file, destination, fileLimitBytes: 1000 })
    for (let i = 0; i < 200; i++) logger.info({ i }, 'line')
    expect(readdirSync(folder).sort()).toEqual(['x.log', 'x.log.1.gz', 'x.log.2.gz', 'x.log.3.gz', 'x.log.4.gz', 'x.log.5.gz'])
    const texts = [5, 4, 3, 2, 1].map((age) => gunzipSync(readFileSync(`${file}.${age}.gz`)).toString())
    texts.push(readFileSync(file, 'utf8'))
    expect(texts.every((text) => text.length <= 1000)).toBe(true)
    const numbers = lines(texts.join('')).map((line) => line['i'] as number)
    const first = numbers[0] ?? 0
    expect(numbers).toEqual(Array.from({ length: 200 - first }, (_, index) => first + index))
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
