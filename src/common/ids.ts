declare const brand: unique symbol

type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** 32 lower-case hexadecimal digits, as Flink's clients want. */
export type JobId = Branded<string, 'JobId'>
/** 32 lower-case hexadecimal digits, derived from the uids of the vertex's operators. */
export type VertexId = Branded<string, 'VertexId'>
/** One execution of a subtask: a nanoid. A restart is a new attempt with a new id. */
export type AttemptId = Branded<string, 'AttemptId'>
/** One deployment of a region, over however many TaskManagers; never used again. */
export type DeploymentId = Branded<string, 'DeploymentId'>
/** Checkpoint ids count up from 1 and are never used again once begun (R2); 0 stands for "no checkpoint". */
export type CheckpointId = Branded<number, 'CheckpointId'>
/** A channel between two subtasks; unique an attempt (R28). */
export type ChannelId = Branded<string, 'ChannelId'>
/** `<nanoid>:<epoch>`: who may write. Compared whole, so that an epoch that was given twice after a loss of data can not match. */
export type LeaderToken = Branded<string, 'LeaderToken'>

export const jobId = (text: string): JobId => text as JobId
export const vertexId = (text: string): VertexId => text as VertexId
export const attemptId = (text: string): AttemptId => text as AttemptId
export const deploymentId = (text: string): DeploymentId => text as DeploymentId
export const checkpointId = (value: number): CheckpointId => value as CheckpointId
export const channelId = (text: string): ChannelId => text as ChannelId
export const leaderToken = (text: string): LeaderToken => text as LeaderToken

/** The epoch in a token; it never decreases (I2). */
export const epochOf = (token: LeaderToken): number => Number(token.slice(token.lastIndexOf(':') + 1))

export const noCheckpoint: CheckpointId = checkpointId(0)
