import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The style and the script of a page: one text each, which the build makes of `src/pages`. */
export interface PageFiles {
  readonly style: string
  readonly script: string
}

export function readPageFiles(page: 'availability' | 'coverage' | 'chart'): PageFiles {
  // `#pages` stands in package.json: the sources run with the same files as the built program
  const read = (file: string): string => readFileSync(require.resolve(`#pages/${file}`), 'utf8')
  return { style: read(`${page}.css`), script: read(`${page}.js`) }
}
