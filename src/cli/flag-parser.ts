import { expectedMessage } from '../../config/settings.ts'
import { CkvdError } from '../errors.ts'

/**
 * A flag's value, read or refused in the form of all settings: *Expected `--start` to be a day …, got "x" (flag)*. The details let
 * `applyFileDefaults` (options.ts) say the same of a value of the config file.
 */
export function parseFlag<T>(flag: string, expected: string, parse: (text: string) => T | undefined): (text: string) => T {
  return (text) => {
    const value = parse(text)
    if (value !== undefined) return value
    throw new CkvdError('CKVD_USAGE', expectedMessage(flag, expected, text, 'flag'), { details: { flag, expected, found: text } })
  }
}
