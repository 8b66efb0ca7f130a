// A message on its way in, in pieces, in any order: its buffer, what has arrived, what it was granted. The
// bounds on memory are kept by MemoryBudget, which all messages of an endpoint share.

import { Intervals } from '../base/intervals.ts';

/** What a piece did to a message. */
export type PieceOutcome = 'progress' | 'complete' | 'nothing-new' | 'contradiction' | 'scattered';

/** Holes in one message: more than grants and the size of datagrams leave to whoever does not make them. */
const MAX_RANGES = 4096;

/** Collects the pieces of one message of known length. */
export class IncomingMessage {
  readonly total: number;
  /** The sender may send this many bytes. */
  granted: number;
  #buffer: Uint8Array | undefined;
  #arrivedBytes = 0;
  /** Of what came in pieces. */
  #pieces: Intervals | undefined;

  constructor(total: number, granted: number) {
    this.total = total;
    this.granted = Math.min(granted, total);
  }

  get arrivedBytes(): number {
    return this.#arrivedBytes;
  }

  get remainingBytes(): number {
    return this.total - this.#arrivedBytes;
  }

  /** Bytes that the sender may send and that are not here. */
  get promisedBytes(): number {
    return Math.max(0, this.granted - this.#arrivedBytes);
  }

  /** A piece that is the whole message is kept as the view it is, without a copy. */
  add(offset: number, total: number, data: Uint8Array): PieceOutcome {
    // P-33
    if (total !== this.total || offset + data.length > total) return 'contradiction';
    if (data.length === total && this.#buffer === undefined) {
      this.#buffer = data;
      this.#arrivedBytes = total;
      return 'complete';
    }
    if (this.#arrivedBytes === total && this.#buffer !== undefined) return 'nothing-new';
    // Not zeroed: every byte is written before anybody reads one.
    this.#buffer ??= Buffer.allocUnsafeSlow(total);
    this.#pieces ??= new Intervals();
    const newBytes = this.#pieces.add(offset, offset + data.length);
    if (newBytes === 0) return 'nothing-new';
    if (this.#pieces.rangeCount > MAX_RANGES) return 'scattered';
    this.#arrivedBytes += newBytes;
    this.#buffer.set(data, offset);
    return this.#arrivedBytes === total ? 'complete' : 'progress';
  }

  /** Gives the message memory of its own: what it came in may be much longer, and would last as long as it. */
  detach(): void {
    const buffer = this.#buffer;
    if (buffer !== undefined && buffer.buffer.byteLength > this.total) this.#buffer = new Uint8Array(buffer);
  }

  /** The whole message; only when complete. */
  get bytes(): Uint8Array {
    return this.#buffer ?? EMPTY;
  }
}

const EMPTY = new Uint8Array(0);
