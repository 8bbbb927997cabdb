import { CkvdError } from '../../errors.ts'

/** The error of an option of a request that is not what it must be. */
export function wrongOption(option: string, expected: string, found: unknown): CkvdError {
  const text = typeof found === 'string' ? found : (JSON.stringify(found) ?? String(found))
  return new CkvdError('CKVD_USAGE', `Expected \`${option}\` to be ${expected}, got ${text} (option).`, { details: { option } })
}
