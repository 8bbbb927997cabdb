// Lets a child process run this project's TypeScript: types are taken away file by file, nothing else is changed.
// Used as `node --import ./lake-ts-loader.mjs child.ts`. Vitest does the same for the tests themselves, but not for children.
// What was translated is kept in the directory TS_LOADER_CACHE, so that only the first child of a test file pays for it.
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { register } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

// the hooks run in a thread of their own, which imports this file again
if (isMainThread) register(import.meta.url)

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const source = await readFile(fileURLToPath(url), 'utf8')
  const kept = join(process.env.TS_LOADER_CACHE, `${createHash('sha256').update(source).digest('hex')}.mjs`)
  const script = await readFile(kept, 'utf8').catch(() => translate(source, kept))
  return { format: 'module', shortCircuit: true, source: script }
}

async function translate(source, kept) {
  const { default: ts } = await import('typescript')
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true }
  const script = ts.transpileModule(source, { compilerOptions }).outputText
  await writeFile(kept, script)
  return script
}
