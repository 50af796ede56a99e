// Writes docs/configuration.md from the list of options, so that the page can not lie.
import { writeFileSync } from 'node:fs'
import { variableOfKey } from '../src/config/configuration.ts'
import { options } from '../src/config/options.ts'

const rows = options.map(
  (option) => `| \`${option.key}\` | ${option.allowed} | ${option.defaultText} | ${option.description} |`,
)
const example = variableOfKey('taskmanager.numberOfTaskSlots')
writeFileSync(
  'docs/configuration.md',
  `# Configuration

Keys are Flink's wherever Flink has one. They come from \`-D key=value\` on the command line, from environment variables (\`${example}\` for
\`taskmanager.numberOfTaskSlots\`: capitals, \`_\` for \`.\` and \`-\`), and from \`millrace.yaml\` in the working folder, in this order of precedence.
What a job sets in its own code (\`env.setParallelism(…)\`) wins over all of them, as in Flink. An unknown key or a wrong value stops the command.

| key | takes | default | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

Not keys, but read from the environment: \`KAFKA_BROKERS\` (or \`MILLRACE_KAFKA_BROKERS\`), the brokers of a \`KafkaSource\` that names none; \`MILLRACE_LOG_LEVEL\`
(\`debug\`, \`info\`, \`warn\`, \`error\`).

This page is written by \`npm run docs:write\` from the list in \`src/config/options.ts\`.
`,
)
