/** The address of a page keeps what its controls say, so that it can be kept, sent and come back to. In its fragment: a file has no query that a browser lets a script change. */
import { byId } from './dom.ts'

type Control = HTMLInputElement | HTMLSelectElement

/** Controls of a page by their id, in the order of its HTML. */
function listControls(): Control[] {
  return [...byId('controls', HTMLFormElement).elements].filter(
    (node) => node instanceof HTMLInputElement || node instanceof HTMLSelectElement,
  )
}

function isCheckbox(control: Control): control is HTMLInputElement {
  return control instanceof HTMLInputElement && control.type === 'checkbox'
}

/** What is chosen; what is as it was at first is left out. */
function readControls(): URLSearchParams {
  const chosen = new URLSearchParams()
  for (const control of listControls()) {
    const value = isCheckbox(control) ? (control.checked ? '1' : '') : control.value.trim()
    if (value !== '') chosen.set(control.id, value)
  }
  return chosen
}

/** Sets the controls as the address says; a choice that the page does not have is as if nothing were said. */
function applyAddress(): void {
  const chosen = new URLSearchParams(location.hash.slice(1))
  for (const control of listControls()) {
    const value = chosen.get(control.id) ?? ''
    if (isCheckbox(control)) control.checked = value === '1'
    else control.value = value
    if (control instanceof HTMLSelectElement && control.selectedIndex < 0) control.value = ''
  }
}

/** Writes the controls into the address; the step back leads to the page before, not to each choice. */
export function writeAddress(): void {
  const text = readControls().toString()
  if (text !== location.hash.slice(1)) history.replaceState(null, '', text === '' ? location.pathname + location.search : `#${text}`)
}

/** Takes what the address says, now and when a person changes it; `draw` is called for the latter alone. */
export function listenAddress(draw: () => void): void {
  applyAddress()
  addEventListener('hashchange', () => {
    applyAddress()
    draw()
  })
}
