/**
 * Text whose lines fit a width: a longer one goes on in the next line after a blank, indented as it began. A word that is longer than the
 * width stays whole: where a terminal breaks it, it can still be copied.
 */
export function wrapText(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => (line.length <= width ? line : wrapLine(line, width)))
    .join('\n')
}

function wrapLine(line: string, width: number): string {
  const [indent = ''] = /^ */.exec(line) ?? []
  const lines: string[] = []
  let current = indent
  for (const word of line.slice(indent.length).split(' ')) {
    const next = current.trim() === '' ? `${current}${word}` : `${current} ${word}`
    if (next.length > width && current.trim() !== '') {
      lines.push(current)
      current = `${indent}${word}`
    } else current = next
  }
  return [...lines, current].join('\n')
}
