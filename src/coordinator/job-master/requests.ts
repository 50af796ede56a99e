import type { Decision } from '../decision.ts'
import { type JobState, jobState } from './job-status.ts'
import type { JobMasterEffect } from './messages.ts'
import type { JobMasterState } from './state.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** What a client asked for under an id of its own, with what it was answered: repeating it gives the same answer (R24). */
export interface AnsweredRequest {
  readonly requestId: string
  readonly answer: RequestAnswer
}

export interface RequestAnswer {
  /** Of the job, when the request had been taken up. */
  readonly state: JobState
}

/** A client repeats a request only until it is answered. */
const rememberedRequests = 100

/** Takes a request up once; the answer is told when the record with it is durable (R3, R24). */
export function onRequest(
  state: JobMasterState,
  requestId: string | undefined,
  step: (state: JobMasterState) => JobDecision,
): JobDecision {
  if (requestId === undefined) return step(state)
  const known = state.requests.find((request) => request.requestId === requestId)
  if (known !== undefined) return { state, effects: [{ type: 'answerRequest', ...known }] }
  const taken = step(state)
  const request: AnsweredRequest = { requestId, answer: { state: jobState(taken.state) } }
  const requests = [...state.requests, request].slice(-rememberedRequests)
  return { state: { ...taken.state, requests }, effects: [...taken.effects, { type: 'answerRequest', ...request }] }
}
