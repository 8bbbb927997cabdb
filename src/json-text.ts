/** The value of JSON text; undefined, which no JSON is, for what is none: it fits no form, so the caller says what it expected. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
