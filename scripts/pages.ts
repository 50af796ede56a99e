// The pages of docs/ that are made from lists in the source, so that they can not lie.
import { exitCodeOf } from '../src/cli/exit-codes.ts'
import { type ErrorCode, errorCodes } from '../src/common/errors.ts'
import { variableOfKey } from '../src/config/configuration.ts'
import { options } from '../src/config/options.ts'

/** Text by path. */
export const pages: ReadonlyMap<string, string> = new Map([
  ['docs/configuration.md', configurationPage()],
  ['docs/errors.md', errorsPage()],
])

function configurationPage(): string {
  const rows = options.map(
    (option) => `| \`${option.key}\` | ${option.allowed} | ${option.defaultText} | ${option.description} |`,
  )
  const example = variableOfKey('taskmanager.numberOfTaskSlots')
  return `# Configuration

Keys are Flink's wherever Flink has one. They come from \`-D key=value\` on the command line, from environment variables (\`${example}\` for
\`taskmanager.numberOfTaskSlots\`: capitals, \`_\` for \`.\` and \`-\`), and from \`millrace.yaml\` in the working folder, in this order of precedence.
What a job sets in its own code (\`env.setParallelism(…)\`) wins over all of them, as in Flink. An unknown key or a wrong value stops the command.

| key | takes | default | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

Not keys, but read from the environment: \`KAFKA_BROKERS\` (or \`MILLRACE_KAFKA_BROKERS\`), the brokers of a \`KafkaSource\` that names none; \`MILLRACE_LOG_LEVEL\`
(\`debug\`, \`info\`, \`warn\`, \`error\`): the engine's log as lines of JSON on standard error; without it only warnings are shown, as text.

This page is written by \`npm run docs:write\` from the list in \`src/config/options.ts\`.
`
}

function errorsPage(): string {
  const rows = (Object.keys(errorCodes) as ErrorCode[]).map((code) => {
    const { cause, remedy, severity } = errorCodes[code]
    const answer = severity === 'retryable' ? 'restart strategy' : 'fails'
    return `| \`${code}\` | ${cause} | ${remedy} | ${answer} | ${exitCodeOf(code)} |`
  })
  return `# Errors

Every error of Millrace has a code from this closed list. On the command line it is one message: the code and the operator, what happened with the names of what is
concerned (key, file, topic, partition, offset, record), the places in your own code where it came from there, and what to do:

\`\`\`
millrace: MR_USER_FUNCTION in operator score: map of operator "score" threw TypeError: no such user; the record is at topic orders, partition 2, offset 4711 of source "orders"
    at orders.ts:17:25
  what to do: See the named operator and record; handle the case, or send such records to a side output.
\`\`\`

*The job then*: what happens to a running job. \`restart strategy\`: its regions restart as \`restart-strategy.type\` says, and the job fails with \`MR_RESTARTS_EXHAUSTED\` when
that gives up (with this error itself where the strategy is \`none\`). \`fails\`: trying again can not help. *Exit*: the exit code of \`millrace run\` when a job ends with it.
R and I numbers are those of the [protocol](protocol.md).

| code | cause | what to do | the job then | exit |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

This page is written by \`npm run docs:write\` from the list in \`src/common/errors.ts\`.
`
}
