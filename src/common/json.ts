/** What JSON can hold: descriptions and split positions that travel between actors and stand in checkpoint records. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue }
