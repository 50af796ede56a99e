import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type BuildFailure, build, type Message, type Plugin, stop } from 'esbuild'
import { MillraceError, messageOf } from '../common/errors.ts'
import { engineEntryPoints } from '../task/engine-modules.ts'
import { engineVersion } from './engine-version.ts'

/** A job file with everything it imports in one module (R40). */
export interface JobBundle {
  readonly url: string
  /** SHA-256 of its text, hexadecimal. */
  readonly sha256: string
  /** To be called when nothing imports it any more. */
  remove(): void
}

/**
 * Bundles a job file and its modules into one `.mjs` in `.millrace/bundles` below `folder`. Only `millrace` and `node:` stay outside: the first
 * is resolved to the running engine when the bundle is imported, so that its version is checked here.
 *
 * @throws MillraceError MR_JOB_DEFINITION where the file does not exist or does not compile, or where it needs a native
 *   addon, a worker file, or another version of millrace; MR_STORAGE where the bundle can not be written
 */
export async function bundleJob(file: string, folder: string): Promise<JobBundle> {
  const path = resolve(file)
  if (!existsSync(path)) throw new MillraceError('MR_JOB_DEFINITION', `${file}: there is no such job file`)
  if (!statSync(path).isFile()) throw new MillraceError('MR_JOB_DEFINITION', `${file} is a folder: name the job's file`)
  const bundles = join(folder, '.millrace', 'bundles')
  const text = await bundleText(path, bundles)
  const sha256 = createHash('sha256').update(text).digest('hex')
  const target = join(bundles, `${sha256}-${process.pid}.mjs`)
  try {
    mkdirSync(bundles, { recursive: true })
    removeLeftovers(bundles)
    writeFileSync(target, text)
  } catch (error) {
    throw new MillraceError('MR_STORAGE', `the job's bundle can not be written to ${target}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return { url: pathToFileURL(target).href, sha256, remove: () => rmSync(target, { force: true }) }
}

/** Bundles of commands that were killed: slots of a command that runs import its bundle at every start. */
function removeLeftovers(bundles: string): void {
  for (const name of readdirSync(bundles)) {
    const pid = /-(\d+)\.mjs$/.exec(name)?.[1]
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(bundles, name), { force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH' // another user's process runs too
  }
}

async function bundleText(path: string, folder: string): Promise<Uint8Array> {
  try {
    const result = await build({
      entryPoints: [path],
      bundle: true,
      write: false,
      metafile: true,
      outfile: join(folder, 'job.mjs'), // not written: the source map's paths are relative to it
      format: 'esm',
      platform: 'node',
      target: 'node24',
      // Schemas become part of the job, so that they are there wherever it runs.
      loader: { '.proto': 'text', '.avsc': 'json' },
      sourcemap: 'inline',
      sourcesContent: false,
      logLevel: 'silent',
      // CommonJS packages in the bundle may call require for Node's own modules.
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
      plugins: [engineOutside(), noNativeAddons()],
    })
    refuseWorkerFiles(Object.keys(result.metafile.inputs))
    const [output] = result.outputFiles
    if (output === undefined) throw new MillraceError('MR_INTERNAL', `${path}: the bundler gave no output`)
    return output.contents
  } catch (error) {
    if (isBuildFailure(error))
      throw new MillraceError('MR_JOB_DEFINITION', error.errors.map(describe).join('\n'), { cause: error })
    throw error
  } finally {
    // The bundler is a process of its own, which would stay for the life of the run.
    await stop()
  }
}

/** Keeps `millrace` and its entry points outside of the bundle, and compares the version that the job was written with. */
function engineOutside(): Plugin {
  return {
    name: 'engine-outside',
    setup(pluginBuild) {
      pluginBuild.onResolve({ filter: /^millrace($|\/)/ }, (args) => {
        if (!engineEntryPoints.includes(args.path)) {
          return { errors: [{ text: `there is no ${args.path}; there are ${engineEntryPoints.join(', ')}` }] }
        }
        const other = installedVersion(args.resolveDir)
        if (other !== undefined && other !== engineVersion) {
          const text = `the job has millrace ${other} in its node_modules, and this command is millrace ${engineVersion}: run the job's own by npx millrace, or install the same version`
          return { errors: [{ text }] }
        }
        return { path: args.path, external: true }
      })
    },
  }
}

function installedVersion(folder: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(
      readFileSync(createRequire(join(folder, 'job.js')).resolve('millrace/package.json'), 'utf8'),
    )
    const version = (manifest as { readonly version?: unknown }).version
    return typeof version === 'string' ? version : undefined
  } catch {
    return undefined // a global command and a job without node_modules: nothing to compare
  }
}

/** Packages that load a compiled addon at run time. */
const addonLoaders = /^(bindings|node-gyp-build|@mapbox\/node-pre-gyp|prebuild-install)$/

function noNativeAddons(): Plugin {
  return {
    name: 'no-native-addons',
    setup(pluginBuild) {
      const refuse = (importer: string, path: string) => ({
        errors: [
          { text: `${shortPath(importer)} loads the native addon ${path}: a job bundle can not hold one (R40)` },
        ],
      })
      pluginBuild.onResolve({ filter: /\.node$/ }, (args) => refuse(args.importer, args.path))
      pluginBuild.onResolve({ filter: addonLoaders }, (args) => refuse(args.importer, args.path))
    },
  }
}

/** A worker's entry file is no module of the bundle: the job would look for it beside the bundle and not find it. */
function refuseWorkerFiles(inputs: readonly string[]): void {
  for (const input of inputs) {
    const path = isAbsolute(input) ? input : resolve(input)
    if (!existsSync(path)) continue
    const source = readFileSync(path, 'utf8')
    if (/\bnew\s+Worker\s*\(/.test(source) && source.includes('worker_threads')) {
      throw new MillraceError(
        'MR_JOB_DEFINITION',
        `${shortPath(path)} starts a worker thread from a file of its own: a job bundle can not hold one (R40)`,
      )
    }
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors)
}

function describe(message: Message): string {
  const { location } = message
  return location === null ? message.text : `${location.file}:${location.line}:${location.column + 1}: ${message.text}`
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}
