import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const RECIPES = join(ROOT, 'docs/recipes')

/** What a tool saw: the type of each column in its own words, and the values as bytes of eight each, times in microseconds. */
export interface Seen {
  readonly types: Readonly<Record<string, string>>
  readonly values: Readonly<Record<string, string>>
}

export interface ScriptResult {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
  /** what the script's end told of each table, by the table's name */
  readonly seen: Readonly<Record<string, Seen>>
}

/** The code of a page in a language, its fences one after the other, or one of them. */
export function readCode(page: string, language: 'js' | 'python', fence?: number): string {
  const text = readFileSync(join(RECIPES, page), 'utf8')
  const codes = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language).map(([, , code = '']) => code)
  const chosen = fence === undefined ? codes : codes.slice(fence, fence + 1)
  if (chosen.length === 0) throw new Error(`Expected code of ${language} in ${page}, found none.`)
  return chosen.join('\n')
}

const PYTHON = process.env['CKVD_TEST_PYTHON'] ?? 'python3'

/** Which of some Python modules are missing, for each page, in words; undefined where the page can be run. */
export function findMissing(modules: readonly string[]): string | undefined {
  const code = `import importlib.util, sys\nprint(' '.join(m for m in sys.argv[1:] if importlib.util.find_spec(m) is None))`
  const { status, stdout } = spawnSync(PYTHON, ['-c', code, ...modules], { encoding: 'utf8' })
  if (status !== 0) return `no ${PYTHON}`
  return stdout.trim() === '' ? undefined : `${PYTHON} has no ${stdout.trim().replaceAll(' ', ', ')}`
}

/** Runs a Python recipe in a folder, with `epilogue` behind it. */
export function runPython(code: string, epilogue: string, cwd: string): Promise<ScriptResult> {
  return run(PYTHON, ['-c', `${code}\n${epilogue}`], cwd)
}

/** Runs a JavaScript recipe in a folder; its file lies in the project, where packages are found by their names. */
export async function runNode(name: string, code: string, epilogue: string, cwd: string): Promise<ScriptResult> {
  const path = join(ROOT, `dist-recipe-${process.pid}-${name}.tmp.mjs`)
  await writeFile(path, `${code}\n${epilogue}`)
  try {
    return await run(process.execPath, [path], cwd)
  } finally {
    await rm(path)
  }
}

const MARK = '@seen '

async function run(command: string, args: readonly string[], cwd: string): Promise<ScriptResult> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PYTHONIOENCODING: 'utf-8' }
  const child = spawn(command, args, { cwd, env })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [exit] = (await once(child, 'close')) as [number | null]
  const seen: Record<string, Seen> = {}
  for (const line of stdout.split('\n').filter((one) => one.startsWith(MARK))) {
    const { name, ...table } = JSON.parse(line.slice(MARK.length)) as Seen & { name: string }
    seen[name] = table
  }
  return { exit, stdout: stdout.replaceAll(/^@seen .*\n/gm, ''), stderr, seen }
}
