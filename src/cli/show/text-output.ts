import { cleanText } from '../../terminal-text.ts'
import type { Output, TextOutput } from './output.ts'
import { wrapText } from './wrap-text.ts'

/** The one place where the text of commands is cleaned; see `cleanText`. */
export function createTextOutput(raw: Output): TextOutput {
  return {
    raw,
    // where a terminal would break a line within a word, it goes on in the next one
    write: (text) => raw.write(raw.isTTY === true && raw.columns !== undefined ? wrapText(cleanText(text), raw.columns) : cleanText(text)),
    get isTTY() {
      return raw.isTTY === true
    },
    get columns() {
      return raw.columns
    },
  }
}
