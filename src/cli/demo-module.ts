#!/usr/bin/env node
import { keepCompiled } from './compile-cache.ts'
import { startProgram } from './start-program.ts'

keepCompiled(process.env)
await startProgram(async () => (await import('./commands/demo-module.ts')).start)
