import { checkpointId } from '../../../src/common/ids.ts'
import type { CheckpointBarrier } from '../../../src/state/checkpoint-record.ts'
import { InputChannel } from '../../../src/task/input-channel.ts'
import { LocalConnection, OutputChannel } from '../../../src/task/output-channel.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

export const barrier = (id: number): CheckpointBarrier => ({
  id: checkpointId(id),
  base: checkpointId(0),
  kind: 'checkpoint',
})

export class TestClock extends VirtualClock {
  advance(ms: number): void {
    this.advanceTo(this.now() + ms)
  }
}

/** Both ends of a channel inside a slot. */
export function localChannel(hashed = false): { readonly input: InputChannel; readonly output: OutputChannel } {
  const input = new InputChannel()
  return { input, output: new OutputChannel(new LocalConnection(input, hashed), hashed) }
}
