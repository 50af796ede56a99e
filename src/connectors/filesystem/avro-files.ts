import { MillraceError } from '../../common/errors.ts'
import { type AvroSchemaSource, declaredAvro, isDeclaredType, schemaAvro } from '../../formats/avro.ts'
import { AvroContainerWriter } from '../../formats/avro-container.ts'
import type { DeclaredType } from '../../formats/data-type.ts'
import type { FileFormat, PartEncoder } from './file-format.ts'

/**
 * Avro object container files, which hold their schema: of a declared type, or of a schema with the values of `avro()`.
 * @param options.codec default `deflate`; `null` for none
 * @throws MillraceError MR_JOB_DEFINITION where it is no Avro schema
 */
export function avroFiles<T>(
  source: DeclaredType<T> | AvroSchemaSource,
  options: { readonly codec?: 'null' | 'deflate' } = {},
): FileFormat<T> {
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
    createPart: (): PartEncoder<T> => new AvroContainerWriter({ text: own.schemaText, write }, codec, String(parts++)),
  }
}
