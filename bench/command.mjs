/** Runs the built `ckvd` in a process of its own, as a user would, and tells what it used. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** @returns {ms, cpuMs, rssMb, result}: wall clock from start to end of the process, and what the command printed with `--json`; throws unless it exits with 0 */
export function runCkvd(dist, folder, args) {
  const usageFile = join(folder, 'usage.json')
  const command = ['--import', here('report-usage.mjs'), join(dist, 'src/cli/main.js'), ...args, '--json', '--quiet']
  const start = performance.now()
  const { stdout, stderr } = spawnSync(process.execPath, command, {
    env: { PATH: process.env.PATH, BENCH_USAGE: usageFile },
    encoding: 'utf8',
    cwd: folder,
    maxBuffer: 1 << 28,
  })
  const ms = performance.now() - start
  if (stdout === '') throw new Error(`ckvd printed nothing: ${stderr}`)
  const result = JSON.parse(stdout)
  if (result.exit !== 0)
    throw new Error(`ckvd ended with ${result.exit}: ${stderr} ${JSON.stringify([result.stopped, ...(result.problems ?? []).slice(0, 3)])}`)
  const { userMs, systemMs, rssMb } = JSON.parse(readFileSync(usageFile, 'utf8'))
  return { ms, cpuMs: userMs + systemMs, rssMb, result }
}

/** Flags that make `ckvd` ask a server of this folder. */
export function sourceFlags(origin) {
  return ['--vision-url', `${origin}/vision`, '--listing-url', `${origin}/listing`]
}

/** Starts a server script of this folder, which prints its origin and ends with its standard input. */
export async function startServer(script, ...args) {
  const child = spawn(process.execPath, [here(script), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${script} ended with ${code}.`))),
  ])
  return { origin: String(line).trim(), stop: () => child.stdin.end() }
}

/** Throws unless the fields of `found` are as expected. */
export function check(found, expected, what) {
  for (const [key, value] of Object.entries(expected)) {
    if (found[key] !== value) throw new Error(`Expected ${key} ${value} of ${what}, found ${JSON.stringify(found[key])}.`)
  }
}
