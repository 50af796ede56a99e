import type { RemoteLink, RemoteLinks } from '../network/remote-links.ts'
import type { PeerPort } from '../task/slot-host.ts'

/** Links between TaskManagers that share a process. */
export class InProcessLinks implements RemoteLinks {
  /** Ends whose counterpart has not been given yet. */
  readonly #waiting = new Map<string, PeerPort>()

  connect({ deploymentId, jobSlot, remoteJobSlot }: RemoteLink, port: PeerPort): void {
    const counterpart = `${deploymentId} ${remoteJobSlot} ${jobSlot}`
    const other = this.#waiting.get(counterpart)
    if (other === undefined) {
      const own = `${deploymentId} ${jobSlot} ${remoteJobSlot}`
      this.#waiting.set(own, port)
      port.onClose(() => this.#waiting.delete(own))
      return
    }
    this.#waiting.delete(counterpart)
    forward(port, other)
    forward(other, port)
  }

  /** Within a process nothing is lost. */
  onLost(): void {}
}

function forward(from: PeerPort, to: PeerPort): void {
  const move = (): void => {
    for (let message = from.receive(); message !== undefined; message = from.receive()) {
      to.post(message, message instanceof ArrayBuffer ? [message] : [])
    }
  }
  from.onArrival(move)
  from.onClose(() => {
    move()
    to.close()
  })
  move()
}
