import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { MillraceError, messageOf } from '../common/errors.ts'
import {
  type Configuration,
  type ConfigurationLayer,
  environmentLayer,
  flattenDocument,
  resolveConfiguration,
} from './configuration.ts'

/** The flags that set keys, as they were written. */
export interface ConfigurationFlags {
  /** `-p` */
  readonly parallelism?: string
  /** `-D key=value` */
  readonly define: readonly string[]
}

/**
 * The configuration of a command: flags over `MILLRACE_…` variables over `millrace.yaml` in the folder. Operators that
 * set no parallelism get as many subtasks as there are cores, or as `defaultParallelism` says.
 * @throws MillraceError MR_CONFIGURATION
 */
export async function loadConfiguration(
  folder: string,
  flags: ConfigurationFlags,
  defaultParallelism = availableParallelism(),
): Promise<Configuration> {
  return resolveConfiguration([
    parallelismLayer(flags.parallelism),
    flagLayer(flags.define),
    environmentLayer(process.env),
    await fileLayer(join(folder, 'millrace.yaml')),
    { origin: 'defaults', entries: [['parallelism.default', String(defaultParallelism)]] },
  ])
}

function parallelismLayer(parallelism: string | undefined): ConfigurationLayer {
  return {
    origin: '-p',
    nameOf: () => '-p',
    entries: parallelism === undefined ? [] : [['parallelism.default', parallelism]],
  }
}

function flagLayer(flags: readonly string[]): ConfigurationLayer {
  const entries = flags.map((flag): [string, string] => {
    const at = flag.indexOf('=')
    if (at <= 0) throw new MillraceError('MR_CONFIGURATION', `-D ${flag}: write -D key=value`)
    return [flag.slice(0, at).trim(), flag.slice(at + 1).trim()]
  })
  return { origin: '-D', entries }
}

async function fileLayer(file: string): Promise<ConfigurationLayer> {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { origin: file, entries: [] }
    throw new MillraceError('MR_CONFIGURATION', `${file} can not be read: ${messageOf(error)}`, { cause: error })
  }
  const { parse } = await import('yaml') // most commands need none
  let document: unknown
  try {
    document = parse(content)
  } catch (error) {
    // What follows the first line is the text around the place.
    const [reason = ''] = messageOf(error).split('\n')
    throw new MillraceError('MR_CONFIGURATION', `${file} is no YAML: ${reason.replace(/:$/, '')}`, { cause: error })
  }
  return flattenDocument(document, 'millrace.yaml')
}
