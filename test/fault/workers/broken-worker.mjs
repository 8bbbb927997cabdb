// A decode worker that dies: before it decodes a task with the archive that CKVD_TEST_DEATH names, as often as it says.
// { match, how: 'throw' | 'exit' | 'late' | 'memory' | 'hang', times, directory }: deaths are counted by files in the directory,
// since a new thread knows nothing of the old one.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers'
import decodeTask from '../../../dist/workers/decode-worker.js'

const { match, how, times, directory } = JSON.parse(process.env.CKVD_TEST_DEATH)

export default async function brokenTask(task) {
  const deaths = readdirSync(directory).length
  if (deaths < times && task.requests.some(({ archive }) => archive.key.includes(match))) {
    writeFileSync(join(directory, `death-${deaths}`), '')
    await die()
  }
  return decodeTask(task)
}

function die() {
  if (how === 'throw') throw new Error('the worker is broken')
  if (how === 'exit') process.exit(7)
  // outside of the task's promise: the whole thread ends
  if (how === 'late')
    setImmediate(() => {
      throw new Error('thrown into the thread')
    })
  const kept = []
  while (how === 'memory') kept.push(new Array(1_000_000).fill(kept.length + 0.5))
  return new Promise(() => undefined)
}
