/** Texts of one column, one behind the other, as UTF-8. */
export class TextColumn {
  bytes = Buffer.allocUnsafeSlow(1 << 12)
  end = 0

  clear(): void {
    this.end = 0
  }

  add(text: string): void {
    const needed = this.end + text.length * 3
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(needed * 2)
      larger.set(this.bytes.subarray(0, this.end))
      this.bytes = larger
    }
    this.end += this.bytes.write(text, this.end, 'utf8')
  }
}
