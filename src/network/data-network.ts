import type { AddressInfo, Server, Socket } from 'node:net'
import { MillraceError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import type { Clock, IdSource } from '../common/ports.ts'
import type { PeerPort } from '../task/slot-host.ts'
import { turn } from '../task/turn.ts'
import { acceptHandshake, dialHandshake, type HandshakeOptions } from './handshake.ts'
import { defaultLimits, type NetworkLimits } from './limits.ts'
import { Link } from './link.ts'
import { type Dial, Peer } from './peer.ts'
import type { LostLinks, RemoteLink, RemoteLinks } from './remote-links.ts'
import { addressText, dialSocket, type NetworkTls, serverFor, shakeHands } from './sockets.ts'

export interface DataNetworkOptions {
  /** Address of the TaskManager's actor: names one life of it. */
  readonly taskManager: string
  /** `security.cluster-secret`: the same for all TaskManagers of the cluster. */
  readonly secret: string
  /** What is listened on. */
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** What the others dial. Default `host` */
  readonly advertisedHost?: string
  readonly clock: Clock
  readonly ids: IdSource
  readonly logger: Logger
  readonly limits?: Partial<NetworkLimits>
  readonly tls?: NetworkTls
}

/**
 * The data connections of a TaskManager (R28): one to each other TaskManager that it exchanges records with, dialled by the smaller
 * id, for all links between the two. A connection that breaks takes its links with it; the next link dials anew.
 */
export class DataNetwork implements RemoteLinks {
  readonly #options: DataNetworkOptions
  readonly #limits: NetworkLimits
  readonly #server: Server
  readonly #peers = new Map<string, Peer>()
  /** All that were accepted. */
  readonly #sockets = new Set<Socket>()
  /** Those that have proved nothing yet. */
  readonly #unproven = new Set<Socket>()
  #onLost: (lost: LostLinks) => void = () => {}
  #linksMade = 0
  #closed = false

  private constructor(options: DataNetworkOptions) {
    if (options.secret === '') throw new MillraceError('MR_CONFIGURATION', 'security.cluster-secret is empty')
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#server = serverFor(options.tls, (socket) => this.#accept(socket))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** @throws MillraceError MR_CONFIGURATION where it can not listen there, or the secret is empty */
  static async listen(options: DataNetworkOptions): Promise<DataNetwork> {
    const network = new DataNetwork(options)
    const { host, port } = options
    await new Promise<void>((resolve, reject) => {
      network.#server.once('error', (error) => {
        reject(new MillraceError('MR_CONFIGURATION', `taskmanager.data.port: ${error.message}`))
      })
      network.#server.listen({ host, port }, resolve)
    })
    network.#server.on('error', (error) => options.logger.error({}, `the data port: ${error.message}`))
    network.#server.on('tlsClientError', (error: Error) => network.#refused(error))
    return network
  }

  /** Where the others dial: `host:port`. */
  get address(): string {
    const { port } = this.#server.address() as AddressInfo
    return addressText(this.#options.advertisedHost ?? this.#options.host, port)
  }

  connect(remote: RemoteLink, port: PeerPort): void {
    const { deploymentId, jobSlot, remoteJobSlot, taskManager, dataAddress } = remote
    if (this.#closed) {
      port.close()
      return
    }
    const peer = this.#peerOf(taskManager)
    const link = new Link({
      key: { deploymentId, jobSlot, remoteJobSlot },
      number: ++this.#linksMade,
      port,
      maxBatchBytes: this.#limits.maxBatchBytes,
      events: {
        closed: (closed) => {
          peer.remove(closed)
          this.#forgetIdle(taskManager, peer)
        },
        failed: (failed, error) => {
          failed.close()
          this.#lost({ taskManager, deployments: [deploymentId], error, isPeerLost: false })
        },
      },
    })
    if (!link.isClosed) peer.add(link, dataAddress)
  }

  onLost(listener: (lost: LostLinks) => void): void {
    this.#onLost = listener
  }

  /** Closes everything, and tells nobody here. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const peer of [...this.#peers.values()]) peer.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#peers.clear()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  // ---- peers ----

  #peerOf(taskManager: string): Peer {
    const known = this.#peers.get(taskManager)
    if (known !== undefined) return known
    const { clock } = this.#options
    const peer: Peer = new Peer({
      taskManager,
      dials: this.#options.taskManager < taskManager,
      clock,
      limits: this.#limits,
      dial: (address, proved, failed) => this.#dial(taskManager, address, { proved, failed }),
      lost: (lost) => {
        this.#lost(lost)
        this.#forgetIdle(taskManager, peer)
      },
    })
    this.#peers.set(taskManager, peer)
    return peer
  }

  #forgetIdle(taskManager: string, peer: Peer): void {
    if (peer.isIdle && this.#peers.get(taskManager) === peer) this.#peers.delete(taskManager)
  }

  #lost(lost: LostLinks): void {
    if (this.#closed) return
    const { taskManager, deployments, error } = lost
    this.#options.logger.warn({ taskManager, deployments }, error.message)
    this.#onLost(lost)
  }

  // ---- sockets ----

  #handshakeOptions(): HandshakeOptions {
    const { taskManager, secret, ids } = this.#options
    return { taskManager, secret, nonce: Buffer.from(ids.hexadecimal() + ids.hexadecimal(), 'hex') }
  }

  #dial(
    taskManager: string,
    address: string,
    outcome: { proved(socket: Socket, rest: Buffer): void; failed(error: Error): void },
  ): Dial {
    const { tls, clock } = this.#options
    let isOver = false
    let dialled: Socket | undefined
    /** The first of proof, failure and cancelling counts. */
    const end = (act: () => void): void => {
      if (isOver) return
      isOver = true
      act()
    }
    try {
      const socket = dialSocket(address, tls)
      dialled = socket
      shakeHands(
        socket,
        dialHandshake(this.#handshakeOptions(), taskManager),
        { clock, timeoutMs: this.#limits.handshakeTimeoutMs },
        {
          proved: (_, rest) => end(() => outcome.proved(socket, rest)),
          failed: (error) => end(() => outcome.failed(error)),
        },
      )
    } catch (error) {
      void turn().then(() => end(() => outcome.failed(error instanceof Error ? error : new Error(String(error)))))
    }
    return { cancel: () => end(() => dialled?.destroy()) }
  }

  #accept(socket: Socket): void {
    if (this.#closed || this.#unproven.size >= this.#limits.maxUnprovenConnections) {
      socket.on('error', () => {}) // Nobody listens to it any more.
      socket.destroy()
      return
    }
    this.#unproven.add(socket)
    const { clock, taskManager } = this.#options
    shakeHands(
      socket,
      acceptHandshake(this.#handshakeOptions()),
      { clock, timeoutMs: this.#limits.handshakeTimeoutMs },
      {
        proved: (peer, rest) => {
          this.#unproven.delete(socket)
          if (peer < taskManager) this.#peerOf(peer).connected(socket, rest)
          else {
            socket.destroy()
            this.#refused(new Error(`${peer} has dialled, but the smaller id does`))
          }
        },
        failed: (error) => {
          this.#unproven.delete(socket)
          this.#refused(error)
        },
      },
    )
  }

  #refused(error: Error): void {
    if (!this.#closed) this.#options.logger.warn({}, `a connection to the data port failed: ${error.message}`)
  }
}
