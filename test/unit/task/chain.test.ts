import { describe, expect, test } from 'vitest'
import { endWatermark } from '../../../src/common/timestamps.ts'
import { Chain, type ChainNode } from '../../../src/task/chain.ts'
import { EdgeWriter } from '../../../src/task/edge-writer.ts'
import { isControl } from '../../../src/task/input-channel.ts'
import type { GeneratedWatermarks, Operator, Receiver } from '../../../src/task/operator.ts'
import { barrier, localChannel } from './support.ts'

/** An operator that passes records on and holds a number of firings for its next watermark or turn of time. */
class ScriptedOperator implements Operator {
  firings = 0
  writable = true
  nextTimer = Number.POSITIVE_INFINITY
  generated?: { watermark: number; idle: boolean }
  readonly #name: string
  readonly #log: string[]
  readonly #output: Receiver

  constructor(name: string, log: string[], output: Receiver, generated?: GeneratedWatermarks) {
    this.#name = name
    this.#log = log
    this.#output = output
    if (generated !== undefined) this.generated = { ...generated }
  }

  open(): void {
    this.#log.push(`${this.#name} open`)
  }

  processElement(value: unknown, timestamp: number): void {
    this.#output.processElement(value, timestamp)
  }

  advanceWatermark(watermark: number, maxFirings: number): boolean {
    return this.#fire(`watermark ${watermark}`, maxFirings)
  }

  advanceProcessingTime(now: number, maxFirings: number): boolean {
    return this.#fire(`time ${now}`, maxFirings)
  }

  #fire(what: string, maxFirings: number): boolean {
    const fired = Math.min(this.firings, maxFirings)
    for (let firing = 0; firing < fired; firing++) this.#output.processElement(this.#name, 0)
    this.firings -= fired
    this.#log.push(`${this.#name} ${what}${this.firings > 0 ? ' …' : ''}`)
    return this.firings === 0
  }

  nextProcessingTime(): number {
    return this.nextTimer
  }

  endInput(): void {
    this.#log.push(`${this.#name} end`)
  }

  snapshot(): ReturnType<Operator['snapshot']> {
    return { keyed: undefined, operatorState: undefined, committables: undefined, watermark: 0 }
  }

  async checkpointCompleted(): Promise<void> {}

  async dispose(): Promise<void> {}
}

const nowhere: Receiver = { processElement: () => {} }

/** `names` in a line; a name with `*` makes its own watermarks. Each has an edge of its own. */
function chainOf(names: readonly string[]) {
  const log: string[] = []
  const operators: ScriptedOperator[] = []
  const channels = names.map(() => localChannel())
  const nodes: ChainNode[] = []
  let origin = -1
  names.forEach((name, index) => {
    const generated = name.endsWith('*') ? { watermark: Number.NEGATIVE_INFINITY, idle: false } : undefined
    const operator = new ScriptedOperator(name, log, nowhere, generated)
    operators.push(operator)
    const { output } = channels[index] as (typeof channels)[number]
    nodes.push({ uid: name, operator, edges: [new EdgeWriter(nowhere, [output])], watermarkOrigin: origin })
    if (generated !== undefined) origin = index
  })
  /** Runs the step in work to its end and gives the number of slices. */
  const chain = new Chain(nodes)
  const finish = (): number => {
    let slices = 0
    for (; chain.stepping; slices++) chain.runStep()
    return slices
  }
  const sent = (index: number): string[] => {
    const { input } = channels[index] as (typeof channels)[number]
    const seen: string[] = []
    for (let item = input.take(); item !== undefined; item = input.take()) {
      if (isControl(item)) seen.push(item.type === 'watermark' ? `watermark ${item.watermark}` : item.type)
    }
    return seen
  }
  return { chain, log, operators, finish, sent, channels }
}

