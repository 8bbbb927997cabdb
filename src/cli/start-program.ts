import { writeSync } from 'node:fs'
import { loadingError } from '../../config/open-files.ts'

/**
 * Loads a program and runs it. Node opens many files at once to load it: where it may not, that is told in one sentence (exit 4), before
 * anything is done. What imports this file imports nothing else, and this file little, or it would fail before it could be told.
 */
export async function startProgram(load: () => Promise<() => Promise<never>>): Promise<never> {
  return await (
    await load().catch(endCrowded)
  )()
}

function endCrowded(thrown: unknown): never {
  const error = loadingError(thrown)
  if (error.code !== 'CKVD_OPEN_FILES') throw thrown
  writeSync(2, `error ${error.code}: ${error.message}\n`)
  if (process.argv.includes('--json')) writeSync(1, `${JSON.stringify({ command: process.argv[2] ?? '', exit: error.exit, error })}\n`)
  process.exit(error.exit)
}
