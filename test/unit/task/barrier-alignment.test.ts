import { describe, expect, test } from 'vitest'
import { checkpointId } from '../../../src/common/ids.ts'
import type { CheckpointBarrier } from '../../../src/state/checkpoint-record.ts'
import { BarrierAlignment } from '../../../src/task/barrier-alignment.ts'

const barrier = (id: number): CheckpointBarrier => ({
  id: checkpointId(id),
  base: checkpointId(0),
  kind: 'checkpoint',
})

type Event =
  | readonly ['barrier', channel: number, id: number]
  | readonly ['end', channel: number]
  | readonly ['trigger', id: number]
  | readonly ['aborted', id: number]
  /** What the gate does when it has nothing to read: asks for a remembered trigger. */
  | readonly ['ask']

interface Case {
  readonly name: string
  readonly channels: number
  readonly events: readonly Event[]
  /** Ids of snapshots, after each event; 0: none. */
  readonly snapshots: readonly number[]
  /** Channels that are blocked at the end. */
  readonly blocked: readonly number[]
}

const cases: readonly Case[] = [
  {
    name: 'one channel is aligned by its barrier alone',
    channels: 1,
    events: [['barrier', 0, 1]],
    snapshots: [1],
    blocked: [],
  },
  {
    name: 'a channel whose barrier has come is blocked until the others have delivered it',
    channels: 3,
    events: [
      ['barrier', 1, 1],
      ['barrier', 0, 1],
    ],
    snapshots: [0, 0],
    blocked: [0, 1],
  },
  {
    name: 'the last barrier aligns and unblocks all',
    channels: 2,
    events: [
      ['barrier', 1, 1],
      ['barrier', 0, 1],
    ],
    snapshots: [0, 1],
    blocked: [],
  },
  {
    name: 'a channel that has ended counts as aligned for a barrier that comes later (R12)',
    channels: 2,
    events: [
      ['end', 0],
      ['barrier', 1, 1],
    ],
    snapshots: [0, 1],
    blocked: [],
  },
  {
    name: 'a channel that ends while the others wait for its barrier completes the alignment (R12: it hung)',
    channels: 2,
    events: [
      ['barrier', 0, 1],
      ['end', 1],
    ],
    snapshots: [0, 1],
    blocked: [],
  },
  {
    name: 'a barrier that an ended channel still sends begins nothing (R12: it hung)',
    channels: 2,
    events: [
      ['end', 0],
      ['barrier', 0, 1],
    ],
    snapshots: [0, 0],
    blocked: [],
  },
  {
    name: 'a barrier that an ended channel still sends does not stand for the other channel',
    channels: 3,
    events: [
      ['barrier', 1, 1],
      ['end', 0],
      ['barrier', 0, 1],
    ],
    snapshots: [0, 0, 0],
    blocked: [1],
  },
  {
    name: 'a barrier of a checkpoint that was aligned already blocks nothing (R12: it hung)',
    channels: 2,
    events: [
      ['barrier', 0, 1],
      ['end', 1],
      ['barrier', 0, 1],
    ],
    snapshots: [0, 1, 0],
    blocked: [],
  },
  {
    name: 'a higher barrier cancels an older alignment and unblocks its channels (R2)',
    channels: 2,
    events: [
      ['barrier', 0, 1],
      ['barrier', 1, 2],
    ],
    snapshots: [0, 0],
    blocked: [1],
  },
  {
    name: 'after a higher barrier the older one of a slow channel is ignored, and the higher ones align',
    channels: 2,
    events: [
      ['barrier', 0, 1],
      ['barrier', 1, 2],
      ['barrier', 0, 1],
      ['barrier', 0, 2],
    ],
    snapshots: [0, 0, 0, 2],
    blocked: [],
  },
  {
    name: 'a channel whose barrier was overtaken ends: the higher alignment completes',
    channels: 2,
    events: [
      ['barrier', 0, 1],
      ['barrier', 1, 2],
      ['end', 0],
    ],
    snapshots: [0, 0, 2],
    blocked: [],
  },
  {
    name: 'an abort unblocks, and the late barriers of that checkpoint are ignored',
    channels: 2,
    events: [
      ['barrier', 0, 1],
      ['aborted', 1],
      ['barrier', 1, 1],
    ],
    snapshots: [0, 0, 0],
    blocked: [],
  },
  {
    name: 'an abort that overtakes the barriers makes them ignored, the next checkpoint aligns',
    channels: 2,
    events: [
      ['aborted', 1],
      ['barrier', 0, 1],
      ['barrier', 0, 2],
      ['barrier', 1, 1],
      ['barrier', 1, 2],
    ],
    snapshots: [0, 0, 0, 0, 2],
    blocked: [],
  },
  {
    name: 'the abort of an older checkpoint leaves the alignment of a newer one alone',
    channels: 2,
    events: [
      ['barrier', 0, 2],
      ['aborted', 1],
      ['barrier', 1, 2],
    ],
    snapshots: [0, 0, 2],
    blocked: [],
  },
  {
    name: 'a trigger is only remembered while any channel lives: the barrier comes through it (R42)',
    channels: 2,
    events: [['trigger', 1], ['ask'], ['end', 0], ['ask']],
    snapshots: [0, 0, 0, 0],
    blocked: [],
  },
  {
    name: 'a trigger that came before the end is used when all channels have ended (R12)',
    channels: 2,
    events: [['trigger', 1], ['end', 0], ['end', 1], ['ask'], ['ask']],
    snapshots: [0, 0, 0, 1, 0],
    blocked: [],
  },
  {
    name: 'a trigger that comes after the end is used at once',
    channels: 1,
    events: [['end', 0], ['ask'], ['trigger', 4], ['ask']],
    snapshots: [0, 0, 0, 4],
    blocked: [],
  },
  {
    name: 'a trigger that its barrier has overtaken is ignored (R42: checkpoints bred)',
    channels: 1,
    events: [['barrier', 0, 1], ['trigger', 1], ['end', 0], ['ask']],
    snapshots: [1, 0, 0, 0],
    blocked: [],
  },
  {
    name: 'a trigger whose alignment the end completed is not taken a second time',
    channels: 2,
    events: [['trigger', 1], ['barrier', 0, 1], ['end', 1], ['end', 0], ['ask']],
    snapshots: [0, 0, 1, 0, 0],
    blocked: [],
  },
  {
    name: 'an aborted trigger is forgotten',
    channels: 1,
    events: [['trigger', 1], ['aborted', 1], ['end', 0], ['ask']],
    snapshots: [0, 0, 0, 0],
    blocked: [],
  },
  {
    name: 'of several triggers the highest is used, whatever their order',
    channels: 1,
    events: [['trigger', 3], ['trigger', 2], ['end', 0], ['ask'], ['ask']],
    snapshots: [0, 0, 0, 3, 0],
    blocked: [],
  },
  {
    name: 'a subtask without channels takes its trigger at once',
    channels: 0,
    events: [['trigger', 1], ['ask']],
    snapshots: [0, 1],
    blocked: [],
  },
]

