const startCapacity = 4096
const keptCapacity = 1 << 20

/** A growing buffer that values are written into one after another. */
export class ByteWriter {
  /** Valid are `bytes[0, position)`; replaced where it has to grow. */
  bytes: Buffer
  position = 0

  constructor(capacity = startCapacity) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
  }

  /** Empty again. What a single large value has taken is given back. */
  clear(): void {
    this.position = 0
    if (this.bytes.length > keptCapacity) this.bytes = Buffer.allocUnsafeSlow(startCapacity)
  }

  /** Makes room for `length` more bytes after `position`. */
  ensure(length: number): void {
    if (this.position + length > this.bytes.length) this.#grow(length)
  }

  writeBytes(bytes: Uint8Array): void {
    this.ensure(bytes.length)
    this.bytes.set(bytes, this.position)
    this.position += bytes.length
  }

  /** A copy of what was written. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafeSlow(this.position)
    copy.set(this.bytes.subarray(0, this.position))
    return copy
  }

  #grow(length: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.position + length, this.bytes.length * 2))
    // All of it: a value that is being written stands past `position` until it is whole.
    larger.set(this.bytes)
    this.bytes = larger
  }
}
