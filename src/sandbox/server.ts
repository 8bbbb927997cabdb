import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CkvdError } from '../errors.ts'

/** The origin of a listening server, and how to end it. */
export interface Listener {
  readonly origin: string
  close(): Promise<void>
}

/**
 * Listens on 127.0.0.1. `answer` gets each request; what it throws ends as status 500, so that a fault of the sandbox
 * is seen by the client instead of hanging it. `CKVD_CONFIG` when the port cannot be used.
 */
export async function listen(
  port: number,
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' })
      response.end(error instanceof Error ? error.stack : String(error))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new CkvdError(
          'CKVD_CONFIG',
          `The sandbox cannot listen on 127.0.0.1:${port}: ${cause.message}. Choose another port, or 0 for any free one.`,
          { cause },
        ),
      )
    })
    server.listen(port, '127.0.0.1', resolve)
  })
  let closing: Promise<void> | undefined
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => (closing ??= closeServer(server)),
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
