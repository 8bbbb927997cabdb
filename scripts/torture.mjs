/**
 * `npm run torture`: kills of ingests and upgrades, faults, attacks and hostile bytes, at random but repeatable, until the counts or the minutes are used up.
 * Results as a table, or with --json as one object. Exit 0: nothing was lost; 1: something was, and it is named; 2: wrong usage.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { tortureByAttacks } from './torture/attacks.mjs'
import { tortureByFaults } from './torture/faults.mjs'
import { tortureByKills } from './torture/kills.mjs'
import { tortureByUpgrades } from './torture/upgrade-kills.mjs'

const USAGE = `npm run torture -- [--kills 200] [--upgrades 200] [--faults 150] [--attacks 60] [--fuzz 3000 | --fuzz-total N] [--oracle 2000] [--minutes 30] [--seed N] [--json]
  --kills N    SIGKILLs of an ingest, at every named step of writing and at any moment between
  --upgrades N SIGKILLs of an upgrade of a lake of format 1, at the same steps and moments
  --faults N   runs with one to four random faults of the network each
  --attacks N  runs of ckvd ingest, ckvd fetch and the library in any market, under one to three random attacks of a server each
  --fuzz N     cases for each property of test/fuzz; 0: none
  --fuzz-total N  cases of all properties of test/fuzz together, most for the cheap ones (the parts are in test/fuzz/cases.ts)
  --oracle N   worlds whose servers lie: exit 0 must mean that all bars are there; 0: none
  --minutes N  none of the six starts anything new after this time
  --seed N     repeats an earlier torture; default: any`

const root = fileURLToPath(new URL('..', import.meta.url))

function readOptions() {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '200' },
      upgrades: { type: 'string', default: '200' },
      faults: { type: 'string', default: '150' },
      attacks: { type: 'string', default: '60' },
      fuzz: { type: 'string', default: '3000' },
      'fuzz-total': { type: 'string', default: '0' },
      oracle: { type: 'string', default: '2000' },
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      json: { type: 'boolean', default: false },
    },
  })
  const count = (name) => {
    if (!/^\d{1,9}$/.test(values[name])) throw new Error(`Expected --${name} to be a count, got ${values[name]}.`)
    return Number(values[name])
  }
  return {
    kills: count('kills'),
    upgrades: count('upgrades'),
    faults: count('faults'),
    attacks: count('attacks'),
    fuzz: count('fuzz'),
    fuzzTotal: count('fuzz-total'),
    oracle: count('oracle'),
    minutes: count('minutes'),
    seed: count('seed'),
    json: values.json,
  }
}

/**
 * Property tests with more cases than a test run has. `what`: FUZZ or ORACLE, which names their variables; `size`: of which one, RUNS or TOTAL,
 * says how many. Gives how many cases each property saw.
 */
