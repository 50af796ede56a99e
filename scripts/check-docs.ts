// Type-checks every ```ts block of *.md, docs/**/*.md and the comments of src/**/*.ts with the project's own tsc; a block marked `ts run` is executed too.
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const outDir = 'docs/.examples'
rmSync(outDir, { recursive: true, force: true })
mkdirSync(outDir, { recursive: true })

const toRun: string[] = []
let blocks = 0
for (const doc of globSync(['*.md', 'docs/**/*.md', 'src/**/*.ts'])) {
  const content = readFileSync(doc, 'utf8')
  const text = doc.endsWith('.ts') ? content.replaceAll(/^ *\* ?/gm, '') : content
  for (const match of text.matchAll(/^```ts(?<flags>[^\n]*)\n(?<code>[\s\S]*?)^```$/gm)) {
    const { flags = '', code = '' } = match.groups ?? {}
    if (flags.includes('skip')) continue
    const line = text.slice(0, match.index).split('\n').length
    const file = join(outDir, `${doc.replaceAll(/[/.]/g, '-')}-line-${line}.ts`)
    // Blank lines in front keep the compiler's line numbers equal to the document's.
    writeFileSync(file, `${'\n'.repeat(line)}${code}\nexport {};\n`)
    blocks += 1
    if (flags.includes('run')) toRun.push(file)
  }
}
writeFileSync(
  join(outDir, 'tsconfig.json'),
  JSON.stringify({
    extends: '../../tsconfig.base.json',
    compilerOptions: { noEmit: true, noUnusedLocals: false },
    include: ['*.ts'],
  }),
)
const types = blocks > 0 ? spawnSync('tsc', ['-p', outDir], { stdio: 'inherit' }).status : 0
for (const file of toRun) {
  execFileSync(process.execPath, ['--conditions=millrace-source', file], { stdio: 'inherit', timeout: 60_000 })
}
process.stdout.write(`${blocks} documentation examples checked, ${toRun.length} run\n`)
process.exitCode = types ?? 1
