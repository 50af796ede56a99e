import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { pages } from '../../../scripts/pages.ts'

test.each([...pages])('%s is what npm run docs:write makes of the source', (path, text) => {
  expect(readFileSync(path, 'utf8')).toBe(text)
})
