/** What this process has been told: a client is often made for each call, and one telling is enough. */
const told = new Set<string>()

/**
 * Tells what is odd about the surroundings of the library and no error: as a warning of Node's, on standard error unless the program that
 * uses the library takes warnings itself or switches them off, and not through the log, whose level is `ERROR` unless somebody says otherwise.
 */
export function warnOnce(message: string): void {
  if (told.has(message)) return
  told.add(message)
  process.emitWarning(message, { type: 'CkvdWarning' })
}
