import { fileURLToPath } from 'node:url'
import type { Duration } from '../common/duration.ts'
import { durationMs } from '../common/duration.ts'
import { MillraceError, messageOf } from '../common/errors.ts'
import type { DeadLetterBudget } from './dead-letters.ts'

const packageFolder = fileURLToPath(new URL('../../', import.meta.url))
/** The engine's own files: the sources, and what they are compiled to. */
const ownFolders = [`${packageFolder}src/`, `${packageFolder}dist/`]

/**
 * `file:line` of the innermost stack frame that is the user's: neither ours, nor Node's, nor of a library. With source
 * maps on, Node has put the original places into the stack text.
 */
export function declarationPlace(): string {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 50
  const { stack } = new Error('where')
  Error.stackTraceLimit = limit
  return userPlace(stack) ?? 'an unknown place'
}

/** The innermost place in a stack text that is the user's. */
export function userPlace(stack: unknown): string | undefined {
  if (typeof stack !== 'string') return undefined
  const places = stack.split('\n').flatMap(placeOfFrame)
  const place = places.find(({ file }) => !file.includes('/node_modules/')) ?? places[0]
  return place === undefined ? undefined : `${place.file}:${place.line}`
}

const frame = /^\s*at (?:async )?(?:.*? \()?((?:file:\/\/|\/|[A-Za-z]:[\\/]).*):(\d+):\d+\)?$/

function placeOfFrame(text: string): readonly { readonly file: string; readonly line: string }[] {
  const match = frame.exec(text)
  const [, address = '', line = ''] = match ?? []
  const file = address.startsWith('file://') ? fileURLToPath(address) : address
  if (match === null || ownFolders.some((folder) => file.startsWith(folder))) return []
  return [{ file: file.replace(/\?.*$/, ''), line }]
}

/** A mistake in the declaration of an operator; `subject` is its name or the call that makes it. */
export function definitionError(subject: string, message: string, declaredAt = declarationPlace()): MillraceError {
  return new MillraceError('MR_JOB_DEFINITION', `${subject} (declared at ${declaredAt}): ${message}`, {
    operator: subject,
  })
}

/** Milliseconds of an option of a declaration, whole and from `least` on. */
export function declaredDurationMs(duration: Duration, subject: string, option: string, least: 0 | 1): number {
  const milliseconds = checkedDuration(duration, subject, option)
  if (Number.isSafeInteger(milliseconds) && milliseconds >= least) return milliseconds
  const allowed = least === 0 ? 'whole milliseconds' : 'whole milliseconds, 1 at least'
  throw definitionError(subject, `${option} is ${JSON.stringify(duration)}; it has to be ${allowed}`)
}

/** Milliseconds of a duration that may be negative, as '-5s'. */
export function declaredSignedDurationMs(duration: Duration, subject: string, option: string): number {
  const text = typeof duration === 'string' ? duration.trim() : duration
  const negative = typeof text === 'string' ? text.startsWith('-') : text < 0
  const amount = typeof text === 'string' ? text.replace(/^-/, '') : Math.abs(text)
  const amountMs = checkedDuration(amount, subject, option)
  if (!Number.isSafeInteger(amountMs)) {
    throw definitionError(subject, `${option} is ${JSON.stringify(duration)}; it has to be whole milliseconds`)
  }
  return negative && amountMs > 0 ? -amountMs : amountMs
}

function checkedDuration(duration: Duration, subject: string, option: string): number {
  try {
    return durationMs(duration, option)
  } catch (error) {
    throw definitionError(subject, messageOf(error))
  }
}

/** A whole number of an option of a declaration, from `least` on. */
export function declaredInteger(value: number, subject: string, option: string, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw definitionError(subject, `${option} is ${String(value)}; it has to be a whole number, ${least} at least`)
}

/** The budget of a dead-letter output; undefined: no limit. */
export function declaredBudget(budget: DeadLetterBudget | undefined, subject: string): DeadLetterBudget | undefined {
  if (budget === undefined) return undefined
  if ('count' in budget) return { count: declaredInteger(budget.count, subject, 'the budget', 0) }
  const { share, of } = budget
  if (!(share > 0 && share <= 1)) {
    throw definitionError(subject, `the share of the budget is ${String(share)}; it has to be above 0 and up to 1`)
  }
  return { share, of: declaredInteger(of, subject, 'the records of the budget', 1) }
}

/** Refuses what types can not keep out of a bundled job: esbuild does not check them. */
export function declaredFunction(value: unknown, subject: string, option: string): void {
  if (typeof value === 'function') return
  throw definitionError(
    subject,
    `${option} is ${value === null || value === undefined ? String(value) : `a ${typeof value}`}; it has to be a function`,
  )
}

/**
 * A function that is called for each record. TypeScript lets an async one pass where nothing is returned: its results
 * would come after the step that they belong to, and its errors would be nobody's.
 */
export function declaredSynchronousFunction(value: unknown, subject: string, option: string): void {
  declaredFunction(value, subject, option)
  if (!/^\[object Async/.test(Object.prototype.toString.call(value))) return
  throw definitionError(
    subject,
    `${option} is async; functions of a job can not wait, since they are called within a step`,
  )
}

/** The functions of an object that a job gives: those that are `needed`, and `others` where they are there. */
export function declaredFunctions(
  functions: unknown,
  subject: string,
  names: { readonly needed: readonly string[]; readonly others: readonly string[] },
): void {
  const given = (functions ?? {}) as Readonly<Record<string, unknown>>
  for (const name of names.needed) declaredSynchronousFunction(given[name], subject, name)
  for (const name of names.others) {
    if (given[name] !== undefined) declaredSynchronousFunction(given[name], subject, name)
  }
}

/** The methods of a process function: those that may be left out are checked where they are there. */
export function declaredProcessFunction(process: unknown, subject: string): void {
  declaredFunctions(process, subject, { needed: ['processElement'], others: ['open', 'onTimer', 'close'] })
}

/** A text that is not empty. */
export function declaredText(value: string, subject: string, option: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value
  throw definitionError(subject, `${option} is empty; it has to be a text`)
}
