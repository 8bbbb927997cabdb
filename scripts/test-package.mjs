/**
 * `npm run test:package`: packs the package, installs the tarball into an empty folder elsewhere and uses it there as
 * a stranger would: by command, by name, and with its types. Nothing of this checkout is reachable from that folder
 * (except the TypeScript compiler, to check the types). Run `npm run build` first.
 * Prints a line for each check and ends with `N passed, N failed`; exit 1 if one failed.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

const TIMEOUT_MS = 180_000
const root = fileURLToPath(new URL('..', import.meta.url))
const fixtures = join(root, 'test', 'package')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What a tarball must hold, and all that it may hold. */
const REQUIRED = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'config/universe/spot_synchronal.csv',
  'dist/pages/availability.css',
  'dist/pages/availability.js',
  'dist/pages/chart.css',
  'dist/pages/chart.js',
  'dist/pages/coverage.css',
  'dist/pages/coverage.js',
  'dist/src/cli/main.js',
  'dist/src/cli/main.licences.txt',
  'dist/src/index.d.ts',
  'dist/src/index.js',
  'dist/src/sandbox/index.d.ts',
  'dist/src/sandbox/index.js',
  'dist/workers/decode-worker.js',
  'dist/workers/decode-worker.licences.txt',
  'dist/workers/export-worker.js',
  'docs/errors.md',
  'package.json',
]
const PERMITTED = [
  /^(CHANGELOG\.md|CONTRIBUTING\.md|LICENSE|README\.md|package\.json)$/,
  /^config\/universe\/[^/]+\.csv$/,
  /^docs\/([^/]+\/)?[^/]+\.md$/,
  /^docs\/images\/[^/]+\.(png|svg)$/,
  /^examples\/[^/]+\.(mjs|md)$/,
  /^dist\/pages\/(availability|chart|coverage)\.(css|js)$/,
  /^dist\/(src|config|workers)\/.*(\.js|\.d\.ts|\.js\.map|\.wasm|\.licences\.txt)$/,
]

/** Runs a program to its end. Returns its standard output; throws with all it printed if it does not end with 0. */
function run(cwd, program, ...args) {
  const env = { ...process.env }
  // a stranger has neither our settings nor what npm tells the scripts of this project about it
  for (const name of Object.keys(env)) if (/^(CKVD_|npm_(package|lifecycle|config_local_prefix))/.test(name)) delete env[name]
  const result = spawnSync(program, args, { cwd, env, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 1 << 28 })
  if (result.error !== undefined) throw result.error
  if (result.status === 0) return result.stdout
  const end = result.status === null ? `was ended by ${result.signal}` : `ended with ${result.status}`
  throw new Error(`\`${[program, ...args].join(' ')}\` ${end}\n${result.stdout.slice(-4000)}${result.stderr.slice(-4000)}`)
}

/** Throws unless a condition holds. */
function check(condition, message) {
  if (!condition) throw new Error(message)
}

/** Packs the package into a folder. Returns the path of the tarball and the files in it. */
function pack(folder) {
  const [packed] = JSON.parse(run(root, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))
  return { tarball: join(folder, packed.filename), files: packed.files.map((file) => file.path) }
}

/** Installs a tarball into an empty folder. */
function install(folder, tarball) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }\n')
  run(folder, 'npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball)
}

