// node bench/profile-summary.ts FILE.cpuprofile…: self time by function, the most first.
import { readFileSync } from 'node:fs'

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

for (const file of process.argv.slice(2)) {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const nameOf = new Map(
    profile.nodes.map(({ id, callFrame }) => {
      const place =
        callFrame.url === '' ? '' : ` ${callFrame.url.split('/').slice(-2).join('/')}:${callFrame.lineNumber + 1}`
      return [id, `${callFrame.functionName || '(anonymous)'}${place}`]
    }),
  )
  const selfUs = new Map<string, number>()
  let totalUs = 0
  profile.samples.forEach((id, index) => {
    const name = nameOf.get(id) ?? '?'
    const us = profile.timeDeltas[index] ?? 0
    totalUs += us
    selfUs.set(name, (selfUs.get(name) ?? 0) + us)
  })
  process.stdout.write(`${file}: ${(totalUs / 1e6).toFixed(2)} s\n`)
  for (const [name, us] of [...selfUs].toSorted((a, b) => b[1] - a[1]).slice(0, 28)) {
    process.stdout.write(`${((us / totalUs) * 100).toFixed(1).padStart(6)} %  ${name}\n`)
  }
}
