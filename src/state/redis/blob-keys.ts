import { MillraceError } from '../../common/errors.ts'

const nameOfBlob = /^(?!\.)[\w.-]+(?:\/(?!\.)[\w.-]+)*$/
/** Stands for the job of a name without folders; no name begins with a dot. */
const noJob = '.'

/** Where the blobs of a cluster are: without a hash tag, so that they spread over the slots of a Redis Cluster. */
export function blobPrefix(clusterId: string): string {
  return `mr:${clusterId}:blob:`
}

/** Where a blob stands in the index. Folder sets and folders of a job share a hash tag: scripts change both. */
export interface BlobPlace {
  readonly job: string
  readonly folder: string
  readonly base: string
}

/** @throws MillraceError MR_INTERNAL where the name could be another key's */
export function placeOf(name: string): BlobPlace {
  if (!nameOfBlob.test(name)) throw new MillraceError('MR_INTERNAL', `${name} is no name of a blob.`)
  const end = name.lastIndexOf('/')
  const folder = end < 0 ? '' : name.slice(0, end)
  return { job: end < 0 ? noJob : name.slice(0, name.indexOf('/')), folder, base: name.slice(end + 1) }
}

/** The jobs in whose index names with this prefix stand; undefined: it may be any. */
export function jobOfPrefix(prefix: string): string | undefined {
  return prefix.includes('/') ? prefix.slice(0, prefix.indexOf('/')) : undefined
}

export class BlobKeys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  piece(name: string, piece: number): string {
    return piece === 0 ? `${this.#prefix}${name}` : `${this.#prefix}${name}:${piece}`
  }

  /** All pieces of a blob. */
  pieces(name: string, count: number): readonly string[] {
    return Array.from({ length: count }, (_, piece) => this.piece(name, piece))
  }

  folders(job: string): string {
    return `${this.#prefix}index:{${job}}`
  }

  folder(job: string, folder: string): string {
    return `${this.#prefix}index:{${job}}:${folder}`
  }

  /** For SCAN: what stands in the index of jobs that begin so. */
  indexPattern(jobBeginning: string): string {
    return `${this.#prefix}index:{${jobBeginning}*`
  }

  get noJobPattern(): string {
    return `${this.#prefix}index:{${noJob}}*`
  }

  jobOfIndexKey(key: string): string {
    const start = this.#prefix.length + 'index:{'.length
    return key.slice(start, key.indexOf('}', start))
  }
}
