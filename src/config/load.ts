import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { MillraceError, messageOf } from '../common/errors.ts'
import {
  type Configuration,
  type ConfigurationLayer,
  environmentLayer,
  flattenDocument,
  resolveConfiguration,
} from './configuration.ts'

/**
 * The configuration of a command: flags (`-D key=value`) over `MILLRACE_…` variables over `millrace.yaml` in the folder.
 * @throws MillraceError MR_CONFIGURATION
 */
export function loadConfiguration(folder: string, flags: readonly string[]): Configuration {
  return resolveConfiguration([
    flagLayer(flags),
    environmentLayer(process.env),
    fileLayer(join(folder, 'millrace.yaml')),
  ])
}

function flagLayer(flags: readonly string[]): ConfigurationLayer {
  const entries = flags.map((flag): [string, string] => {
    const at = flag.indexOf('=')
    if (at <= 0) throw new MillraceError('MR_CONFIGURATION', `-D ${flag}: write -D key=value`)
    return [flag.slice(0, at).trim(), flag.slice(at + 1).trim()]
  })
  return { origin: '-D', entries }
}

function fileLayer(file: string): ConfigurationLayer {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { origin: file, entries: [] }
    throw new MillraceError('MR_CONFIGURATION', `${file} can not be read: ${messageOf(error)}`, { cause: error })
  }
  let document: unknown
  try {
    document = parse(content)
  } catch (error) {
    throw new MillraceError('MR_CONFIGURATION', `${file} is no YAML: ${messageOf(error)}`, { cause: error })
  }
  return flattenDocument(document, 'millrace.yaml')
}
