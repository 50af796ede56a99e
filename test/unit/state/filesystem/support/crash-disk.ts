import fileSystem, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'

const real = { ...fileSystem }

interface DiskFile {
  readonly type: 'file'
  bytes: Buffer
  /** What fsync has made sure of; undefined: nothing. */
  durable: Buffer | undefined
}

interface DiskFolder {
  readonly type: 'folder'
  readonly entries: Map<string, DiskEntry>
  /** What fsync of the folder has made sure of. */
  durable: ReadonlyMap<string, DiskEntry>
}

type DiskEntry = DiskFile | DiskFolder

/** What the disk may hold after the machine has lost its power. */
export type Luck =
  /** Only what fsync has made sure of. */
  | 'worst'
  /** Everything that was written: the crash of a process alone. */
  | 'best'
  /** Any mixture: what was not synchronised is there, is not, or is torn. */
  | (() => number)

/**
 * Records what is written below a folder, as a disk would keep it: a file's bytes are safe after fsync of the file, its
 * name after fsync of its folder, each name by itself (POSIX promises no more). After any number of system calls the
 * possible contents after a crash can be laid out in another folder.
 */
export class CrashDisk {
  readonly root: string
  readonly #disk: DiskFolder = newFolder()
  /** Called after each system call that changes something. */
  onCall: (call: string) => Promise<void> = async () => {}
  /** System calls that fail, without doing anything. */
  failing: string | RegExp | undefined

  constructor(root: string) {
    this.root = root
  }

  /** Takes the place of node:fs/promises for all modules; gives back what ends it. */
  install(): () => void {
    const patch: Partial<typeof fileSystem> = {
      open: (async (path: string, flags = 'r', mode?: number) =>
        this.#open(path, String(flags), mode)) as typeof fileSystem.open,
      mkdir: (async (path: string) => {
        this.#failIfAsked('mkdir', path)
        await real.mkdir(path)
        this.#folder(dirname(path))?.entries.set(basename(path), newFolder())
        await this.#called('mkdir', path)
      }) as typeof fileSystem.mkdir,
      link: (async (from: string, to: string) => {
        this.#failIfAsked('link', to)
        await real.link(from, to)
        this.#move(from, to)
        await this.#called('link', to)
      }) as typeof fileSystem.link,
      rename: (async (from: string, to: string) => {
        this.#failIfAsked('rename', to)
        await real.rename(from, to)
        this.#move(from, to)
        this.#folder(dirname(from))?.entries.delete(basename(from))
        await this.#called('rename', to)
      }) as typeof fileSystem.rename,
      unlink: (async (path: string) => {
        this.#failIfAsked('unlink', path)
        await real.unlink(path)
        this.#folder(dirname(path))?.entries.delete(basename(path))
        await this.#called('unlink', path)
      }) as typeof fileSystem.unlink,
      rmdir: (async (path: string) => {
        this.#failIfAsked('rmdir', path)
        await real.rmdir(path)
        this.#folder(dirname(path))?.entries.delete(basename(path))
        await this.#called('rmdir', path)
      }) as typeof fileSystem.rmdir,
    }
    Object.assign(fileSystem, patch)
    syncBuiltinESMExports()
    return () => {
      Object.assign(fileSystem, real)
      syncBuiltinESMExports()
    }
  }

  /** Writes what the disk may hold now into a folder. */
  async layOut(target: string, luck: Luck): Promise<void> {
    await layOutFolder(this.#disk, target, luck)
  }

  async #open(path: string, flags: string, mode: number | undefined): Promise<Partial<FileHandle>> {
    const handle = await real.open(path, flags, mode)
    const writes = flags.startsWith('w')
    if (writes) {
      const file: DiskFile = { type: 'file', bytes: Buffer.alloc(0), durable: undefined }
      this.#folder(dirname(path))?.entries.set(basename(path), file)
      await this.#called('open', path)
    }
    const entry = this.#entry(path)
    return {
      fd: handle.fd,
      read: handle.read.bind(handle),
      writeFile: async (data) => {
        this.#failIfAsked('write', path)
        await handle.writeFile(data)
        if (entry?.type === 'file') entry.bytes = Buffer.from(data as Uint8Array)
        await this.#called('write', path)
      },
      sync: async () => {
        this.#failIfAsked('fsync', path)
        // The model says what is durable: the machine's disk need not be waited for.
        if (entry?.type === 'file') entry.durable = entry.bytes
        if (entry?.type === 'folder') entry.durable = new Map(entry.entries)
        await this.#called('fsync', path)
      },
      close: async () => handle.close(),
    }
  }

  #move(from: string, to: string): void {
    const entry = this.#entry(from)
    if (entry !== undefined) this.#folder(dirname(to))?.entries.set(basename(to), entry)
  }

  #entry(path: string): DiskEntry | undefined {
    if (path === this.root) return this.#disk
    if (!path.startsWith(`${this.root}/`)) return undefined
    return this.#folder(dirname(path))?.entries.get(basename(path))
  }

  #folder(path: string): DiskFolder | undefined {
    const entry = this.#entry(path)
    return entry?.type === 'folder' ? entry : undefined
  }

  async #called(call: string, path: string): Promise<void> {
    if (path.startsWith(this.root)) await this.onCall(`${call} ${path.slice(this.root.length + 1)}`)
  }

  #failIfAsked(call: string, path: string): void {
    if (this.failing === undefined || !path.startsWith(this.root)) return
    const text = `${call} ${path.slice(this.root.length + 1)}`
    const isMeant = typeof this.failing === 'string' ? text === this.failing : this.failing.test(text)
    if (isMeant) throw Object.assign(new Error(`ENOSPC: no space left on device, ${text}`), { code: 'ENOSPC' })
  }
}

function newFolder(): DiskFolder {
  return { type: 'folder', entries: new Map(), durable: new Map() }
}

async function layOutFolder(folder: DiskFolder, target: string, luck: Luck): Promise<void> {
  await real.mkdir(target, { recursive: true })
  for (const [name, entry] of entriesAfter(folder, luck)) {
    const path = join(target, name)
    if (entry.type === 'folder') await layOutFolder(entry, path, luck)
    else await real.writeFile(path, bytesAfter(entry, luck))
  }
}

function entriesAfter({ entries, durable }: DiskFolder, luck: Luck): ReadonlyMap<string, DiskEntry> {
  if (luck === 'worst') return durable
  if (luck === 'best') return entries
  const mixed = new Map<string, DiskEntry>()
  for (const name of new Set([...entries.keys(), ...durable.keys()])) {
    const entry = luck() < 0.5 ? entries.get(name) : durable.get(name)
    if (entry !== undefined) mixed.set(name, entry)
  }
  return mixed
}

function bytesAfter({ bytes, durable }: DiskFile, luck: Luck): Buffer {
  if (luck === 'best') return bytes
  if (durable !== undefined) return durable
  if (luck === 'worst') return Buffer.alloc(0)
  return bytes.subarray(0, Math.floor(luck() * (bytes.length + 1)))
}
