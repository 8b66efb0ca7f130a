// How many pieces of a stream may be under way to its reader, or wait for it: few at first, twice as many whenever the
// reader had to wait although it got all of them, as long as the bounds of its peer and of the transport allow.

import { PIECE_BYTES } from './stream-parts.ts';

/** Pieces at first: one is read while the other is on its way. No bound takes these away from a stream. */
export const FIRST_PIECES = 2;

/** Bounds, in pieces of {@link PIECE_BYTES}: 2 MiB of a stream, 4 MiB of a peer, 8 MiB in all (as of grants, P-71, P-72). */
const STREAM_PIECES_MAX = 34;
const PEER_PIECES_MAX = 68;
const ALL_PIECES_MAX = 136;

/** What all streams of a transport together may have under way to them. */
export class ReadAheadBudget {
  #pieces = 0;
  readonly #byPeer = new Map<string, number>();

  /** A new stream from a peer. */
  begin(peer: string): ReadAhead {
    return new ReadAhead(this, peer);
  }

  /** Bytes that senders may send and that nobody has read, at most. */
  get promisedBytes(): number {
    return this.#pieces * PIECE_BYTES;
  }

  /** Takes up to so many pieces for a stream; `unasked`: no bound counts. Returns how many. Used by {@link ReadAhead}. */
  take(peer: string, wanted: number, unasked: boolean): number {
    const ofPeer = this.#byPeer.get(peer) ?? 0;
    // P-111
    const left = Math.min(ALL_PIECES_MAX - this.#pieces, PEER_PIECES_MAX - ofPeer);
    const taken = unasked ? wanted : Math.max(0, Math.min(wanted, left));
    this.#pieces += taken;
    this.#byPeer.set(peer, ofPeer + taken);
    return taken;
  }

  giveBack(peer: string, pieces: number): void {
    this.#pieces -= pieces;
    const left = (this.#byPeer.get(peer) ?? 0) - pieces;
    if (left > 0) this.#byPeer.set(peer, left);
    else this.#byPeer.delete(peer);
  }
}

/** The share of one stream. */
export class ReadAhead {
  readonly #budget: ReadAheadBudget;
  readonly #peer: string;
  #pieces: number;
  #readSinceGrown = 0;

  constructor(budget: ReadAheadBudget, peer: string) {
    this.#budget = budget;
    this.#peer = peer;
    this.#pieces = budget.take(peer, FIRST_PIECES, true);
  }

  /** So many pieces may be asked for beyond those that were read. */
  get pieces(): number {
    return this.#pieces;
  }

  /** The reader has got a piece. */
  onRead(): void {
    this.#readSinceGrown++;
  }

  /** The reader wants a piece, and none is here: more should have been on their way. */
  onStarved(): void {
    if (this.#pieces === 0 || this.#readSinceGrown < this.#pieces) return;
    this.#readSinceGrown = 0;
    const wanted = Math.min(this.#pieces, STREAM_PIECES_MAX - this.#pieces);
    this.#pieces += this.#budget.take(this.#peer, wanted, false);
  }

  /** The stream has ended. */
  release(): void {
    this.#budget.giveBack(this.#peer, this.#pieces);
    this.#pieces = 0;
  }
}
