import type { FastifySchema, FastifySchemaCompiler, FastifyTypeProvider } from 'fastify'
import { z } from 'zod'

/** Types of requests come from their zod schemas. */
export interface ZodTypeProvider extends FastifyTypeProvider {
  readonly validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
  readonly serializer: this['schema'] extends z.ZodType ? z.input<this['schema']> : unknown
}

/** What is wrong is told field by field. */
export const validatorCompiler: FastifySchemaCompiler<unknown> = ({ schema, httpPart }) => {
  if (!(schema instanceof z.ZodType)) return (value: unknown) => ({ value })
  return (value: unknown) => {
    const parsed = schema.safeParse(value)
    if (parsed.success) return { value: parsed.data }
    const texts = parsed.error.issues.map((issue) => `${placeOf(httpPart, issue.path)}: ${issue.message}`)
    return { error: Object.assign(new Error(texts.join('\n')), { statusCode: 400 }) }
  }
}

function placeOf(part: string | undefined, path: readonly PropertyKey[]): string {
  const name = part === 'querystring' ? 'query' : (part ?? 'request')
  return [name, ...path.map(String)].join('.')
}

/** For /openapi.json: zod's schemas as JSON Schema. */
export function documentedSchema({ schema, url }: { readonly schema: FastifySchema; readonly url: string }): {
  readonly schema: FastifySchema
  readonly url: string
} {
  const { body, params, querystring, response, ...rest } = schema
  const documented: Record<string, unknown> = { ...rest }
  if (body instanceof z.ZodType) documented['body'] = jsonSchema(body, 'input')
  if (params instanceof z.ZodType) documented['params'] = jsonSchema(params, 'input')
  if (querystring instanceof z.ZodType) documented['querystring'] = jsonSchema(querystring, 'input')
  if (typeof response === 'object' && response !== null) {
    documented['response'] = Object.fromEntries(
      Object.entries(response).map(([status, each]) => [
        status,
        each instanceof z.ZodType ? jsonSchema(each, 'output') : each,
      ]),
    )
  }
  return { schema: documented, url }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _version, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
