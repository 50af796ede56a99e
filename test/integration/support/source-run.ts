import type {
  EnumeratorContext,
  Source,
  SourceOutput,
  SourceReader,
  SourceSplit,
  SplitEnumerator,
  UndecodedRecord,
} from '../../../src/api/source.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { kafkaEnumerator } from '../../../src/connectors/kafka/kafka-enumerator.ts'

export interface Collected<T> {
  readonly splitId: string
  readonly value: T
  readonly timestamp: number
}

/** Drives a reader by hand, as a task would: polls, waits to be woken, takes snapshots. */
export class SourceRun<T> {
  readonly records: Collected<T>[] = []
  readonly deadLetters: UndecodedRecord[] = []
  readonly finishedSplits: string[] = []
  readonly reader: SourceReader<T>
  ended = false
  #wake: () => void = () => undefined
  #awake = true
  #failure: unknown

  constructor(source: Source<T>, splits: readonly SourceSplit[]) {
    this.reader = source.createReader({
      subtaskIndex: 0,
      parallelism: 1,
      operatorName: 'test',
      clock: systemClock,
      wake: () => {
        this.#awake = true
        this.#wake()
      },
      fail: (error) => {
        this.#failure = error
        this.#wake()
      },
    })
    this.reader.addSplits(splits)
  }

  get values(): T[] {
    return this.records.map(({ value }) => value)
  }

  /** Polls until `done` says so, the reader has ended, or the time is over, which fails the test. */
  async until(done: () => boolean, { maxRecords = 512, limitMs = 30_000 } = {}): Promise<this> {
    const deadline = Date.now() + limitMs
    const output = this.#output()
    while (!this.ended && !done()) {
      if (this.#failure !== undefined) throw this.#failure
      if (Date.now() > deadline) throw new Error(`not done after ${limitMs} ms: ${this.records.length} records`)
      const result = this.reader.poll(output, maxRecords)
      this.ended = result === 'ended'
      if (result === 'waiting' || result === 'blocked') await this.#woken(200)
    }
    return this
  }

  /** Polls to the end of all splits and closes the reader. */
  async toEnd(): Promise<this> {
    this.reader.noMoreSplits()
    await this.until(() => false)
    await this.reader.close()
    return this
  }

  #output(): SourceOutput<T> {
    let splitId = ''
    return {
      useSplit: (id) => {
        splitId = id
      },
      collect: (value, timestamp) => {
        this.records.push({ splitId, value, timestamp })
      },
      deadLetter: (letter) => {
        this.deadLetters.push(letter)
      },
      splitFinished: (id) => {
        this.finishedSplits.push(id)
      },
    }
  }

  #woken(limitMs: number): Promise<void> {
    if (this.#awake) {
      this.#awake = false
      return new Promise((resolve) => setImmediate(resolve))
    }
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs)
      this.#wake = () => {
        clearTimeout(timer)
        this.#awake = false
        resolve()
      }
    })
  }
}

/** Runs `action` with the source's enumerator; gives its result and the warnings. */
export async function withEnumerator<Result>(
  source: Source<unknown>,
  action: (enumerator: SplitEnumerator) => Promise<Result>,
  warnings: string[] = [],
): Promise<Result> {
  const context: EnumeratorContext = {
    operatorName: 'test',
    clock: systemClock,
    warn: (message) => {
      warnings.push(message)
    },
  }
  const enumerator = kafkaEnumerator(source.description, context)
  try {
    return await action(enumerator)
  } finally {
    await enumerator.close()
  }
}

export function startSplits(source: Source<unknown>): Promise<readonly SourceSplit[]> {
  return withEnumerator(source, (enumerator) => enumerator.start(1))
}

/** Everything that a bounded source has. */
export async function readToEnd<T>(source: Source<T>): Promise<SourceRun<T>> {
  return new SourceRun(source, await startSplits(source)).toEnd()
}
