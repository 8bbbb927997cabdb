/**
 * Draws which rooms import which (docs/design.md, "Floors"), as a graph for Graphviz, from the list that dependency-cruiser makes:
 *
 *   npx -p dependency-cruiser@17 -p typescript@5.9 depcruise src config workers --no-config --ts-pre-compilation-deps --output-type json \
 *     | node scripts/import-graph.mjs | dot -Tsvg > docs/images/imports.svg
 *
 * (It reads TypeScript by a compiler of its own, without which it finds no file; its version 18 wants Node 22.)
 *
 * A room is as high as its floor in scripts/check-imports.mjs (or the file named as first argument), an arrow as thick as it has imports; one
 * that points up is red. Single files beside the rooms (errors, logs, …), on which all rest, are counted and not drawn. On stderr: the counts.
 */
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

const checker = readFileSync(process.argv[2] ?? new URL('check-imports.mjs', import.meta.url), 'utf8')
const floors = JSON.parse(
  /const FLOORS = (\[[\s\S]*?\n\])/
    .exec(checker)[1]
    .replaceAll("'", '"')
    .replace(/,(\s*\])/g, '$1'),
)
const isOwn = (path) => /^(src|config|workers)\//.test(path)
/** `src/model/gaps.ts` → `model`; what stands in no room of src is its own. */
const roomOf = (path) => (path.startsWith('src/') ? path.split('/')[1].replace(/\..*$/, '') : path.split('/')[0])
const floorOf = (room) => floors.findIndex((rooms) => rooms.includes(room))

const modules = JSON.parse(await text(process.stdin)).modules.filter(({ source }) => isOwn(source))
const files = new Map()
const arrows = new Map()
let imports = 0
let circles = 0
for (const { source, dependencies } of modules) {
  const from = roomOf(source)
  files.set(from, (files.get(from) ?? 0) + 1)
  for (const { resolved, circular } of dependencies) {
    if (!isOwn(resolved)) continue
    imports++
    if (circular) circles++
    const to = roomOf(resolved)
    if (to !== from) arrows.set(`${from} ${to}`, (arrows.get(`${from} ${to}`) ?? 0) + 1)
  }
}
const isUp = ([pair]) => {
  const [from, to] = pair.split(' ').map(floorOf)
  return from >= 0 && to >= from
}
const isDrawn = (name) => name === 'index' || (files.get(name) ?? 0) > 1
const lines = [...arrows].flatMap(([pair, count]) => {
  const [from, to] = pair.split(' ')
  if (!isDrawn(from) || !isDrawn(to)) return []
  return `  "${from}" -> "${to}" [penwidth=${(0.5 + Math.log2(count) / 2).toFixed(1)}${isUp([pair]) ? ' color="#c0262d"' : ''}]`
})
const rooms = [...files].filter(([room]) => isDrawn(room)).map(([room, count]) => `  "${room}" [label="${room}\\n${count}"]`)
const ranks = floors.map((names) => names.filter(isDrawn)).filter(({ length }) => length > 0)
// each floor below the one above it, also where nothing leads from one to the other
const chain = ranks.toReversed().map(([name]) => `"${name}"`)
console.log(`digraph rooms {
  graph [rankdir=TB newrank=true nodesep=0.2 ranksep=0.45]
  node [shape=box style="rounded,filled" fillcolor="#f4f6f8" color="#8a96a3" fontname="Helvetica" fontsize=12 height=0.3 margin="0.1,0.04"]
  edge [color="#5b6b7ab0" arrowsize=0.6]
${rooms.join('\n')}
${ranks.map((names) => `  { rank=same; ${names.map((name) => `"${name}"`).join('; ')} }`).join('\n')}
  ${chain.join(' -> ')} [style=invis]
${lines.join('\n')}
}`)
const up = [...arrows].filter(isUp).length
console.error(
  `${modules.length} files, ${imports} imports, ${arrows.size} arrows between ${files.size} rooms, ${up} up, ${circles} in circles`,
)
