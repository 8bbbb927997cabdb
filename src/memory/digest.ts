import { hash } from 'node:crypto'

/** SHA-256 as 64 hex digits in lower case. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes)
}
