import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { SETTINGS } from '../../../config/settings.ts'
import { createProgram } from '../../../src/cli/program.ts'

/*
 * Where no Docker daemon is, nobody builds the image: that each step of the Dockerfile names what there is. An instruction, or a command in a
 * RUN, that is not looked at here fails the test.
 */

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8')

const PACKAGE = z
  .object({
    name: z.string(),
    bin: z.record(z.string(), z.string()),
    scripts: z.record(z.string(), z.string()),
    files: z.array(z.string()),
  })
  .parse(JSON.parse(read('package.json')))
const DOCKERFILE = read('Dockerfile')
/** Instructions in order: their word, and what stands behind it. */
const steps = DOCKERFILE.split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'))
  .map((line) => {
    const [, word = '', rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? []
    return { word, rest }
  })
const all = (word: string): string[] => steps.filter((step) => step.word === word).map(({ rest }) => rest)
const commands = all('RUN').flatMap((run) => run.split('&&').map((one) => one.trim()))
const words = (json: string): string[] => z.array(z.string()).parse(JSON.parse(json))

test('has no instruction that is not looked at', () => {
  const known = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'VOLUME', 'USER', 'ENTRYPOINT', 'CMD']
  expect(steps.filter(({ word }) => !known.includes(word))).toEqual([])
  expect(commands).toEqual([
    'npm ci',
    'npm run build',
    'mkdir packed',
    'npm pack --ignore-scripts --pack-destination packed',
    'npm install --global ./*.tgz',
    'rm ./*.tgz',
    'npm cache clean --force',
    'mkdir /lake /state',
    'chown node:node /lake /state',
  ])
})

test('is built from all that the repository has', () => {
  const patterns = (name: string): string[] => [...read(name).matchAll(/^\/?([^#/\n]+)\/?$/gm)].map(([, pattern = '']) => pattern)
  // what the image leaves out is what git leaves out
  expect(patterns('.dockerignore').filter((pattern) => pattern !== '.git' && !patterns('.gitignore').includes(pattern))).toEqual([])
  for (const needed of ['package.json', 'package-lock.json', '.npmrc', 'scripts/build.mjs'])
    expect(existsSync(join(ROOT, needed))).toBe(true)
  expect(PACKAGE.scripts['build']).toBe('node scripts/build.mjs')
})

test('takes the tarball from where the first part packs it', () => {
  expect(all('FROM').map((image) => image.split(' AS ')[1])).toEqual(['build', undefined])
  expect(all('COPY')).toEqual(['. .', '--from=build /build/packed ./'])
  expect(all('WORKDIR')).toEqual(['/build', '/install', `/usr/local/lib/node_modules/${PACKAGE.name}`])
  for (const image of all('FROM')) expect(Number(/^node:(\d+)-slim/.exec(image)?.[1])).toBeGreaterThanOrEqual(22)
})

test('names a universe that is in the package, directories that are volumes, and settings that there are', () => {
  const [, universe = ''] = /--universe (\S+?)`/.exec(DOCKERFILE) ?? []
  expect(existsSync(join(ROOT, universe))).toBe(true)
  expect(PACKAGE.files.some((folder) => universe.startsWith(`${folder}/`))).toBe(true)
  const variables = all('ENV').flatMap((line) => line.split(' ').map((one) => one.split('=')))
  for (const [name] of variables) expect(SETTINGS.map(({ environment }) => environment)).toContain(name)
  const directories = variables.map(([, directory]) => directory)
  expect(all('VOLUME').map(words)).toEqual([directories])
  expect(commands).toContain(`mkdir ${directories.join(' ')}`)
  const page = read('docs/every-day.md')
  for (const [line] of page.matchAll(/^docker run .*$/gm)) for (const directory of directories) expect(line).toContain(`:${directory} `)
})

test('runs a command that there is, with flags that it has', async () => {
  const [[entry = ''] = [], [name = '', ...flags] = []] = [all('ENTRYPOINT').map(words)[0], all('CMD').map(words)[0]]
  expect(Object.keys(PACKAGE.bin)).toContain(entry)
  const quiet = { write: () => true }
  const program = await createProgram({
    ...{ stdin: process.stdin, stdout: quiet, stderr: quiet, env: {}, cwd: tmpdir(), signal: new AbortController().signal },
    ...{ now: () => 0, setExit: () => undefined },
  })
  const known = program.commands.find((command) => command.name() === name)?.options.map(({ long }) => long)
  for (const flag of flags) expect(known).toContain(flag)
})
