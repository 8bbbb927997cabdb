/**
 * Makes few files of what starts. A thread reads and links 190 modules otherwise, nearly all of apache-arrow, for 0.2 s of processor time:
 * as long as 300 archives take; the command some hundreds, fifty of them zod's languages, for 0.1 s.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transform } from 'lightningcss'
import { rolldown } from 'rolldown'

/** Texts that a licence asks to hand on. */
const LICENCE_TEXT = /^(licen[cs]e|notice|copyright)/i

/** Texts of packages that have them in their repository alone, by the package's name. */
const KEPT_LICENCES = fileURLToPath(new URL('licences', import.meta.url))

/** Replaces the built worker `file` by one file of it and of what it imports but the packages in `external`; with the licences beside it. */
export async function bundleWorker(file, { external }) {
  await bundle(file, { external, output: { codeSplitting: false } })
}

/**
 * Replaces the built `file` by itself with all that it imports; what it imports on demand becomes files beside it. Packages in `external` stay
 * the copies that their user installed, and can update; the others are taken in, with their licences.
 */
export async function bundleProgram(file, { external }) {
  await bundle(file, { external, output: { chunkFileNames: `${basename(file, '.js')}-[name]-[hash].js` } })
}

async function bundle(file, { external, output }) {
  const isExternal = (id) => external.some((name) => id === name || id.startsWith(`${name}/`))
  // Bottleneck hides its way to Redis, which nothing here takes, behind eval
  const build = await rolldown({ input: file, platform: 'node', external: isExternal, treeshake: true, checks: { eval: false } })
  const { output: made } = await build.generate({ format: 'esm', entryFileNames: basename(file), ...output })
  await build.close()
  const others = made.filter(({ type }) => type !== 'chunk')
  if (others.length > 0) throw new Error(`Expected nothing but code for ${file}, got ${others.map(({ fileName }) => fileName).join(', ')}.`)
  for (const { fileName, code } of made) writeFileSync(join(dirname(file), fileName), `${code.trimEnd()}\n`)
  // tsc's, of what the file was; the bundle can be read as it is
  rmSync(`${file}.map`)
  writeFileSync(file.replace(/\.js$/, '.licences.txt'), licencesOf(made.flatMap(({ moduleIds }) => moduleIds)))
}

/** The licences of the packages that modules are of. */
function licencesOf(modules) {
  const packages = new Set(modules.filter((id) => id.includes(`${sep}node_modules${sep}`)).map(packageFolder))
  return [...packages].sort().map(licenceOf).join('\n')
}

/** Makes one script and one style, `name` in the folder `out`, of a page's sources in the folder `name` of `sources`, beside what pages share: the page holds both, and loads nothing. Licences of packages in it stand at the script's head, since whoever gets the page gets them. */
export async function bundlePage(sources, name, out) {
  const build = await rolldown({ input: join(sources, name, `${name}.ts`), platform: 'browser', treeshake: true })
  const { output: made } = await build.generate({ format: 'iife', strict: true, codeSplitting: false })
  await build.close()
  const css = ['common', `${name}/${name}`].map((file) => readFileSync(join(sources, `${file}.css`)))
  const { code: style } = transform({ filename: `${name}.css`, code: Buffer.concat(css), minify: true })
  mkdirSync(out, { recursive: true })
  const licences = licencesOf(made[0].moduleIds)
  if (licences.includes('*/')) throw new Error(`Expected licences without */ for ${name}: they stand in a comment.`)
  writeInside(join(out, `${name}.js`), licences === '' ? made[0].code : `/*\n${licences}*/\n${made[0].code}`, /<\/script|<!--/i)
  writeInside(join(out, `${name}.css`), style.toString(), /<\/style/i)
}

/** Writes what is to stand inside an element of HTML, which `end` would end. */
function writeInside(path, text, end) {
  if (end.test(text)) throw new Error(`Expected nothing like ${end} in ${path}: it would end the element that it stands in.`)
  writeFileSync(path, text)
}

/** The folder of the package that a module belongs to. */
function packageFolder(id) {
  for (let folder = dirname(id); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name !== undefined) return folder
  }
  throw new Error(`Expected ${id} to belong to a package.`)
}

function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder)
    .filter((file) => LICENCE_TEXT.test(file))
    .map((file) => join(folder, file))
  const kept = join(KEPT_LICENCES, `${name}.txt`)
  if (existsSync(kept)) files.push(kept)
  if (files.length === 0) throw new Error(`Expected a licence in ${relative(process.cwd(), folder)}, found none.`)
  return `${name} ${version} (${license})\n\n${files.map((file) => readFileSync(file, 'utf8').trim()).join('\n\n')}\n`
}
