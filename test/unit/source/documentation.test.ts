import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

/** Tests that a row names, with the folder of the one before where only a file name is given. */
function testsOf(row: string): readonly string[] {
  const [, , shownBy = ''] = row.split('|')
  let folder = ''
  return [...shownBy.matchAll(/`([^`]+)`/g)].map(([, name = '']) => {
    const path = name.includes('/') ? name : `${folder}${name}`
    folder = path.slice(0, path.lastIndexOf('/') + 1)
    return path
  })
}

test('docs/features.md names a test for every capability, and each of them exists', () => {
  const rows = readFileSync('docs/features.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| capability') && !line.startsWith('| ---'))
  expect(rows.length).toBeGreaterThan(30)
  for (const row of rows) {
    const tests = testsOf(row)
    expect(tests.length, row).toBeGreaterThan(0)
    for (const path of tests) {
      expect(path.includes('*') ? globSync(path).length > 0 : existsSync(path), `${path} in: ${row}`).toBe(true)
    }
  }
})

test('links of the documentation lead to files that are there', () => {
  for (const page of ['README.md', 'ARCHITECTURE.md', ...globSync('{docs,bench}/**/*.md')]) {
    for (const [, target = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (!/^https?:/.test(target)) expect(existsSync(join(dirname(page), target)), `${target} in ${page}`).toBe(true)
    }
  }
})
