// What a streamed call is made of: three kinds of ordinary calls, told apart by the end of the method's name, and what
// stands in their bodies. spec/protocol.md, "Streams". Whoever sends and answers them: stream-call.ts, stream-handlers.ts.

/** Stands in no name of a method that somebody registers: what is behind it is ours. */
export const PART_SEPARATOR = '#';

/** `open` runs the handler and lasts as long as the stream; `next` asks for a piece, `give` brings one. */
export type StreamPart = 'open' | 'next' | 'give';

/** Largest piece: with what stands around it, it is less than may be sent unasked of any message (P-70). */
export const PIECE_BYTES: number = 60 * 1024;

/** Random bytes that name a stream to its server: who does not know them cannot take part in it. */
export const STREAM_ID_BYTES = 16;

/** In `open`: the request goes on behind its body, the answer is read piece by piece. */
export const STREAM_FLAG = { upload: 1, download: 2 } as const;

/** The name that a part of a streamed call has on the wire. */
export function partName(method: string, part: StreamPart): string {
  return method + PART_SEPARATOR + part;
}

/** All names under which a registered method is called. */
export function namesOf(method: string): string[] {
  return [method, partName(method, 'open'), partName(method, 'next'), partName(method, 'give')];
}

/** Whether a call is a part of a streamed one. */
export function isPartName(method: string): boolean {
  return method.includes(PART_SEPARATOR);
}

/** [stream, body, flags]. */
export interface OpenRequest {
  readonly id: string;
  readonly body: unknown;
  readonly upload: boolean;
  readonly download: boolean;
}

/** @throws TypeError for anything else than that. */
export function parseOpen(request: unknown): OpenRequest {
  const [id, body, flags] = fieldsOf(request, 3);
  if (typeof flags !== 'number' || !Number.isInteger(flags) || flags < 1 || flags > 3) malformed('open');
  const upload = (flags & STREAM_FLAG.upload) !== 0;
  return { id: idOf(id), body, upload, download: (flags & STREAM_FLAG.download) !== 0 };
}

/**
 * [stream, number of the piece, how many have come, none of them missing]; piece 0 is the head.
 * @throws TypeError for anything else than that.
 */
export function parseNext(request: unknown): {
  readonly id: string;
  readonly seq: number;
  readonly received: number;
} {
  const [id, seq, received] = fieldsOf(request, 3);
  return { id: idOf(id), seq: seqOf(seq), received: seqOf(received) };
}

/** [stream, number of the piece, bytes], or null for the end. @throws TypeError for anything else than that. */
export function parseGive(request: unknown): {
  readonly id: string;
  readonly seq: number;
  readonly bytes: Uint8Array | null;
} {
  const [id, seq, bytes] = fieldsOf(request, 3);
  if (bytes !== null && !isPiece(bytes)) malformed('give');
  return { id: idOf(id), seq: seqOf(seq), bytes };
}

/** A piece as it may come from the network. */
export function isPiece(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length > 0 && value.length <= PIECE_BYTES;
}

/**
 * The pieces of a source, one at a time: nothing is taken from it before it is asked for, and what it gives at once may
 * be larger than a piece.
 */
export class PieceSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = NOTHING;
  #over = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** `null` at the end. @throws what the source throws; TypeError when it gives something else than bytes. */
  async next(): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#iterator.next();
      if (done === true) {
        this.#over = true;
        return null;
      }
      if (!(value instanceof Uint8Array)) {
        throw new TypeError(`a stream is made of Uint8Arrays, not of ${typeof value}`);
      }
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, PIECE_BYTES);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Nobody wants the rest. What the source says to that interests nobody either. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    try {
      Promise.resolve(this.#iterator.return?.()).catch(() => {});
    } catch {
      // A source of its own making, which throws where it should reject.
    }
  }
}

/** Whether a handler answers with a stream. */
export function isByteSource(value: unknown): value is AsyncIterable<Uint8Array> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function fieldsOf(request: unknown, count: number): readonly unknown[] {
  if (!Array.isArray(request) || request.length !== count) malformed('message');
  return request;
}

function idOf(id: unknown): string {
  if (!(id instanceof Uint8Array) || id.length !== STREAM_ID_BYTES) malformed('id');
  return Buffer.from(id).toString('latin1');
}

function seqOf(seq: unknown): number {
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) malformed('number of a piece');
  return seq;
}

function malformed(what: string): never {
  throw new TypeError(`malformed ${what} of a stream`);
}

const NOTHING = new Uint8Array(0);
