/**
 * What a decoder throws for a record that it can decode only later, such as one whose schema has to be fetched first.
 * The reader of the source leaves its position before that record, reports `blocked`, and tries again when `ready`
 * resolves; it fails its subtask where `ready` rejects.
 */
export class NotYetDecodable extends Error {
  override readonly name = 'NotYetDecodable'
  readonly ready: Promise<void>

  /** @param what is fetched, for a source that can not wait: there the message is that of an ordinary error */
  constructor(what: string, ready: Promise<void>) {
    super(`${what} is still being fetched, and this source can not wait for it`)
    this.ready = ready
  }
}
