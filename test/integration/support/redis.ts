import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

/** A redis-server of its own, whose data outlives its process: `appendfsync always`. */
export class RedisServer {
  readonly port: number
  readonly url: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'redis-'))
  #process: ChildProcess | undefined
  #client: Redis | undefined

  private constructor(port: number) {
    this.port = port
    this.url = `redis://127.0.0.1:${port}`
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort())
    await server.launch()
    return server
  }

  /** For what a test looks at. */
  get client(): Redis {
    this.#client ??= new Redis(this.url, { maxRetriesPerRequest: null }).on('error', () => {})
    return this.#client
  }

  async launch(): Promise<void> {
    const options = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
    this.#process = spawn('redis-server', ['--port', String(this.port), '--dir', this.#folder, ...options], {
      stdio: 'ignore',
    })
    this.#process.on('error', (error) => {
      throw new Error(`redis-server can not be started; npm run setup installs it: ${error.message}`)
    })
    await this.client.ping()
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    this.#process = undefined
    await new Promise((resolve) => {
      running.on('exit', resolve)
      running.kill('SIGKILL')
    })
  }

  async stop(): Promise<void> {
    this.#client?.disconnect()
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