function run({ channels, events }: Case, blocking: boolean) {
  const alignment = new BarrierAlignment(channels, blocking)
  const snapshots = events.map((event): number => {
    switch (event[0]) {
      case 'barrier':
        return alignment.barrier(event[1], barrier(event[2]), 0)?.barrier.id ?? 0
      case 'end':
        return alignment.channelEnded(event[1], 0)?.barrier.id ?? 0
      case 'trigger':
        alignment.trigger(barrier(event[1]))
        return 0
      case 'aborted':
        alignment.aborted(checkpointId(event[1]))
        return 0
      case 'ask':
        return alignment.takeTrigger()?.barrier.id ?? 0
      default: {
        const never: never = event
        throw new TypeError(String(never))
      }
    }
  })
  const blocked = Array.from({ length: channels }, (_, channel) => channel).filter((channel) =>
    alignment.isBlocked(channel),
  )
  return { snapshots, blocked }
}

describe('aligned barriers', () => {
  test.each(cases)('$name', (given) => {
    expect(run(given, true)).toEqual({ snapshots: given.snapshots, blocked: given.blocked })
  })
})

describe('barriers without alignment (at-least-once)', () => {
  test.each(cases)('$name, and nothing is ever blocked', (given) => {
    expect(run(given, false)).toEqual({ snapshots: given.snapshots, blocked: [] })
  })
})

test('the alignment time lies between the first and the last barrier', () => {
  const alignment = new BarrierAlignment(2, true)
  expect(alignment.barrier(0, barrier(1), 100)).toBeUndefined()
  expect(alignment.barrier(1, barrier(1), 130)).toEqual({ barrier: barrier(1), alignmentMs: 30 })
})
