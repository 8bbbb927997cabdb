/**
 * Makes one file of a worker and of what it imports. A thread that starts reads and links 190 modules otherwise, nearly all of apache-arrow,
 * for 0.2 s of processor time each: as long as 300 archives take. Packages in `external` stay packages.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { rolldown } from 'rolldown'

/** Texts that a licence asks to hand on. */
const LICENCE_TEXT = /^(licen[cs]e|notice|copyright)/i

/** Replaces the built worker `file` by its bundle, and writes the licences of the packages in it beside it. */
export async function bundleWorker(file, { external }) {
  const bundle = await rolldown({ input: file, platform: 'node', external, treeshake: true })
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false })
  await bundle.close()
  const [chunk, ...others] = output.filter(({ type }) => type === 'chunk')
  if (others.length > 0) throw new Error(`Expected one file for ${file}, got ${others.length} more.`)
  writeFileSync(file, `${chunk.code.trimEnd()}\n`)
  // tsc's, of what the file was; the bundle can be read as it is
  rmSync(`${file}.map`)
  const packages = new Set(chunk.moduleIds.filter((id) => id.includes(`${sep}node_modules${sep}`)).map(packageFolder))
  writeFileSync(file.replace(/\.js$/, '.licences.txt'), [...packages].sort().map(licenceOf).join('\n'))
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
  const texts = readdirSync(folder).filter((file) => LICENCE_TEXT.test(file))
  if (texts.length === 0) throw new Error(`Expected a licence in ${relative(process.cwd(), folder)}, found none.`)
  return `${name} ${version} (${license})\n\n${texts.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')}\n`
}
