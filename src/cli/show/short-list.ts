import { cleanLine } from '../../terminal-text.ts'
import { formatCount } from './output.ts'

/** Members of a list that are shown one by one. */
const SHOWN = 20

/** A title and the first members of a list, a line each; `--json` has them all. Nothing for an empty list. */
export function shortList(title: string, members: readonly string[], left = 'more; --json lists them all'): string {
  if (members.length === 0) return ''
  const lines = members.slice(0, SHOWN).map((member) => `  ${cleanLine(member)}`)
  if (members.length > SHOWN) lines.push(`  … and ${formatCount(members.length - SHOWN)} ${left}`)
  return `${title}:\n${lines.join('\n')}\n`
}
