/** The brokers of jobs that name none: `MILLRACE_KAFKA_BROKERS`, then `KAFKA_BROKERS` (comma-separated `host:port`), then a broker on this machine. */
export function defaultKafkaBrokers(environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  const text = environment['MILLRACE_KAFKA_BROKERS'] || environment['KAFKA_BROKERS'] || '127.0.0.1:9092'
  return text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
}
