/** What stands behind a code of Node, of its HTTP client or of the operating system. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'this user may not do that there',
  EPERM: 'this user may not do that there',
  EROFS: 'the file system is read-only',
  EISDIR: 'a directory is there',
  ENOTDIR: 'a part of the path is a file, no directory',
  EEXIST: 'something is there already',
  ENOTEMPTY: 'a directory that is not empty is there',
  EBUSY: 'another program uses it',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the device reports an error',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
  ELOOP: 'symbolic links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name could not be looked up for now',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was broken off',
  ECONNABORTED: 'the connection was broken off',
  UND_ERR_SOCKET: 'the connection was broken off',
  UND_ERR_ABORTED: 'the connection was broken off',
  EHOSTUNREACH: 'no way leads to it',
  ENETUNREACH: 'no way leads to it',
  ETIMEDOUT: 'no connection came about in time',
  UND_ERR_CONNECT_TIMEOUT: 'no connection came about in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer began in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped coming',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer has not the length that it said',
  HPE_INVALID_EOF_STATE: 'the answer was cut off',
}

/** The code of an error of Node or of the operating system, such as `ENOENT`; undefined where it has none. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** An error of the operating system in words: `there is no such file or directory (ENOENT)`. */
export function describeSystemError(error: unknown): string {
  const code = systemCode(error)
  if (code === undefined) return error instanceof Error ? error.message : String(error)
  return describeSystemCode(code)
}

/** A code of Node, of its HTTP client or of the operating system in words: `nothing listens there (ECONNREFUSED)`; as it is where none are known. */
export function describeSystemCode(code: string): string {
  return Object.hasOwn(SYSTEM_ERRORS, code) ? `${SYSTEM_ERRORS[code]} (${code})` : code
}
