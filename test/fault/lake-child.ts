// A process that writes to a lake until a test kills it, or until it kills itself at the moment named on its command line.
// Arguments: root, moment ("before rename", …) or "never".
import { openLake } from '../../src/lake/lake.ts'
import { BTC, ETH, barsOf } from '../unit/lake/lake-fixtures.ts'

const [root = '', moment = 'never'] = process.argv.slice(2)
let armed = false

const lake = await openLake(root, {
  mode: 'write',
  steps: (name) => {
    if (armed && name === moment) process.kill(process.pid, 'SIGKILL')
  },
})
await lake.writer.put(barsOf(BTC, '2024-01-01'))
armed = true
process.stdout.write('ready\n')
if (moment !== 'never') {
  await Promise.all([lake.writer.put(barsOf(BTC, '2024-01-02', { missing: [4] })), lake.writer.put(barsOf(ETH, '2024-01-02'))])
}
// keeps the lock until it is killed, or until the test goes away
process.stdin.resume()
