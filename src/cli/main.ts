#!/usr/bin/env node
import { runCli } from './program.ts'
import { runProcess } from './run-process.ts'

await runProcess((args, context) => runCli(args, context))
