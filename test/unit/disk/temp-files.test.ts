import { spawnSync } from 'node:child_process'
import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeReport } from '../../../src/report/report-file.ts'
import { tempPath } from '../../../src/disk/temp-files.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'

/** The id of a process that has ended. */
const deadPid = spawnSync(process.execPath, ['-e', '']).pid
const WEEK_AND_A_DAY_MS = 8 * 86_400_000

test('a report removes what killed commands left beside it, and nothing else', async () => {
  await using folder = await createTempDirectory()
  const own = tempPath(join(folder.path, 'a.csv')) // a file of a command that goes on: this one
  const ofMachine = (pid: number, file = 'ffffffffffff') => own.replace(/-\d+-[0-9a-f]{12}/, `-${pid}-${file}`)
  const killed = ofMachine(deadPid)
  // in a container each process has the same id
  const before = ofMachine(process.pid)
  const alive = ofMachine(process.ppid)
  const [elsewhere, oldElsewhere] = ['00000001', '00000002'].map((machine) => join(folder.path, `b.csv.${machine}-1-ffffffffffff.tmp`)) as [
    string,
    string,
  ]
  const others = ['notes.tmp', 'a.csv.tmp', 'x.0123.tmp'].map((name) => join(folder.path, name))
  for (const path of [own, killed, before, alive, elsewhere, oldElsewhere, ...others]) await writeFile(path, 'half')
  const old = (Date.now() - WEEK_AND_A_DAY_MS) / 1000
  await utimes(oldElsewhere, old, old)
  const precious = join(folder.path, 'precious')
  await writeFile(precious, 'mine')
  // no link and no folder is ours
  const [link, inner] = [ofMachine(deadPid, 'eeeeeeeeeeee'), ofMachine(deadPid, 'dddddddddddd')]
  await symlink(precious, link)
  await mkdir(inner)

  await writeReport(join(folder.path, 'a.csv'), 'whole')

  const left = await readdir(folder.path)
  const gone = [killed, before, oldElsewhere].map((path) => path.slice(folder.path.length + 1))
  for (const name of gone) expect(left).not.toContain(name)
  for (const path of [own, alive, elsewhere, ...others, precious, link, inner]) expect(left).toContain(path.slice(folder.path.length + 1))
})
