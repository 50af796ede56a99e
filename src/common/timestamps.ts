/** Stands for "this record has no timestamp". */
export const noTimestamp = Number.NEGATIVE_INFINITY

/** The watermark before the first one. */
export const noWatermark = Number.NEGATIVE_INFINITY

/** The last watermark of a stream whose input has ended: no record follows, every window and event-time timer fires. */
export const endWatermark = Number.POSITIVE_INFINITY
