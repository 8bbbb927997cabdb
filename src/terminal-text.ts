/**
 * Signs that change what a terminal does or shows instead of being shown: C0 (but for tab and line end), DEL, C1, the marks, embeddings,
 * overrides and isolates of bidirectional text, and Unicode's own line ends.
 */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const LINE_CONTROLS = /[\t\n]/g

/**
 * Text from anywhere, harmless for a terminal: each control character is spelled as JSON spells it, `\u001b`. Tabs and line ends stay.
 * JSON text stays the same value, since such a sign can only stand within one of its strings.
 */
export function cleanText(text: string): string {
  return text.replace(CONTROLS, spell)
}

/** As `cleanText`, for text that must stay on its line. */
export function cleanLine(text: string): string {
  return cleanText(text).replace(LINE_CONTROLS, spell)
}

function spell(sign: string): string {
  return `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`
}
