import { statSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { CkvdError } from '../../errors.ts'

/** Forms in which a command hands rows over. */
export type OutFormat = 'table' | 'csv' | 'json' | 'arrow' | 'parquet'

export const OUT_FORMATS: readonly OutFormat[] = ['table', 'csv', 'json', 'arrow', 'parquet']

const ENDINGS: Readonly<Record<string, OutFormat>> = {
  '.csv': 'csv',
  '.json': 'json',
  '.arrow': 'arrow',
  '.parquet': 'parquet',
  '.txt': 'table',
}

/** What the help of `--format` says of its default. */
export const FORMAT_DEFAULT = "form of the rows (default: as --out's name says; else a table on a terminal, CSV in a pipe)"

/**
 * The form of the rows: as asked, as the file's name says, a table on a terminal, CSV in a pipe.
 * Throws CKVD_USAGE for a file whose name says nothing, and for bytes where text is expected.
 */
export function chooseFormat(
  { format, out }: { readonly format?: OutFormat | undefined; readonly out?: string | undefined },
  isTerminal: boolean,
): OutFormat {
  const chosen = format ?? (out === undefined ? (isTerminal ? 'table' : 'csv') : formatOfName(out))
  if (out === undefined && (chosen === 'arrow' || chosen === 'parquet'))
    throw new CkvdError('CKVD_USAGE', `Expected \`--out FILE\` with \`--format ${chosen}\`: such a file is no text.`)
  return chosen
}

function formatOfName(out: string): OutFormat {
  const ending = extname(out).toLowerCase()
  if (Object.hasOwn(ENDINGS, ending)) return ENDINGS[ending] ?? 'csv'
  if (isPipe(out)) return 'csv'
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected \`--out\` to end in ${Object.keys(ENDINGS).slice(0, -1).join(', ')} or .txt, or \`--format\`, got ${basename(out)}.`,
    { details: { out } },
  )
}

/** True of a pipe or a device, such as `/dev/stdout`, whose name says nothing. */
function isPipe(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  return found !== undefined && !found.isFile() && !found.isDirectory()
}
