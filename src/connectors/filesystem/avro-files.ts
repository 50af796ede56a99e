import { MillraceError } from '../../common/errors.ts'
import {
  type AvroReaderSchema,
  type AvroSchemaSource,
  declaredAvro,
  isDeclaredType,
  schemaAvro,
} from '../../formats/avro.ts'
import { AvroContainerWriter } from '../../formats/avro-container.ts'
import { parseAvroSchema } from '../../formats/avro-node.ts'
import type { AvroRead } from '../../formats/avro-resolution.ts'
import type { DeclaredType } from '../../formats/data-type.ts'
import { AvroFileReading } from './avro-file-reading.ts'
import type { PartEncoder } from './file-format.ts'
import type { ReadableFileFormat } from './file-reading.ts'

/**
 * Avro object container files, which hold their schema: of a declared type, or of a schema with the values of `avro()`.
 * Files that are read may have been written with any schema that the given one can read, and packed by deflate, zstandard or
 * not at all.
 * @param options.codec of files that are written; default `deflate`; `null` for none
 * @throws MillraceError MR_JOB_DEFINITION where it is no Avro schema
 */
export function avroFiles<T>(
  source: DeclaredType<T> | AvroSchemaSource,
  options: { readonly codec?: 'null' | 'deflate' } = {},
): ReadableFileFormat<T> {
  const { codec = 'deflate' } = options
  if (codec !== 'null' && codec !== 'deflate') {
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `avroFiles(): codec ${JSON.stringify(codec)} is neither null nor deflate`,
    )
  }
  const own = isDeclaredType<T>(source) ? declaredAvro(source) : schemaAvro<T>(source, source, {})
  const write = own.writeOwn()
  let parts = 0
  return {
    suffix: '.avro',
    type: own.type,
    splittable: false,
    openFile: (split, waker) => new AvroFileReading(split, (schemaText) => readerOf(own, schemaText), waker),
    createPart: (): PartEncoder<T> => new AvroContainerWriter({ text: own.schemaText, write }, codec, String(parts++)),
  }
}

/** What a file that holds this schema is read with. */
function readerOf<T>(own: AvroReaderSchema<T>, schemaText: string): AvroRead {
  if (schemaText === own.schemaText) return own.readOwn()
  return own.readFrom(parseAvroSchema(schemaText, "avroFiles(): the file's schema"))
}
