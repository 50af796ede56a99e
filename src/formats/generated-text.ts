/*
 * Text that becomes code by `new Function`. Only two kinds of text may enter it: what is written here and in the files
 * that use this one, and names that went through `quoted`. So no field name can become code.
 */

/** A string literal of JavaScript. JSON's escapes are a subset of JavaScript's (ES2019). */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

let serial = 0

/**
 * Compiles the body of a function that sees `scope` under its names. Each call gives the text a serial number: V8
 * shares what it learns about types between functions of the same text, and each should be specialised for its own.
 */
export function compile<F>(name: string, scope: Readonly<Record<string, unknown>>, body: string): F {
  serial++
  const build = new Function(
    ...Object.keys(scope),
    `'use strict'\n// ${serial}\n${body}\n//# sourceURL=millrace-generated/${name}-${serial}`,
  )
  return build(...Object.values(scope)) as F
}

/** Fresh names for local variables of a generated function. */
export class LocalNames {
  #next = 0

  /** A name that this function does not have yet. */
  fresh(prefix: string): string {
    return `${prefix}${this.#next++}`
  }
}
