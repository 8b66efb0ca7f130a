// The bytes behind a request, as its handler reads them. A piece is confirmed when the handler has taken it, and with
// that its sender is told how far it may go: so a slow handler holds back whoever sends.

import { FIRST_PIECES, type ReadAhead, type ReadAheadBudget } from './read-ahead.ts';

/** Told to a sender whose further pieces nobody wants. */
export const NO_MORE = 0;

interface Given {
  readonly bytes: Uint8Array | null;
  /** Tells the sender the first piece that it may not send yet. */
  readonly taken: (limit: number) => void;
}

interface Wanted {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (reason: unknown) => void;
}

/** One upload: read once, in order, from one place. */
export class Upload implements AsyncIterableIterator<Uint8Array> {
  readonly #budget: ReadAheadBudget;
  #readAhead: ReadAhead | undefined;
  readonly #pieces = new Map<number, Given>();
  readonly #wanted: Wanted[] = [];
  /** The piece that is read next, from 1. */
  #nextSeq = 1;
  #state:
    | { readonly is: 'open' }
    /** All of it was read, or the handler wants no more. */
    | { readonly is: 'over' }
    | { readonly is: 'cancelled'; readonly reason: unknown } = { is: 'open' };

  constructor(budget: ReadAheadBudget) {
    this.#budget = budget;
  }

  /** The request says that there is one. */
  begin(peer: string): void {
    if (this.#state.is === 'open') this.#readAhead = this.#budget.begin(peer);
  }

  // ---- the sender

  /** A piece has come; resolves, when it was taken, to the first one that may not be sent yet, or to {@link NO_MORE}. */
  give(seq: number, bytes: Uint8Array | null): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#state.is !== 'open') resolve(NO_MORE);
      else if (seq < this.#nextSeq || this.#pieces.has(seq))
        reject(new TypeError(`piece ${seq} given twice`));
      // P-112
      else if (seq >= this.#limit) reject(new RangeError(`piece ${seq} given before it was wanted`));
      else {
        this.#pieces.set(seq, { bytes, taken: resolve });
        this.#serve();
      }
    });
  }

  /** Nobody waits any more for this piece to be taken. */
  drop(seq: number): void {
    this.#pieces.delete(seq);
  }

  get #limit(): number {
    return this.#nextSeq + (this.#readAhead?.pieces ?? FIRST_PIECES);
  }

  /** The sender does not go on: an upload that has not come to its end never looks as if it had. */
  cancel(reason: unknown): void {
    if (this.#state.is === 'open') this.#close({ is: 'cancelled', reason });
  }

  /** The handler has answered. */
  end(): void {
    if (this.#state.is === 'open') this.#close({ is: 'over' });
  }

  // ---- the handler

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws RpcError CANCELLED or DEADLINE_EXCEEDED when the rest does not come any more. */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ resolve, reject });
      this.#serve();
    });
  }

  /** The handler wants no more of it, and goes on. */
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.end();
    return DONE;
  }

  #serve(): void {
    while (this.#wanted.length > 0) {
      const given = this.#pieces.get(this.#nextSeq);
      if (this.#state.is === 'open' && given === undefined) {
        this.#readAhead?.onStarved();
        return;
      }
      const wanted = this.#wanted.shift()!;
      if (this.#state.is === 'cancelled') wanted.reject(this.#state.reason);
      else if (given === undefined) wanted.resolve(DONE);
      else this.#take(given, wanted);
    }
  }

  #take({ bytes, taken }: Given, { resolve }: Wanted): void {
    this.#pieces.delete(this.#nextSeq++);
    this.#readAhead?.onRead();
    if (bytes !== null) {
      resolve({ done: false, value: bytes });
      taken(this.#limit);
      return;
    }
    taken(NO_MORE);
    resolve(DONE);
    this.#close({ is: 'over' });
  }

  #close(state: { readonly is: 'over' } | { readonly is: 'cancelled'; readonly reason: unknown }): void {
    this.#state = state;
    this.#readAhead?.release();
    for (const { taken } of this.#pieces.values()) taken(NO_MORE);
    this.#pieces.clear();
    this.#serve();
  }
}

const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };
