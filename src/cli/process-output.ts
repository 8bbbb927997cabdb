import { fstatSync, writeSync } from 'node:fs'
import type { Output } from './show/output.ts'

/** Takes away a line that was being written over. */
const CLEAR_LINE = '\r\x1b[K'

/**
 * Standard output or standard error of this process. Writing never throws: the first failure (a full disk, a pipe that nobody reads, a
 * terminal that is gone) is kept, and what comes after it is dropped, so that the work goes on.
 */
export class ProcessOutput implements Output {
  readonly #stream: NodeJS.WriteStream
  readonly #descriptor: number
  readonly #isFile: boolean
  #failure: Error | undefined
  #isLineOpen = false

  /** `descriptor` is the stream's: 1 or 2 */
  constructor(stream: NodeJS.WriteStream, descriptor: number) {
    this.#stream = stream
    this.#descriptor = descriptor
    this.#isFile = !stream.isTTY && isFile(descriptor)
    stream.on('error', (error: Error) => this.#fail(error))
  }

  get isTTY(): boolean {
    return this.#stream.isTTY
  }

  /** undefined of a pipe, and of a terminal that says 0 because it does not know */
  get columns(): number | undefined {
    return this.#stream.columns === 0 ? undefined : this.#stream.columns
  }

  /** Why what was written last did not arrive; undefined while all did. */
  get failure(): Error | undefined {
    return this.#failure
  }

  write(text: string): void {
    if (this.#failure !== undefined) return
    if (this.isTTY) this.#isLineOpen = text.startsWith('\r') && text !== CLEAR_LINE
    try {
      // Node's own stream for files takes a write that was cut short by a full disk for a whole one
      if (this.#isFile) writeWhole(this.#descriptor, text)
      else this.#stream.write(text)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** Waits until all that was written has arrived, or has failed. */
  async flush(): Promise<void> {
    if (this.#failure !== undefined || this.#isFile) return
    await new Promise((resolve) => this.#stream.write('', resolve))
  }

  /** Leaves a terminal as it was found, where a bar was being drawn. To be called when the process ends, however it does. */
  restoreTerminal(): void {
    if (!this.#isLineOpen || this.#failure !== undefined) return
    this.#isLineOpen = false
    try {
      writeSync(this.#descriptor, CLEAR_LINE)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
  }
}

/** True of a file and of a device such as `/dev/full`, which are written to at once; false of pipes and sockets. */
function isFile(descriptor: number): boolean {
  const found = fstatSync(descriptor)
  return found.isFile() || found.isCharacterDevice()
}

function writeWhole(descriptor: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let offset = 0; offset < bytes.length;) offset += writeSync(descriptor, bytes, offset)
}
