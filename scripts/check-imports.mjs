/**
 * Checks that imports point one way (docs/design.md, "Floors"): a folder may import the floors below its own,
 * never one above or beside it. Also refuses import cycles between files, and folders or files that are
 * named after nothing (`utils`, `helpers`, …), because such rooms collect what has no home.
 *
 * `node scripts/check-imports.mjs [ROOT]` checks src, config and workers below ROOT (default: this project).
 * Exit 0: all is well. 1: offences, one a line, `file:line imports X: not allowed, because …`. 2: wrong usage.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The house from the ground up. Rooms on one floor do not know each other. */
const FLOORS = [
  ['system-errors'],
  ['errors'],
  ['terminal-text'],
  ['log-file'],
  ['log'],
  ['waiting', 'memory', 'worker-pool', 'json-text'],
  ['model'],
  ['dataset'],
  ['config'],
  ['disk', 'codec', 'question', 'pages'],
  ['sources', 'lake'],
  ['acquire'],
  ['ingest', 'read', 'report', 'export', 'sandbox'],
  ['resample'],
  ['library'],
  ['cli', 'index'],
]

/** Rooms that may import less than their floor allows, each with its reason. */
const NARROWER = {
  config: { may: ['model', 'errors', 'system-errors'], because: 'settings and market facts rest on plain values alone' },
  sandbox: { may: ['model', 'errors', 'config', 'dataset'], because: 'a stand-in for the exchange must not share code with what it tests' },
  pages: { may: ['model'], because: 'a browser runs it, which has neither Node nor our files' },
  workers: {
    may: ['codec', 'memory', 'model', 'errors'],
    because: 'a worker may be killed at any instant, so it holds nothing but pure decoding',
  },
}

const NAMELESS = /^(utils?|helpers?|common|shared|misc|managers?)$/
const PARTS = ['src', 'config', 'workers']
const SOURCE_FILE = /\.[cm]?tsx?$/

const floorOf = (room) => FLOORS.findIndex((rooms) => rooms.includes(room))

/** The room of a path relative to the root (`src/model/gaps.ts` → `model`); undefined outside of the house. */
function roomOf(path) {
  const [part, next] = path.split('/')
  if (part === 'config' || part === 'workers') return part
  return part === 'src' && next !== undefined ? next.replace(/\..*$/, '') : undefined
}

/** Why room `from` may not import room `to`; undefined if it may. */
function findReason(from, to) {
  if (from === to) return undefined
  if (to === undefined) return `it lies outside of ${PARTS.join(', ')}`
  if (to === 'workers') return 'workers are started by path, in threads of their own: what others need of them belongs to src/codec'
  if (floorOf(to) < 0) return `src/${to} has no place in the architecture (FLOORS in scripts/check-imports.mjs)`
  if (to === 'cli' || to === 'index') return `nothing imports ${to}: it is an entry, above all others`
  const narrower = NARROWER[from]
  if (narrower !== undefined) {
    return narrower.may.includes(to) ? undefined : `${from} may import only ${narrower.may.join(', ')}: ${narrower.because}`
  }
  if (floorOf(from) < 0) return undefined // the file itself is reported already
  if (floorOf(to) === floorOf(from)) return `${from} and ${to} stand side by side and do not know each other`
  return floorOf(to) < floorOf(from) ? undefined : `${to} stands above ${from}: imports point downwards`
}

