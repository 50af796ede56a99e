import { createHash } from 'node:crypto'
import { MillraceError } from '../common/errors.ts'

/** The name of a job bundle: its content decides it. Lower-case hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** @throws MillraceError MR_JOB_BUNDLE where the bytes are not those that the name stands for */
export function checkBundle(sha256: string, bytes: Uint8Array): void {
  const actual = sha256Of(bytes)
  if (actual === sha256) return
  throw new MillraceError('MR_JOB_BUNDLE', `bundle ${sha256}: its content has the SHA-256 ${actual}`)
}

export function missingBundle(sha256: string): MillraceError {
  return new MillraceError('MR_JOB_BUNDLE', `bundle ${sha256}: it is not stored`)
}
