/**
 * Writes docs/errors.md from the catalogue in src/errors.ts (as built in dist: run `npm run build` first).
 * Run it after each change of the catalogue; test/unit/docs/errors.test.ts fails until page and catalogue agree.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as prettier from 'prettier'

const page = fileURLToPath(new URL('../docs/errors.md', import.meta.url))

const INTRODUCTION = `# Error codes

Every error that this package throws on purpose is a \`CkvdError\` with a stable \`code\`, plain \`details\`, an optional \`cause\` and \`retryable\`. Match on the code, never on the message.

\`\`\`ts
import { CkvdError } from 'crypto-kline-vision-data'

try {
  // …
} catch (error) {
  if (error instanceof CkvdError && error.code === 'CKVD_LAKE_LOCKED') console.error('try again later', error.details)
  else throw error
}
\`\`\`

- **exit**: the exit code of a command that this error stops. An error of one day does not stop a run: the day is listed as a problem, and the run ends with 3.
- **what to do**: where the message does not say it better. Longer answers: [troubleshooting](troubleshooting.md).
- **retryable**: whether the same call may succeed when it is tried again at once. The package has already tried such calls again, with back-off, before it throws.

This page is generated from the catalogue in \`src/errors.ts\` and \`src/cli/show/remedies.ts\` by \`node scripts/errors-doc.mjs\`, all three in the source repository.
`

/** A text as the cell of a Markdown table. */
const encodeCell = (text) => text.replace(/[\\|<*_`]/g, '\\$&')

/** The page for a catalogue, `{ CODE: { exit, retryable, meaning } }`, and what is done about each code. */
function formatErrors(catalogue, remedies) {
  const rows = Object.entries(catalogue).map(
    ([code, { exit, retryable, meaning }]) =>
      `| \`${code}\` | ${exit} | ${retryable ? 'yes' : 'no'} | ${encodeCell(meaning)} | ${remedies[code].replace(/[\\|<*]/g, '\\$&')} |`,
  )
  return [INTRODUCTION, '| code | exit | retryable | meaning | what to do |', '| --- | --- | --- | --- | --- |', ...rows, ''].join('\n')
}

try {
  const { ERROR_CATALOGUE } = await import('../dist/src/errors.js')
  const { REMEDIES } = await import('../dist/src/cli/show/remedies.js')
  const settings = await prettier.resolveConfig(page)
  writeFileSync(page, await prettier.format(formatErrors(ERROR_CATALOGUE, REMEDIES), { ...settings, filepath: page }))
  console.log(`wrote docs/errors.md: ${Object.keys(ERROR_CATALOGUE).length} codes`)
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  console.error('Expected the built catalogue at dist/src/errors.js, found none. Run `npm run build` first.')
  process.exitCode = 1
}
