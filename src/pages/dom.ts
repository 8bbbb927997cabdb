/** What both pages draw with. Texts go into the page as text nodes only, never as HTML. */

type Attributes = Readonly<Record<string, string | number | null>>

/** An HTML element; attributes that are null are left out. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), attributes, children)
}

/** An element of a drawing. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)
}

/** A button, which is of no form. */
export function button(attributes: Attributes, onClick: () => void, ...children: readonly (Node | string)[]): HTMLButtonElement {
  const node = el('button', { type: 'button', ...attributes }, ...children)
  node.addEventListener('click', onClick)
  return node
}

function fill<Made extends Element>(node: Made, attributes: Attributes, children: readonly (Node | string)[]): Made {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, String(value))
  node.append(...children)
  return node
}

/** The element of the page's own HTML with an id. */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string, kind?: new () => Kind): Kind {
  const node = document.getElementById(id)
  if (!(node instanceof (kind ?? HTMLElement))) throw new Error(`Expected the page to have ${id} as ${kind?.name ?? 'an element'}.`)
  return node as Kind
}

/** What the page was made with; its maker writes the same type. */
export function readData<Data>(): Data {
  return JSON.parse(byId('data').textContent) as Data
}

/** What is chosen in a `select`. */
export function chosen(id: string): string {
  return byId(id, HTMLSelectElement).value
}

/** The text of the search field as symbols are written. */
export function searched(): string {
  return byId('search', HTMLInputElement).value.trim().toUpperCase()
}

/** Fills a `select` with an entry for all, and the values. */
export function fillSelect(id: string, values: readonly string[]): void {
  byId(id).append(el('option', { value: '' }, 'all'), ...values.map((value) => el('option', { value }, value)))
}

/** Draws the list anew whenever its controls change, and the search is reached by `/`. */
export function listenControls(draw: () => void, onReset?: () => void): void {
  const controls = byId('controls')
  let timer: number | undefined
  controls.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(draw, 60)
  })
  controls.addEventListener('submit', (event) => event.preventDefault())
  controls.addEventListener('reset', () => {
    onReset?.()
    setTimeout(draw)
  })
  document.addEventListener('keydown', (event) => {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? '')
    if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    byId('search').focus()
  })
}
