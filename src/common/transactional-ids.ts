/**
 * Start of the transactional ids of one attempt of a sink; a number follows. The sink's uid tells sinks apart whatever
 * their parallelism is, and the attempt keeps a zombie's ids from being anyone else's (R15).
 */
export function transactionalIdBase(prefix: string, operatorUid: string, attemptId: string): string {
  return `${prefix}-${operatorUid}-${attemptId}-`
}
