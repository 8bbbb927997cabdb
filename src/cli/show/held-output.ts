import type { Output, TextOutput } from './output.ts'

/** Keeps the text of a report until it is known whether somebody must read it. Data (`raw`) goes where it was to go. */
export class HeldOutput implements TextOutput {
  readonly raw: Output
  /** what is held is shown in a log or a mail, if at all */
  readonly isTTY = false
  readonly columns = undefined
  #text = ''

  constructor({ raw }: TextOutput) {
    this.raw = raw
  }

  write(text: string): void {
    this.#text += text
  }

  /** Shows what was held. */
  release(output: TextOutput): void {
    output.write(this.#text)
    this.#text = ''
  }
}
