import { z } from 'zod'

/** Longs of Flink that may be −1: unknown. */
export const long = z.int()
export const count = z.int().min(0)
export const epochMs = z.int().describe('Epoch milliseconds; -1: not yet')

export const jobIdText = z
  .string()
  .regex(/^[0-9a-f]{32}$/, 'a job id has 32 lower-case hexadecimal digits')
  .describe('Id of a job: 32 lower-case hexadecimal digits')

export const vertexIdText = z.string().describe('Id of a job vertex: 32 hexadecimal digits')

export const errorAnswer = z
  .object({
    errors: z.array(z.string()).describe('What is wrong, a sentence each'),
    code: z.string().describe('One of docs/errors.md'),
    remedy: z.string().optional(),
  })
  .describe('An error')

export type ErrorAnswer = z.infer<typeof errorAnswer>
