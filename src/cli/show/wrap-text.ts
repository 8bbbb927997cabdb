import { stripVTControlCharacters } from 'node:util'

/** A blank at which a line may go on in the next one: not the one between a number and its unit, or between the parts of a duration. */
const BREAK = / (?<!\d (?=(?:[kMGT]?B|ms|s|min|h)(?:$|[^\p{L}\p{N}])))(?<!\d (?:min|h) (?=\d\d (?:s|min)))/u

/**
 * Text whose lines fit a width: a longer one goes on in the next line after a blank, indented as it began, or where the text begins behind a
 * word and some blanks, as in a list of terms. A word that is longer than the width stays whole: where a terminal breaks it, it can still be
 * copied.
 */
export function wrapText(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => (lengthOf(line) <= width ? line : wrapLine(line, width)))
    .join('\n')
}

/** Columns that a line takes: colours take none. */
function lengthOf(line: string): number {
  return line.includes('\u001b') ? stripVTControlCharacters(line).length : line.length
}

function wrapLine(line: string, width: number): string {
  const [indent = ''] = /^ */.exec(line) ?? []
  const [term = indent] = /^ *\S+ {2,}(?=\S)/.exec(line) ?? []
  const begin = term.length <= width / 2 ? term : indent
  const further = ' '.repeat(begin.length)
  const lines: string[] = []
  let current = begin
  let isEmpty = true
  for (const word of line.slice(begin.length).split(BREAK)) {
    const next = isEmpty ? `${current}${word}` : `${current} ${word}`
    if (lengthOf(next) > width && !isEmpty) {
      lines.push(current)
      current = `${further}${word}`
    } else current = next
    isEmpty &&= word === ''
  }
  return [...lines, current].join('\n')
}
