import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MillraceError, messageOf } from '../common/errors.ts'

/** Gives the bytes of a bundle by their SHA-256, out of the control store. */
export type FetchBundle = (sha256: string) => Promise<Buffer>

interface LocalBundle {
  readonly url: Promise<string>
  readonly path: string
  /** Slots that import it, or may do so again. */
  users: number
}

/**
 * The bundles of the jobs that a TaskManager process runs: fetched once, checked, and kept in a folder that only this
 * user can read, for as long as a slot needs them.
 */
export class JobBundles {
  readonly #fetch: FetchBundle
  readonly #folder: string
  readonly #bundles = new Map<string, LocalBundle>()

  /** @param parent where the folder is made, such as the system's folder for temporary files */
  constructor(fetch: FetchBundle, parent: string) {
    this.#fetch = fetch
    // mkdtemp makes it with mode 0700: nobody else may put code there.
    this.#folder = mkdtempSync(join(parent, 'millrace-bundles-'))
  }

  /**
   * The URL to import it from; each `acquire` is ended by one `release`, also where it rejects.
   * @throws MillraceError MR_JOB_BUNDLE where it is not what its SHA-256 says; MR_STORAGE; MR_REDIS_…
   */
  acquire(sha256: string): Promise<string> {
    const known = this.#bundles.get(sha256)
    if (known !== undefined) {
      known.users++
      return known.url
    }
    const path = join(this.#folder, `${sha256}.mjs`)
    const bundle: LocalBundle = { path, url: this.#stored(sha256, path), users: 1 }
    this.#bundles.set(sha256, bundle)
    // The next one who wants it tries again.
    bundle.url.catch(() => {
      if (this.#bundles.get(sha256) === bundle) this.#bundles.delete(sha256)
    })
    return bundle.url
  }

  release(sha256: string): void {
    const bundle = this.#bundles.get(sha256)
    if (bundle === undefined || --bundle.users > 0) return
    this.#bundles.delete(sha256)
    rmSync(bundle.path, { force: true })
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #stored(sha256: string, path: string): Promise<string> {
    const bytes = await this.#fetch(sha256)
    const actual = createHash('sha256').update(bytes).digest('hex')
    if (actual !== sha256) {
      throw new MillraceError('MR_JOB_BUNDLE', `the bundle ${sha256} is damaged: its SHA-256 is ${actual}`)
    }
    try {
      writeFileSync(path, bytes, { mode: 0o600 })
    } catch (error) {
      throw new MillraceError('MR_STORAGE', `the job's bundle can not be written to ${path}: ${messageOf(error)}`, {
        cause: error,
      })
    }
    return pathToFileURL(path).href
  }
}
