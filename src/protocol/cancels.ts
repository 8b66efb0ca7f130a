// What a peer has to hear of calls that nobody waits for any more: CANCEL, repeated until it is acknowledged. Who is
// silent or cannot be reached is told nothing; what it has missed is kept, and told when it is heard again.

import { Intervals } from '../base/intervals.ts';
import { RangesFrame } from './control-frames.ts';
import type { Outbox } from './outbox.ts';

/** The cancelled calls of one peer, as far as it is not known to have heard of them. */
export class Cancels {
  readonly #outbox: Outbox;
  readonly #rangesMax: number;
  /** Those that wait to be sent, or to be acknowledged. */
  readonly #frames = new Set<RangesFrame>();
  /** The newest of them takes further ids until it is sent. */
  #newest: RangesFrame | undefined;
  /** What is to be told when the peer is heard. */
  #missed: Intervals | undefined;

  /** `rangesMax`: what is remembered of one peer. */
  constructor(outbox: Outbox, rangesMax: number) {
    this.#outbox = outbox;
    this.#rangesMax = rangesMax;
  }

  /** To be told now. */
  add(callId: number): void {
    this.#queue(callId, callId);
  }

  #queue(first: number, last: number): void {
    // P-44
    if (this.#newest?.add(first, last)) return;
    const frame = new RangesFrame(this.#outbox, 'cancel', () => this.#frames.delete(frame));
    this.#newest = frame;
    this.#frames.add(frame);
    frame.add(first, last);
    this.#outbox.control(frame);
  }

  /** The peer hears nothing now, and all its calls have ended: `callIds`, and what is not acknowledged, wait until it does. */
  putOff(callIds: readonly number[]): void {
    if (this.#frames.size === 0 && callIds.length === 0) return;
    this.#missed ??= new Intervals();
    for (const frame of this.#frames)
      for (const [first, last] of frame.ranges) this.#missed.add(first, last + 1);
    for (const callId of callIds) this.#missed.add(callId, callId + 1);
    this.#dropFrames();
    if (this.#missed.rangeCount <= this.#rangesMax) return;
    // What lies between belongs to calls of this peer that have ended, or to other peers' calls.
    const ranges = this.#missed.highestRanges(Number.POSITIVE_INFINITY);
    this.#missed.add(ranges.at(-1)![0], ranges[0]![1]);
  }

  /** The peer is there. */
  onHeard(): void {
    if (this.#missed === undefined) return;
    const ranges = this.#missed.highestRanges(Number.POSITIVE_INFINITY).reverse();
    this.#missed = undefined;
    // P-49
    for (const [start, end] of ranges) this.#queue(start, end - 1);
  }

  /** The peer has lost what it knew of us: it never heard of these calls. */
  forget(): void {
    this.#missed = undefined;
    this.#dropFrames();
  }

  #dropFrames(): void {
    for (const frame of this.#frames) frame.obsolete = true;
    this.#frames.clear();
    this.#newest = undefined;
  }
}