/** Paths of all source files below the root, relative, with `/`, sorted. */
function findSourceFiles(root) {
  return PARTS.filter((part) => existsSync(join(root, part)))
    .flatMap((part) => readdirSync(join(root, part), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && SOURCE_FILE.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

/** What a syntax node imports: its specifier node, null where that is computed, undefined if it imports nothing. */
function specifierOf(node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) return node.moduleReference.expression
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : null
  if (!ts.isCallExpression(node)) return undefined
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === 'require'
  if (node.expression.kind !== ts.SyntaxKind.ImportKeyword && !isRequire) return undefined
  const argument = node.arguments[0]
  return argument !== undefined && ts.isStringLiteralLike(argument) ? argument : null
}

/** All imports of a file: `{ line, specifier }`, the specifier undefined where it is computed. */
function parseImports(root, path) {
  const source = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, false)
  const imports = []
  const visit = (node) => {
    const specifier = specifierOf(node)
    if (specifier !== undefined) {
      const start = (specifier ?? node).getStart(source)
      imports.push({ line: source.getLineAndCharacterOfPosition(start).line + 1, specifier: specifier?.text })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return imports
}

/** The file that a relative specifier names, relative to the root; a `.js` that was compiled from a `.ts` is that `.ts`. */
function resolveTarget(root, path, specifier) {
  const target = relative(root, resolve(root, dirname(path), specifier))
    .split(sep)
    .join('/')
  const source = target.replace(/\.([cm]?)js$/, '.$1ts')
  return existsSync(join(root, source)) ? source : target
}

/** Offences of folder and file names. */
function findNameless(files) {
  const seen = new Set()
  for (const path of files) {
    const parts = path.split('/')
    parts.forEach((name, depth) => {
      const lastWord = name.replace(/\..*$/, '').split(/[-_]/).at(-1).toLowerCase()
      if (NAMELESS.test(lastWord)) seen.add(parts.slice(0, depth + 1).join('/'))
    })
  }
  return [...seen].map(
    (path) => `${path}: not allowed, because its name says no idea: what one module uses lives there, what two use belongs to a concept`,
  )
}

/** Offences of import cycles: each is told once, at the import that closes it. `edges`: path → [{ line, target }]. */
function findCycles(edges) {
  const offences = []
  const done = new Set()
  const visit = (path, trail) => {
    for (const { line, target } of edges.get(path) ?? []) {
      const start = trail.indexOf(target)
      if (start >= 0) {
        const cycle = [...trail.slice(start), target].join(' → ')
        offences.push(`${path}:${line} imports ${target}: not allowed, because it closes the cycle ${cycle}`)
      } else if (!done.has(target)) visit(target, [...trail, target])
    }
    done.add(path)
  }
  for (const path of edges.keys()) if (!done.has(path)) visit(path, [path])
  return offences
}

/** Every offence below the root, as lines, and what was looked at. */
function checkImports(root) {
  const files = findSourceFiles(root)
  const manifest = join(root, 'package.json')
  const ownName = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).name : undefined
  const offences = findNameless(files)
  const edges = new Map()
  let imports = 0
  for (const path of files) {
    const room = roomOf(path)
    if (floorOf(room) < 0 && room !== 'workers') {
      offences.push(`${path}: not allowed, because src/${room} has no place in the architecture (FLOORS in scripts/check-imports.mjs)`)
    }
    const targets = []
    for (const { line, specifier } of parseImports(root, path)) {
      imports += 1
      const refuse = (what, reason) => offences.push(`${path}:${line} imports ${what}: not allowed, because ${reason}`)
      if (specifier === undefined) refuse('a computed path', 'its direction cannot be checked: write the path as a literal')
      else if (specifier.startsWith('.')) {
        const target = resolveTarget(root, path, specifier)
        const reason = findReason(room, roomOf(target))
        if (reason !== undefined) refuse(target, reason)
        targets.push({ line, target })
      } else if (ownName !== undefined && (specifier === ownName || specifier.startsWith(`${ownName}/`))) {
        refuse(specifier, 'the package does not import itself by name: use a relative path')
      }
    }
    edges.set(path, targets)
  }
  return { files: files.length, imports, offences: [...offences, ...findCycles(edges)] }
}

const [rootArgument, ...rest] = process.argv.slice(2)
const root = resolve(rootArgument ?? fileURLToPath(new URL('..', import.meta.url)))
const { files, imports, offences } = checkImports(root)
if (rest.length > 0 || files === 0) {
  console.error(
    rest.length > 0
      ? `Expected one argument, the folder to check, got ${rest.length + 1}.`
      : `Expected TypeScript files in ${PARTS.join(', ')} below ${root}, found none.`,
  )
  process.exitCode = 2
} else {
  for (const offence of offences) console.log(offence)
  console.log(`${files} files, ${imports} imports, ${offences.length} not allowed`)
  process.exitCode = offences.length === 0 ? 0 : 1
}