/** The checks, by name. `files`: of the tarball; `home`: the folder where it is installed. */
function listChecks(files, home) {
  const ckvd = (...args) => run(home, 'npx', '--no', '--', 'ckvd', ...args) // --no: never fetch a stranger of that name
  return {
    'the tarball holds what the package needs': () => {
      const absent = REQUIRED.filter((path) => !files.includes(path))
      check(absent.length === 0, `Expected these in the tarball: ${absent.join(', ')}.`)
    },
    'the tarball holds nothing else': () => {
      const junk = files.filter((path) => !PERMITTED.some((pattern) => pattern.test(path)))
      check(junk.length === 0, `Expected none of these in the tarball: ${junk.join(', ')}.`)
    },
    'every link of its pages leads to a file in it': () => {
      const installed = join(home, 'node_modules', manifest.name)
      const dead = files
        .filter((path) => path.endsWith('.md'))
        .flatMap((page) =>
          [...readFileSync(join(installed, page), 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
            .filter(([, to]) => !/^https?:/.test(to) && !files.includes(posix.join(posix.dirname(page), to)))
            .map(([, to]) => `${page}: ${to}`),
        )
      check(dead.length === 0, `Expected links to files of the tarball, found ${dead.join(', ')}.`)
    },
    'no source map points out of the tarball': () => {
      const installed = join(home, 'node_modules', manifest.name)
      const dangling = files
        .filter((path) => path.endsWith('.js.map'))
        .filter((path) => !('sourcesContent' in JSON.parse(readFileSync(join(installed, path), 'utf8'))))
      check(
        dangling.length === 0,
        `Expected source maps with their sources (inlineSources) or none, got ${dangling.length} without, such as ${dangling[0]}.`,
      )
    },
    'ckvd --version': () => {
      const version = ckvd('--version').trim()
      check(version === manifest.version, `Expected ${manifest.version}, got ${version}.`)
    },
    'ckvd config --json': () => {
      const text = JSON.stringify(JSON.parse(ckvd('config', '--json')))
      check(text.includes('https://data.binance.vision'), `Expected the settings with their values, got ${text.slice(0, 400)}.`)
    },
    'import by name, and of /sandbox': () => {
      copyFileSync(join(fixtures, 'library.mjs'), join(home, 'library.mjs'))
      run(home, process.execPath, 'library.mjs')
    },
    'types by name, and of /sandbox': () => {
      copyFileSync(join(fixtures, 'types.mts.txt'), join(home, 'types.mts'))
      const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
      run(
        home,
        process.execPath,
        compiler,
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        '--target',
        'es2023',
        '--lib',
        'es2023,esnext.disposable,dom',
        '--module',
        'nodenext',
        'types.mts',
      )
    },
    'ckvd ingest --sandbox, 2 symbols of 2 days': () => {
      copyFileSync(join(fixtures, 'universe.csv'), join(home, 'universe.csv'))
      const range = ['--start', '2024-03-04', '--end', '2024-03-06']
      const summary = JSON.parse(ckvd('ingest', '--sandbox', '--lake', 'lake', '--universe', 'universe.csv', ...range, '--json'))
      const found = { series: summary.series, complete: summary.days?.complete, stored: summary.stored, rows: summary.rows }
      const expected = { series: 2, complete: 4, stored: 4, rows: 4 * 1440 }
      check(JSON.stringify(found) === JSON.stringify(expected), `Expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}.`)
      const shards = readdirSync(join(home, 'lake', 'data'), { recursive: true }).filter((path) => path.endsWith('.arrow'))
      check(shards.length === 4, `Expected 4 shards below lake/data, found ${shards.length}.`)
    },
    'none of the optional dependencies is installed': () => {
      const found = Object.keys(manifest.peerDependencies).filter((name) => existsSync(join(home, 'node_modules', name)))
      check(found.length === 0, `Expected an installation without them, found ${found.join(', ')}.`)
    },
    'ckvd export as Parquet, CSV and Arrow, without optional dependencies': () => {
      for (const format of ['parquet', 'csv', 'arrow']) {
        const result = JSON.parse(ckvd('export', '--lake', 'lake', '--out', `export-${format}`, '--format', format, '--json'))
        const found = { exit: result.exit, written: result.files?.written, rows: result.rows }
        const expected = { exit: 0, written: 2, rows: 4 * 1440 }
        check(JSON.stringify(found) === JSON.stringify(expected), `Expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}.`)
        check(existsSync(join(home, `export-${format}`, `coverage.${format}`)), `Expected coverage.${format} beside the data.`)
      }
    },
    'ckvd query says what to install': () => {
      const args = ['--no', '--', 'ckvd', 'query', 'SELECT 1', '--from', 'export-parquet', '--json']
      const { status, stdout } = spawnSync('npx', args, { cwd: home, encoding: 'utf8', timeout: TIMEOUT_MS })
      const { error } = JSON.parse(stdout)
      check(status === 2 && error?.code === 'CKVD_DUCKDB_MISSING', `Expected exit 2 and CKVD_DUCKDB_MISSING, got ${status} ${stdout}.`)
      check(error.message.includes('npm install @duckdb/node-api'), `Expected the command that installs it, got: ${error.message}`)
    },
  }
}

/** Packs, installs and runs all checks in a folder. Returns how many passed and failed. */
function runChecks(folder) {
  const { tarball, files } = pack(folder)
  const home = join(folder, 'home')
  install(home, tarball)
  console.log(`installed ${manifest.name} ${manifest.version}: ${files.length} files`)
  let passed = 0
  let failed = 0
  for (const [name, runCheck] of Object.entries(listChecks(files, home))) {
    try {
      runCheck()
      passed += 1
      console.log(`ok    ${name}`)
    } catch (error) {
      failed += 1
      console.log(`FAIL  ${name}\n${error.message.replace(/^/gm, '      ')}`)
    }
  }
  return { passed, failed }
}

if (existsSync(join(root, 'dist'))) {
  const folder = mkdtempSync(join(tmpdir(), 'ckvd-package-'))
  let counts = { passed: 0, failed: 1 }
  try {
    counts = runChecks(folder)
  } catch (error) {
    console.log(`FAIL  pack and install\n${error.message.replace(/^/gm, '      ')}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed`)
  process.exitCode = counts.failed === 0 ? 0 : 1
} else {
  console.error('Expected the built package in dist, found none. Run `npm run build` first.')
  process.exitCode = 1
}
