// A handler's answer that is read piece by piece. Its producer is asked for a piece when the reader has asked for it,
// never before: what the network does not take, nobody makes.

import { isByteSource, PIECE_BYTES, PieceSource } from './stream-parts.ts';
import { WithHead } from './with-head.ts';

/**
 * What all streams of a transport together may have answered and not seen confirmed: half of what is kept of answers
 * (P-52), so that none of them has to be forgotten. One piece of each goes in any case.
 */
const UNCONFIRMED_PIECES_MAX = Math.floor((32 * 1024 * 1024) / PIECE_BYTES);

interface Turn {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** Head and pieces of one answer, given out in order, whatever the order in which they are asked for. */
export class Download {
  /** Requests that wait, by the piece that they ask for. */
  readonly #turns = new Map<number, Turn>();
  readonly #load: { streams: number };
  /** Pieces that have come to the reader, none of them missing. */
  #received = 0;
  /** The one that the producer works for. */
  #current: Turn | undefined;
  #nextSeq = 0;
  #pumping = false;
  #head: Promise<unknown> | undefined;
  #source: PieceSource | undefined;
  #over = false;
  #onEnd: () => void = () => {};

  /** `load`: how many share what may be unconfirmed. */
  constructor(load: { streams: number }) {
    this.#load = load;
  }

  /**
   * Runs the handler; resolves when the reader has been given the end of the answer, or what the handler threw (an error
   * comes to the reader in its turn, behind the pieces that came before it), or wants no more.
   */
  run(handle: () => Promise<unknown>): Promise<null> {
    const ended = new Promise<null>((resolve) => {
      this.#onEnd = () => resolve(null);
    });
    this.#head = handle().then((answer) => this.#begin(answer));
    // Who reads the head is told; until somebody does, it is no unhandled rejection.
    this.#head.catch(() => {});
    void this.#pump();
    return ended;
  }

  #begin(answer: unknown): unknown {
    const { head, pieces } = answer instanceof WithHead ? answer : { head: undefined, pieces: answer };
    if (!isByteSource(pieces)) return answer;
    const source = new PieceSource(pieces);
    if (this.#over) source.stop();
    else this.#source = source;
    return head;
  }

  /** Piece 0 is the head, in an array; then bytes, and `null` at the end. */
  pull(seq: number, received: number): Promise<unknown> {
    this.#received = Math.max(this.#received, Math.min(received, this.#nextSeq));
    return new Promise((resolve, reject) => {
      if (this.#over) resolve(null);
      else if (seq < this.#nextSeq || this.#turns.has(seq))
        reject(new TypeError(`piece ${seq} asked for twice`));
      else {
        this.#turns.set(seq, { resolve, reject });
        void this.#pump();
      }
    });
  }

  /** Nobody waits for this piece any more. */
  drop(seq: number): void {
    this.#turns.delete(seq);
  }

  /** Nobody waits for the answer any more. */
  cancel(): void {
    this.#finish();
  }

  async #pump(): Promise<void> {
    if (this.#pumping || this.#head === undefined) return;
    this.#pumping = true;
    for (let turn = this.#takeTurn(); turn !== undefined; turn = this.#takeTurn()) {
      this.#current = turn;
      try {
        const piece = this.#nextSeq === 1 ? [await this.#head] : await this.#nextPiece();
        turn.resolve(piece);
        if (piece === null) this.#finish();
      } catch (error) {
        // P-114
        turn.reject(error);
        this.#finish();
      }
    }
    this.#current = undefined;
    this.#pumping = false;
  }

  /** A copy: the producer may use its buffer again as soon as it is asked for more. */
  async #nextPiece(): Promise<Uint8Array | null> {
    const piece = (await this.#source?.next()) ?? null;
    return piece && new Uint8Array(piece);
  }

  #takeTurn(): Turn | undefined {
    const turn = this.#turns.get(this.#nextSeq);
    if (turn === undefined || this.#over) return undefined;
    // P-113
    const share = Math.max(1, Math.floor(UNCONFIRMED_PIECES_MAX / this.#load.streams));
    if (this.#nextSeq - this.#received >= share) return undefined;
    this.#turns.delete(this.#nextSeq);
    this.#nextSeq++;
    return turn;
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#source?.stop();
    // The producer may never come back to who waits for it.
    this.#current?.resolve(null);
    for (const { resolve } of this.#turns.values()) resolve(null);
    this.#turns.clear();
    this.#onEnd();
  }
}
