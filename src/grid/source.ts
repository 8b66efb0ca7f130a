// Where the bytes of an upload come from, as this room sees it, and how they are cut in segments.
// Files, standard input and their traps are the caller's business.

/** Bytes of known number that can be read more than once. */
export interface UploadSource {
  readonly sizeBytes: number;
  /**
   * The bytes from `fromByte` (default 0) to the end, the same ones each time, in chunks of any size. A chunk is
   * not written to after it was given away.
   */
  read(fromByte?: number): AsyncIterable<Uint8Array>;
}

/** Stable codes of {@link SourceError}. */
export type SourceErrorCode =
  /** The source ended before `sizeBytes`. */
  | 'SOURCE_TOO_SHORT'
  /** The source went on after `sizeBytes`. */
  | 'SOURCE_TOO_LONG'
  /** Read again, the source gave other bytes. */
  | 'SOURCE_DIFFERS';

/** A source that does not hold what it said: most likely the file changed while it was read. */
export class SourceError extends Error {
  override readonly name: string = 'SourceError';
  readonly code: SourceErrorCode;

  constructor(code: SourceErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** One segment of a source. */
export interface SourceSegment {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** A source that is in memory already. */
export function sourceOfBytes(bytes: Uint8Array): UploadSource {
  return {
    sizeBytes: bytes.length,
    async *read(fromByte = 0) {
      if (fromByte < bytes.length) yield bytes.subarray(fromByte);
    },
  };
}

/**
 * The source's own chunks, counted.
 * @throws SourceError when the source gives fewer or more bytes than its `sizeBytes`.
 */
export async function* chunksOf(
  source: UploadSource,
  fromByte: number = 0,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = fromByte;
  for await (const chunk of source.read(fromByte)) {
    at += chunk.length;
    if (at > source.sizeBytes) throw tooLong(source);
    yield chunk;
  }
  if (at < source.sizeBytes) throw tooShort(source, at);
}

/**
 * The source cut in segments of `segmentSizeBytes` (the last one: what is left), from segment `fromSegment`.
 * At most one segment is held besides the source's own chunk; a chunk that holds a whole segment is not copied.
 * @throws SourceError when the source gives fewer or more bytes than its `sizeBytes`.
 */
export async function* segmentsOf(
  source: UploadSource,
  segmentSizeBytes: number,
  fromSegment: number = 0,
): AsyncGenerator<SourceSegment, void, undefined> {
  let index = fromSegment;
  let at = fromSegment * segmentSizeBytes;
  /** The segment being filled; `filled` bytes of it are there. */
  let segment: Uint8Array | undefined;
  let filled = 0;

  for await (const chunk of chunksOf(source, at)) {
    for (let used = 0; used < chunk.length; ) {
      const sizeBytes = Math.min(segmentSizeBytes, source.sizeBytes - at);
      const piece = chunk.subarray(used, used + sizeBytes - filled);
      used += piece.length;
      if (piece.length === sizeBytes) {
        yield { index, bytes: piece };
      } else {
        segment ??= new Uint8Array(sizeBytes);
        segment.set(piece, filled);
        filled += piece.length;
        if (filled < sizeBytes) continue;
        yield { index, bytes: segment };
        segment = undefined;
        filled = 0;
      }
      index++;
      at += sizeBytes;
    }
  }
}

function tooShort(source: UploadSource, readBytes: number): SourceError {
  return new SourceError(
    'SOURCE_TOO_SHORT',
    `the source ended after ${readBytes} of ${source.sizeBytes} bytes; was the file changed while it was read?`,
  );
}

function tooLong(source: UploadSource): SourceError {
  return new SourceError(
    'SOURCE_TOO_LONG',
    `the source has more than its ${source.sizeBytes} bytes; was the file changed while it was read?`,
  );
}