describe('a step of a chain', () => {
  test('operators are opened from the last to the first', () => {
    const { chain, log } = chainOf(['a', 'b'])
    chain.open()
    expect(log).toEqual(['b open', 'a open'])
  })

  test('a watermark goes through the operators in order, each finished before the next (R33)', () => {
    const { chain, log, operators, finish, sent } = chainOf(['a', 'b'])
    const [a, b] = operators as [ScriptedOperator, ScriptedOperator]
    a.firings = 1200
    b.firings = 3
    chain.beginWatermark(7)
    expect(finish()).toBe(3)
    expect(log).toEqual(['a watermark 7 …', 'a watermark 7 …', 'a watermark 7', 'b watermark 7'])
    expect([sent(0), sent(1)]).toEqual([['watermark 7'], ['watermark 7']])
  })

  test('a watermark reaches the edges of an operator only when that has fired all of it (R33)', () => {
    const { chain, operators, sent } = chainOf(['a'])
    ;(operators[0] as ScriptedOperator).firings = 501
    chain.beginWatermark(7)
    chain.runStep()
    expect(chain.stepping).toBe(true)
    expect(sent(0)).toEqual([])
    chain.runStep()
    expect(chain.stepping).toBe(false)
    expect(sent(0)).toEqual(['watermark 7'])
  })

  test('a turn of processing time is one step of all operators, and sends nothing', () => {
    const { chain, log, operators, finish, sent } = chainOf(['a', 'b'])
    ;(operators[1] as ScriptedOperator).firings = 600
    ;(operators[1] as ScriptedOperator).nextTimer = 50
    expect(chain.nextProcessingTime()).toBe(50)
    chain.beginProcessingTime(60)
    expect(finish()).toBe(2)
    expect(log).toEqual(['a time 60', 'b time 60 …', 'b time 60'])
    expect([sent(0), sent(1)]).toEqual([[], []])
  })

  test('watermarks of the input stop at an operator that makes its own', () => {
    const { chain, log, finish, sent } = chainOf(['a', 'm*', 'c'])
    chain.beginWatermark(7)
    finish()
    expect(log).toEqual(['a watermark 7', 'm* watermark 7'])
    expect([sent(0), sent(1), sent(2)]).toEqual([['watermark 7'], [], []])
  })

  test('watermarks that an operator makes are a step of what follows it, its own edges first', () => {
    const { chain, log, operators, finish, sent } = chainOf(['a', 'm*', 'c', 'd'])
    const made = operators[1]?.generated
    if (made === undefined) throw new Error('makes watermarks')
    made.watermark = 5
    chain.takeGenerated()
    finish()
    expect(log).toEqual(['c watermark 5', 'd watermark 5'])
    expect([sent(0), sent(1), sent(2), sent(3)]).toEqual([[], ['watermark 5'], ['watermark 5'], ['watermark 5']])
    chain.takeGenerated()
    expect(chain.stepping).toBe(false)
  })

  test('the last watermark passes through an operator that makes its own', () => {
    const { chain, log, operators, sent } = chainOf(['m*', 'c'])
    chain.beginWatermark(endWatermark)
    const made = operators[0]?.generated
    if (made !== undefined) made.watermark = endWatermark
    chain.runStep()
    expect(chain.stepping).toBe(true)
    chain.runStep()
    expect(chain.stepping).toBe(false)
    expect(log).toEqual(['m* watermark Infinity', 'c watermark Infinity'])
    expect(sent(1)).toEqual(['watermark Infinity'])
  })

  test('idleness of the input goes to the edges before an operator that makes watermarks, its own to those behind', () => {
    const { chain, operators, sent } = chainOf(['a', 'm*', 'c'])
    chain.inputStatus('idle')
    expect([sent(0), sent(1), sent(2)]).toEqual([['idle'], [], []])
    const made = operators[1]?.generated
    if (made === undefined) throw new Error('makes watermarks')
    made.idle = true
    chain.takeGenerated()
    chain.takeGenerated()
    made.idle = false
    chain.takeGenerated()
    expect([sent(0), sent(1), sent(2)]).toEqual([[], ['idle', 'active'], ['idle', 'active']])
  })

  test('barrier and end go to all edges', () => {
    const { chain, log, sent } = chainOf(['a', 'm*'])
    chain.barrier(barrier(1))
    chain.endInput()
    expect([sent(0), sent(1)]).toEqual([
      ['barrier', 'end'],
      ['barrier', 'end'],
    ])
    expect(log).toEqual(['a end', 'm* end'])
  })

  test('a chain is writable when all its operators and channels are', () => {
    const { chain, operators, channels } = chainOf(['a', 'b'])
    expect(chain.writable).toBe(true)
    const [a] = operators as [ScriptedOperator]
    a.writable = false
    expect(chain.writable).toBe(false)
    a.writable = true
    for (let batch = 0; batch < 8; batch++) {
      channels[1]?.output.add(batch, 0)
      channels[1]?.output.flush()
    }
    expect(chain.writable).toBe(false)
  })
})
