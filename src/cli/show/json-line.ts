import { cleanText } from '../../terminal-text.ts'

/** One JSON value on a line. A bigint becomes a number where that is exact, else text. */
export function jsonLine(value: unknown): string {
  // spelled out within its strings, a control character is the same to a parser, and nothing to a terminal
  return `${cleanText(JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? plainBigint(member) : member)))}\n`
}

function plainBigint(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}
