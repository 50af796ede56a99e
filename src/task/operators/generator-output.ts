import type { WatermarkOutput } from '../../api/watermarks.ts'
import type { GeneratedWatermarks } from '../operator.ts'

/** Keeps the highest watermark that a generator has put out. */
export class GeneratorOutput implements WatermarkOutput, GeneratedWatermarks {
  watermark: number
  idle = false

  constructor(watermark: number) {
    this.watermark = watermark
  }

  emitWatermark(watermark: number): void {
    this.idle = false
    if (watermark > this.watermark) this.watermark = watermark
  }

  markIdle(): void {
    this.idle = true
  }
}