async function tortureByTests(what, file, { size, count, seed }) {
  const directory = await mkdtemp(join(tmpdir(), 'ckvd-torture-'))
  const report = join(directory, 'report.jsonl')
  try {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs')
    const env = {
      ...process.env,
      [`CKVD_${what}_${size}`]: String(count),
      [`CKVD_${what}_SEED`]: String(seed),
      [`CKVD_${what}_REPORT`]: report,
    }
    const child = spawn(process.execPath, [vitest, 'run', file, '--testTimeout', '7200000'], {
      cwd: root,
      env,
      stdio: ['ignore', 2, 2],
    })
    const [code] = await once(child, 'close')
    const lines = (await readFile(report, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
    const properties = lines.map((line) => JSON.parse(line))
    const lost = code === 0 ? [] : [`a property of ${file} failed with seed ${seed} (above)`]
    // nothing reported is not "nothing lost": the report is missing, or no property ran
    if (properties.length === 0) lost.push(`no property of ${file} reported a case`)
    const cases = properties.reduce((sum, { runs }) => sum + runs, 0)
    if (code === 0 && size === 'TOTAL' && cases < count) lost.push(`${cases} cases of ${count} were done with seed ${seed}`)
    return { cases, properties, lost }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function main() {
  const { kills, upgrades, faults, attacks, fuzz, fuzzTotal, oracle, minutes, seed, json } = readOptions()
  const startedMs = performance.now()
  const deadlineMs = startedMs + minutes * 60_000
  const log = (text) => process.stderr.write(`[${((performance.now() - startedMs) / 1000).toFixed(0)} s] ${text}\n`)
  log(`seed ${seed}`)
  const summary = { seed, kills: null, upgrades: null, faults: null, attacks: null, fuzz: null, oracle: null, elapsed_s: 0 }
  if (kills > 0) summary.kills = await tortureByKills({ count: kills, seed, deadlineMs, log })
  if (upgrades > 0) summary.upgrades = await tortureByUpgrades({ count: upgrades, seed, deadlineMs, log })
  if (faults > 0) summary.faults = await tortureByFaults({ count: faults, seed, deadlineMs, log })
  if (attacks > 0) summary.attacks = await tortureByAttacks({ count: attacks, seed, deadlineMs, log })
  const fuzzed = fuzzTotal > 0 ? { size: 'TOTAL', count: fuzzTotal, seed } : { size: 'RUNS', count: fuzz, seed }
  if (fuzzed.count > 0 && performance.now() < deadlineMs) summary.fuzz = await tortureByTests('FUZZ', 'test/fuzz', fuzzed)
  if (oracle > 0 && performance.now() < deadlineMs)
    summary.oracle = await tortureByTests('ORACLE', 'test/integration/evidence-oracle.test.ts', { size: 'RUNS', count: oracle, seed })
  summary.elapsed_s = Math.round((performance.now() - startedMs) / 1000)
  const lost = [summary.kills, summary.upgrades, summary.faults, summary.attacks, summary.fuzz, summary.oracle].flatMap(
    (part) => part?.lost ?? [],
  )
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`)
  else show(summary, lost)
  return lost.length === 0 ? 0 : 1
}

function show({ seed, kills, upgrades, faults, attacks, fuzz, oracle, elapsed_s }, lost) {
  const line = (text) => process.stdout.write(`${text}\n`)
  line(`seed ${seed}, ${elapsed_s} s`)
  for (const [name, part] of Object.entries({ kills, upgrades }))
    if (part !== null)
      line(
        `${name.padEnd(7)} ${part.kills}${name === 'kills' ? '' : ' kills'} in ${part.lakes} lakes: ${Object.entries(part.byMoment)
          .map(([moment, count]) => `${count} ${moment}`)
          .join(', ')}`,
      )
  if (faults !== null)
    line(
      `faults  ${faults.faults} in ${faults.runs} runs; exit ${Object.entries(faults.byExit)
        .map(([exit, count]) => `${exit}: ${count}`)
        .join(', ')}`,
    )
  if (attacks !== null) {
    line(
      `attacks ${attacks.attacks} in ${attacks.runs} runs, ${attacks.bans} of them banned, at most ${attacks.peakMib} MiB; exit ${Object.entries(
        attacks.byExit,
      )
        .map(([exit, count]) => `${exit}: ${count}`)
        .join(', ')}`,
    )
    for (const counts of [attacks.byAsk, attacks.byKind])
      line(
        `        ${Object.entries(counts)
          .map(([name, count]) => `${count} ${name}`)
          .join(', ')}`,
      )
  }
  if (fuzz !== null) {
    line(`fuzz    ${fuzz.cases} cases for ${fuzz.properties.length} properties:`)
    for (const { name, runs, seed: ofProperty, ms } of fuzz.properties)
      line(`        ${name.padEnd(15)} ${String(runs).padStart(9)} cases, seed ${ofProperty}, ${(ms / 1000).toFixed(1)} s`)
  }
  if (oracle !== null) line(`oracle  ${oracle.cases} worlds of servers that lie and that do not`)
  line(lost.length === 0 ? 'lost    nothing' : `lost    ${lost.length}:`)
  for (const what of lost) line(`  ${what}`)
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error.code?.startsWith('ERR_PARSE_ARGS') || error.message.startsWith('Expected --') ? `${error.message}\n${USAGE}` : error)
  process.exitCode = 2
}
