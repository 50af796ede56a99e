import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

/** Settings of redis-server, such as `{ maxmemory: '10mb' }`; they win over those of the class. */
export type RedisSettings = Readonly<Record<string, string>>

/** A redis-server of its own, whose data outlives its process: `appendfsync always`. */
export class RedisServer {
  readonly port: number
  readonly url: string
  readonly folder = mkdtempSync(join(tmpdir(), 'redis-'))
  readonly #settings: RedisSettings
  #process: ChildProcess | undefined
  #client: Redis | undefined

  private constructor(port: number, settings: RedisSettings) {
    this.port = port
    this.url = `redis://127.0.0.1:${port}`
    this.#settings = settings
  }

  static async start(settings: RedisSettings = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), settings)
    await server.launch()
    return server
  }

  /** For what a test looks at. */
  get client(): Redis {
    this.#client ??= new Redis(this.url, { maxRetriesPerRequest: null }).on('error', () => {})
    return this.#client
  }

  async launch(): Promise<void> {
    const settings = {
      port: String(this.port),
      bind: '127.0.0.1',
      dir: this.folder,
      appendonly: 'yes',
      appendfsync: 'always',
      save: '',
      ...this.#settings,
    }
    const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    this.#process = spawn('redis-server', options, { stdio: 'ignore' })
    this.#process.on('error', (error) => {
      throw new Error(`redis-server can not be started; npm run setup installs it: ${error.message}`)
    })
    await this.client.ping()
  }

  /** SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  /** SIGKILL, and a start with what is on disk. */
  async restart(): Promise<void> {
    await this.kill()
    await this.launch()
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
    rmSync(this.folder, { recursive: true, force: true })
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

/** Stands before a server and makes it one that has WAITAOF, of which it keeps count; all else goes through. */
export class NewerRedis {
  readonly url: string
  waits = 0
  answersWaits = true
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `redis://127.0.0.1:${port}`
  }

  static async start(behind: RedisServer): Promise<NewerRedis> {
    const port = await freePort()
    const server = createServer()
    const newer = new NewerRedis(server, port)
    server.on('connection', (socket) => newer.#join(socket, connect(behind.port, '127.0.0.1')))
    await new Promise<void>((settle) => server.listen(port, '127.0.0.1', settle))
    return newer
  }

  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  stop(): void {
    this.breakConnections()
    this.#server.close()
  }

  /** The sink sends WAITAOF when all before it has been answered: it comes alone. */
  #join(client: Socket, behind: Socket): void {
    this.#sockets.add(client).add(behind)
    for (const socket of [client, behind])
      socket
        .on('error', () => {})
        .on('close', () => {
          client.destroy()
          behind.destroy()
        })
    client.on('data', (bytes) => {
      if (!bytes.includes('WAITAOF')) {
        behind.write(bytes)
        return
      }
      this.waits++
      if (this.answersWaits) client.write('*2\r\n:1\r\n:0\r\n')
    })
    behind.on('data', (bytes) => {
      client.write(bytes.toString('latin1').replace(/redis_version:7\.0/, 'redis_version:7.4'), 'latin1')
    })
  }
}
