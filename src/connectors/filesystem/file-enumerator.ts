import { type Dirent, promises as files, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { EnumeratorContext, SourceDescription, SourceSplit, SplitEnumerator } from '../../api/source.ts'
import { MillraceError, messageOf } from '../../common/errors.ts'
import type { JsonValue } from '../../common/json.ts'
import { type FileSplit, fileSplitId, fileSplitOf, isGzip, sourceSplitOf } from './file-split.ts'

/** What the enumerator of a file source knows: data alone (R27). */
export interface FileSourceSettings {
  /** Files and folders, absolute. */
  readonly paths: readonly string[]
  /** Larger files are cut; null: none is. */
  readonly maxSplitBytes: number | null
  /** null: what is there at the start is all. */
  readonly discoveryIntervalMs: number | null
}

/** The enumerator of a file source: lists files, cuts them into splits, and looks for new ones. */
export function fileEnumerator(description: SourceDescription, context: EnumeratorContext): SplitEnumerator {
  return new FileEnumerator(description.options as unknown as FileSourceSettings, context)
}

export function fileDescription(settings: FileSourceSettings): SourceDescription {
  return { connector: 'filesystem', options: { ...settings } as unknown as JsonValue }
}

class FileEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs?: number
  readonly #settings: FileSourceSettings
  readonly #context: EnumeratorContext

  constructor(settings: FileSourceSettings, context: EnumeratorContext) {
    this.#settings = settings
    this.#context = context
    if (settings.discoveryIntervalMs !== null) this.discoveryIntervalMs = settings.discoveryIntervalMs
  }

  async start(): Promise<readonly SourceSplit[]> {
    const splits = await this.#splits(new Set())
    if (splits.length === 0) this.#context.warn(`there is no file in ${this.#settings.paths.join(', ')} yet`)
    return splits
  }

  async restore(known: readonly SourceSplit[]): Promise<readonly SourceSplit[]> {
    for (const split of known) await checkUnread(fileSplitOf(split))
    // What a bounded source reads was settled when it started.
    if (this.discoveryIntervalMs === undefined) return known
    return [...known, ...(await this.#splits(new Set(known.map(({ id }) => id))))]
  }

  async discover(knownIds: ReadonlySet<string>): Promise<readonly SourceSplit[]> {
    try {
      return await this.#splits(knownIds)
    } catch (error) {
      this.#context.warn(`could not look for new files: ${messageOf(error)}`)
      return []
    }
  }

  async checkpointCompleted(): Promise<void> {}

  async close(): Promise<void> {}

  async #splits(knownIds: ReadonlySet<string>): Promise<readonly SourceSplit[]> {
    const found = new Map<string, number>()
    for (const path of this.#settings.paths) await collectFiles(path, found)
    return [...found]
      .filter(([path]) => !knownIds.has(fileSplitId(path, 0)))
      .flatMap(([path, length]) => splitsOf(path, length, this.#settings.maxSplitBytes))
      .map(sourceSplitOf)
  }
}

/** Names that begin with `.` or `_` are those of files that are not finished, and of markers: Flink passes over the same. */
function isHidden({ name }: Dirent): boolean {
  return name.startsWith('.') || name.startsWith('_')
}

/** Lengths by path, in the order of the paths. A file that was named is read whatever its name. */
async function collectFiles(path: string, found: Map<string, number>): Promise<void> {
  const stats = await statsOf(path)
  if (stats === undefined) {
    throw new MillraceError('MR_CONFIGURATION', `FileSource: there is no file or folder ${path}`)
  }
  if (!stats.isDirectory()) {
    found.set(path, stats.size)
    return
  }
  const entries = (await files.readdir(path, { withFileTypes: true })).filter((entry) => !isHidden(entry))
  for (const { name } of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const below = join(path, name)
    // Gone since the folder was read: whoever moves files about may do so at any time.
    if ((await statsOf(below)) !== undefined) await collectFiles(below, found)
  }
}

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await files.stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MillraceError('MR_SOURCE_FILE', `FileSource: ${messageOf(error)}`, { cause: error })
  }
}

function splitsOf(path: string, length: number, maxSplitBytes: number | null): readonly FileSplit[] {
  if (maxSplitBytes === null || isGzip(path)) {
    return [{ path, start: 0, end: null, position: { offset: 0, index: 0, done: false } }]
  }
  const count = Math.max(1, Math.ceil(length / maxSplitBytes))
  return Array.from({ length: count }, (_, index): FileSplit => {
    const start = index * maxSplitBytes
    const end = index === count - 1 ? length : start + maxSplitBytes
    return { path, start, end, position: { offset: start, index: 0, done: false } }
  })
}

/** A file that is gone or shorter can not be read on: said before anything is deployed, never passed over. */
async function checkUnread({ path, end, position }: FileSplit): Promise<void> {
  if (position.done) return
  const stats = await statsOf(path)
  if (stats === undefined) {
    throw new MillraceError(
      'MR_SOURCE_FILE',
      `FileSource: ${path} is in the checkpoint and not read to its end, but gone`,
    )
  }
  const least = isGzip(path) ? 0 : Math.max(position.offset, end ?? 0)
  if (stats.size >= least) return
  throw new MillraceError(
    'MR_SOURCE_FILE',
    `FileSource: ${path} has ${stats.size} bytes, but had ${least} when it was found: files must not change`,
  )
}
