import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonLine } from '../../src/cli/show/json-line.ts'
import { writeData } from '../../src/cli/show/output.ts'
import { createTextOutput } from '../../src/cli/show/text-output.ts'
import { createLogger } from '../../src/log.ts'
import { cleanLine, cleanText } from '../../src/terminal-text.ts'

const ESC = '\u001b'
/** A title, a cleared screen, a link, a cursor that goes up, C1's short form of it, a reversed name. */
const HOSTILE = `${ESC}]0;owned\u0007${ESC}[2J${ESC}]8;;http://x\u0007y\r\u009b1A \u202egnp.exe\u2066 \u0000\u007f\u2028`
/** What no text may bring to a terminal. By code point, so that it shares nothing with the pattern under test. */
const isControl = (sign: string): boolean => {
  const code = sign.codePointAt(0) ?? 0
  return (
    (code < 32 && sign !== '\n' && sign !== '\t') ||
    (code >= 0x7f && code <= 0x9f) ||
    [0x61c, 0x200e, 0x200f, 0x2028, 0x2029].includes(code) ||
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069)
  )
}

describe('text from elsewhere', () => {
  test('is shown with its control characters spelled out', () => {
    expect(cleanText(`a${ESC}[2Jb\u009bc\u202ed\r\n\te`)).toBe('a\\u001b[2Jb\\u009bc\\u202ed\\u000d\n\te')
    expect(cleanLine('one\ntwo\tthree')).toBe('one\\u000atwo\\u0009three')
    expect(cleanText('币安人生 Ünïcode ✓ –')).toBe('币安人生 Ünïcode ✓ –')
  })

  test('whatever it is, no control character is left, and JSON stays the same value', () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom(...HOSTILE, '\n', '\t'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
    })
    fc.assert(
      fc.property(text, (any) => {
        expect([...cleanText(any)].filter(isControl)).toEqual([])
        expect([...cleanLine(any)].filter((sign) => isControl(sign) || sign === '\n')).toEqual([])
        const line = jsonLine({ any })
        expect([...line.slice(0, -1)].filter((sign) => isControl(sign) || sign === '\n')).toEqual([])
        expect(JSON.parse(line)).toEqual({ any })
      }),
    )
  })
})

describe('an output of a command', () => {
  const written = (isTTY: boolean) => {
    let text = ''
    return { output: createTextOutput({ isTTY, write: (part) => (text += part) }), text: () => text }
  }

  test('gets text without control characters, on a terminal and in a pipe', () => {
    for (const isTTY of [true, false]) {
      const { output, text } = written(isTTY)
      output.write(HOSTILE)
      expect([...text()].filter(isControl)).toEqual([])
    }
  })

  test('gets data for other programs as it is, unless a person reads it', () => {
    const [pipe, terminal] = [written(false), written(true)]
    writeData(pipe.output, HOSTILE)
    writeData(terminal.output, HOSTILE)
    expect(pipe.text()).toBe(HOSTILE)
    expect([...terminal.text()].filter(isControl)).toEqual([])
  })
})

describe('a log line', () => {
  test.each([true, false])('has no control character (pretty: %s)', (pretty) => {
    let text = ''
    const logger = createLogger({
      level: 'INFO',
      pretty: pretty ? 'clock' : undefined,
      destination: { write: (part: string) => (text += part) },
    })
    logger.warn({ body: HOSTILE, inner: { list: [HOSTILE] } }, `answered ${HOSTILE}\nforged line`)
    logger.error(Object.assign(new Error(HOSTILE), { details: { body: HOSTILE } }))
    expect([...text].filter(isControl)).toEqual([])
    expect(text).toContain('\\u001b]0;owned')
    // a line that was forged within a message is no line of the log
    expect(text.split('\n').filter((line) => line.startsWith('forged'))).toEqual([])
    if (!pretty) expect((JSON.parse(text.split('\n')[0] ?? '') as { body: string }).body).toBe(HOSTILE)
  })
})
