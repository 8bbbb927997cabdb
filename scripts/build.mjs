/**
 * `npm run build`: compiles src, config and workers into dist, TypeScript by tsc and workers/assembly by asc (to
 * WebAssembly, beside the worker that uses it), and makes one file of that worker, few of the command, and a script and a style of each page. dist is whole or absent: everything is built in a
 * folder beside it, which takes the name only when it is complete; a build that fails takes the old dist away,
 * so that nothing is ever tested or published from stale code.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundlePage, bundleProgram, bundleWorker } from './bundle.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
// Beside dist and as deep as dist, because source maps hold relative paths.
const building = `${dist}-${process.pid}.tmp`
const leaving = `${dist}-${process.pid}.old.tmp`

/**
 * Packages that the command takes from where its user installed them: what faces the network, reads files of strangers, runs native code or
 * threads of its own, or is not always there. Whoever audits or updates those reaches them.
 */
const KEPT_PACKAGES = [
  ...['undici', 'fast-xml-parser', 'yauzl', 'csv-parse'],
  ...['libsql', 'piscina', 'parquet-wasm', 'pino', 'pino-pretty'],
  ...['@duckdb/node-api', 'nodejs-polars'],
]

/** Compiles TypeScript into a folder; compiler errors go to the terminal. */
function compileTypeScript(outDir) {
  runCompiler('TypeScript', 'typescript/bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', outDir])
}

/** Compiles the CSV scanner to WebAssembly, with the settings of workers/assembly/asconfig.json. */
function compileAssembly(outDir) {
  const outFile = join(outDir, 'workers/decoder.wasm')
  runCompiler('AssemblyScript', 'assemblyscript/bin/asc.js', [
    'workers/assembly/decoder.ts',
    '--config',
    'workers/assembly/asconfig.json',
    '--outFile',
    relative(root, outFile),
  ])
}

function runCompiler(language, script, args) {
  const compiler = join(root, 'node_modules', script)
  if (!existsSync(compiler)) throw new Error(`Expected the ${language} compiler in node_modules, found none. Run \`npm ci\` first.`)
  const result = spawnSync(process.execPath, [compiler, ...args], { cwd: root, stdio: 'inherit' })
  if (result.error !== undefined) throw result.error
  if (result.status !== 0) throw new Error(`The ${language} compiler found errors (above).`)
}

/** Makes every bin of package.json in a built folder executable: npm does so only for installed packages. */
function makeBinsExecutable(outDir) {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const [name, path] of Object.entries(bin)) {
    const built = join(outDir, relative('dist', path))
    if (!existsSync(built)) throw new Error(`Expected the build to make ${path}, the bin \`${name}\` of package.json, but it did not.`)
    chmodSync(built, 0o755)
  }
}

/** Removes what a killed build left behind; a folder whose build still runs is left alone. */
function sweepLeftovers() {
  for (const name of readdirSync(root)) {
    const pid = /^dist-(\d+)(\.old)?\.tmp$/.exec(name)?.[1]
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(root, name), { recursive: true, force: true })
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM' // it runs, as another user
  }
}

/** Gives the built folder the name dist. */
function publish() {
  if (existsSync(dist)) renameSync(dist, leaving)
  renameSync(building, dist)
}

const started = performance.now()
try {
  sweepLeftovers()
  mkdirSync(building)
  compileTypeScript(building)
  compileAssembly(building)
  // of Piscina the running copy must be used; yauzl reads only archives of unusual form
  await bundleWorker(join(building, 'workers/decode-worker.js'), { external: ['piscina', 'yauzl'] })
  await bundleProgram(join(building, 'src/cli/main.js'), { external: KEPT_PACKAGES })
  for (const name of ['availability', 'coverage', 'chart']) await bundlePage(join(root, 'src/pages'), name, join(building, 'pages'))
  makeBinsExecutable(building)
  publish()
  console.log(`built dist in ${((performance.now() - started) / 1000).toFixed(1)} s`)
} catch (error) {
  rmSync(dist, { recursive: true, force: true })
  console.error(`Build failed: ${error.message}`)
  process.exitCode = 1
} finally {
  rmSync(building, { recursive: true, force: true })
  rmSync(leaving, { recursive: true, force: true })
}
