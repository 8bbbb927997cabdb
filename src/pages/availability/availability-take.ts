/** Takes the shown symbols along: copied, or as a file, both as a universe that `ckvd ingest --universe` reads. */
import type { Row } from './availability-rows.ts'
import { formatUniverseText } from '../../model/universe-text.ts'
import { byId, el } from '../dom.ts'
import { plural } from '../words.ts'

const copyButton = byId('copy', HTMLButtonElement)
const downloadButton = byId('download', HTMLButtonElement)
let rows: readonly Row[] = []

/** What is shown now, which both buttons give along. */
export function setTaken(shown: readonly Row[]): void {
  rows = shown
  copyButton.disabled = downloadButton.disabled = shown.length === 0
  byId('taken').textContent = ''
}

function universe(): string {
  return formatUniverseText(rows.map((row) => ({ ...row, intervals: row.intervals.split(' ') })))
}

function tell(verb: string): void {
  byId('taken').textContent = `${plural(rows.length, 'symbol')} ${verb}, as a universe file.`
}

/** Where a browser does not let a page write to the clipboard, a person may still copy what is selected. */
function copySelected(text: string): boolean {
  const area = el('textarea', { class: 'aside' })
  area.value = text
  document.body.append(area)
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  return isCopied
}

async function copy(): Promise<void> {
  const text = universe()
  try {
    await navigator.clipboard.writeText(text)
    tell('copied')
  } catch {
    if (copySelected(text)) tell('copied')
    else byId('taken').textContent = 'This browser does not let a page copy: download the file instead.'
  }
}

function download(): void {
  const address = URL.createObjectURL(new Blob([universe()], { type: 'text/csv' }))
  el('a', { href: address, download: 'universe.csv' }).click()
  URL.revokeObjectURL(address)
  tell('downloaded')
}

copyButton.addEventListener('click', () => void copy())
downloadButton.addEventListener('click', download)
