// An answer of two parts: a value, which comes first, and bytes, which come as the reader takes them.

/** Made by {@link withHead}. */
export class WithHead {
  readonly head: unknown;
  readonly pieces: AsyncIterable<Uint8Array>;

  constructor(head: unknown, pieces: AsyncIterable<Uint8Array>) {
    this.head = head;
    this.pieces = pieces;
  }
}

/**
 * What a handler answers to give its caller a value before the bytes: their length, say, or their type. The caller gets
 * it from `stream.head()`.
 */
export function withHead(head: unknown, pieces: AsyncIterable<Uint8Array>): WithHead {
  return new WithHead(head, pieces);
}
