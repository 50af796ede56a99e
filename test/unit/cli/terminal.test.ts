import { expect, test } from 'vitest'
import { errorText } from '../../../src/cli/error-text.ts'
import { addProgress, noProgress } from '../../../src/cli/run-totals.ts'
import { TerminalObserver } from '../../../src/cli/terminal.ts'

function screen(isTTY: boolean, outputIsTerminal = false) {
  let text = ''
  let now = 0
  const write = (more: string) => {
    text += more
  }
  const stream = { isTTY, columns: 200, write }
  const observer = new TerminalObserver(stream, () => now, outputIsTerminal)
  return { observer, text: () => text, advance: (ms: number) => (now += ms) }
}

test('a terminal shows one line that is kept up to date', () => {
  const { observer, text, advance } = screen(true)
  observer.progress('views', { ...noProgress, state: 'RUNNING', recordsIn: 1000 })
  advance(500)
  const watermark = Date.UTC(2026, 0, 2, 3, 4, 5)
  const lastCheckpoint = { id: 7, durationMs: 12.4, bytes: 100 }
  observer.progress('views', {
    ...noProgress,
    state: 'RUNNING',
    recordsIn: 2500,
    recordsOut: 3,
    lag: 12_000,
    watermark,
    lastCheckpoint,
  })
  expect(text().split('\r').at(-1)).toBe(
    '\x1b[2Kviews · RUNNING · 3,000 records/s · 2,500 in · 3 out · lag 12,000 · watermark 2026-01-02T03:04:05.000Z · checkpoint 7 in 12 ms',
  )
})

test('the rate is that of the last seconds, since slots report once a second', () => {
  const { observer, text, advance } = screen(true)
  const rates: string[] = []
  for (let half = 0; half < 20; half++) {
    observer.progress('views', { ...noProgress, recordsIn: Math.floor(half / 2) * 1000 })
    rates.push(/([\d,]+) records\/s/.exec(text().split('\r').at(-1) ?? '')?.[1] ?? '')
    advance(500)
  }
  expect(rates.at(-1)).toBe('1,000')
  expect(rates.at(-2)).toBe('1,000')
})

test('where the job prints on the same terminal there is no progress line for it to run into', () => {
  const shared = screen(true, true)
  shared.observer.started('views', { notes: [], prints: true })
  shared.observer.progress('views', noProgress)
  expect(shared.text()).toBe('millrace: job views started\n')
  const apart = screen(true)
  apart.observer.started('views', { notes: [], prints: true })
  apart.observer.progress('views', noProgress)
  expect(apart.text()).toContain('0 records/s')
})

test('elsewhere only what happens is written', () => {
  const { observer, text } = screen(false)
  observer.started('views', { notes: ['no checkpoint to start from: starting fresh'], prints: false })
  observer.progress('views', noProgress)
  observer.warning('the job failed and restarts in 5 ms: boom')
  observer.processLost('signal SIGKILL', 1000)
  expect(text()).toBe(
    [
      'millrace: job views started',
      'millrace: no checkpoint to start from: starting fresh',
      'millrace: warning: the job failed and restarts in 5 ms: boom',
      'millrace: the working process was lost (signal SIGKILL); starting again from the latest checkpoint in 1000 ms',
      '',
    ].join('\n'),
  )
})

test('counts of lost working processes are added, the rest is that of the present one', () => {
  const before = { ...noProgress, recordsIn: 10, checkpoints: 2, restarts: 1, state: 'RUNNING', lag: 5 }
  const now = { ...noProgress, recordsIn: 3, checkpoints: 1, state: 'FINISHED', lag: 0 }
  expect(addProgress(before, now)).toMatchObject({
    recordsIn: 13,
    checkpoints: 3,
    restarts: 1,
    state: 'FINISHED',
    lag: 0,
  })
})

test('an error says code, operator, what happened and what to do, with the places of user code only for user code', () => {
  const stack = 'Error: boom\n    at score (job.ts:7:3)\n    at map (job.ts:9:1)'
  expect(errorText({ code: 'MR_USER_FUNCTION', message: 'boom', operator: 'score', stack })).toBe(
    'millrace: MR_USER_FUNCTION in operator score: boom\n    at score (job.ts:7:3)\n    at map (job.ts:9:1)\n  what to do: See the named operator and record; handle the case, or send such records to a side output.',
  )
  expect(errorText({ code: 'MR_KAFKA_TOPIC', message: 'there is no topic ads', stack })).not.toContain('job.ts')
})
