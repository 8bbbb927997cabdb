import type { Command } from '@commander-js/extra-typings'
import type { ResolvedSettings } from '../../../config/settings.ts'
import { PROXY_VARIABLES, SETTINGS } from '../../../config/settings.ts'
import { hideCredentials } from '../../sources/http/proxy.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings } from '../options.ts'
import { formatBytes, printTable } from '../show/output.ts'

/** `ckvd config`: every setting, its value and where it came from. */
export function addConfigCommand(program: Command, context: CliContext): void {
  const command = program.command('config').description('every setting, its value and where it came from')
  addSettings(command, {
    example: 'CKVD_WORKERS=4 ckvd config --max-rate 10MB',
    exits: { 0: 'shown', 2: 'a setting is wrong' },
  })
  command.action((_options, parsed) => runCommand(context, parsed, runConfig, { sources: false }))
}

/** A setting as it is shown. The value is null when there is none, or when a run settles it (a sandbox's URLs). */
interface ShownSetting {
  readonly value: string | number | boolean | null
  readonly origin: string
  readonly environment: string
}

function runConfig(run: CommandRun<object>): number {
  const settings = describeSettings(run.resolved)
  const proxies = Object.fromEntries(PROXY_VARIABLES.map((name) => [name, proxyValue(run.context.env, name)]))
  if (run.json) {
    run.printJson({ command: 'config', exit: 0, config_file: run.resolved.configFile, settings, proxies })
    return 0
  }
  const rows = Object.entries(settings).map(([key, { value, origin, environment }]) => [
    key,
    valueText(key, value, origin),
    origin,
    environment,
  ])
  const proxyRows = Object.entries(proxies).map(([name, value]) => [
    name,
    value ?? 'none',
    value === null ? 'default' : `environment ${name}`,
    name,
  ])
  printTable(run.context.stdout, { head: ['setting', 'value', 'from', 'environment'], rows: [...rows, ...proxyRows] })
  return 0
}

function describeSettings({ settings, origins }: ResolvedSettings): Record<string, ShownSetting> {
  const shown = SETTINGS.map(({ key, environment }): [string, ShownSetting] => {
    const replaced = settings.sandbox && key.endsWith('Url')
    return [key, { value: replaced ? null : settings[key], origin: replaced ? origins.sandbox : origins[key], environment }]
  })
  return Object.fromEntries(shown)
}

function valueText(key: string, value: ShownSetting['value'], origin: string): string {
  if (value === null) return key.endsWith('Url') ? 'embedded exchange' : key === 'now' && origin === 'default' ? 'system clock' : 'none'
  return key === 'maxRate' && typeof value === 'number' ? `${value} (${formatBytes(value)}/s)` : String(value)
}

/** A proxy's URL without its password; the lower-case name of a variable counts too, and before the other. */
function proxyValue(env: CliContext['env'], name: string): string | null {
  const value = [env[name.toLowerCase()], env[name]].map((text) => text?.trim() ?? '').find((text) => text !== '')
  return value === undefined ? null : hideCredentials(value)
}
