// The plan of a series lies below both its users: ingest here, the library in read.
export * from '../acquire/plan.ts'
