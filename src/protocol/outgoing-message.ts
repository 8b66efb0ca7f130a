// A request or response on its way out: which of its bytes have been sent, acknowledged, lost, and how far the
// receiver lets it go.

import { Intervals } from '../base/intervals.ts';
import type { MessageMemory } from './message-memory.ts';

/** Bytes of one message and what is known of their delivery. */
export class OutgoingMessage {
  readonly sizeBytes: number;
  /** Bytes from the start that may be sent: the receiver's grant. */
  granted: number;
  /** Where the piece that was taken last ends. */
  lastTakenEnd = 0;
  /** Datagrams that have carried some of it, repeats included. */
  datagrams = 0;
  #bytes: Uint8Array;
  #next = 0;
  readonly #acked = new Intervals();
  /** Ranges to send again, in the order in which they were found lost. */
  readonly #lost: [from: number, to: number][] = [];
  /** An answer without a body still has one frame to be sent. */
  #emptyPending: boolean;

  constructor(bytes: Uint8Array, initialGrant: number) {
    this.#bytes = bytes;
    this.sizeBytes = bytes.length;
    this.granted = initialGrant;
    this.#emptyPending = bytes.length === 0;
  }

  /** None when it has been released. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Nothing of it is sent any more: its memory goes to the next. */
  release(memory: MessageMemory): void {
    memory.giveBack(this.#bytes);
    this.#bytes = NOTHING;
  }

  get started(): boolean {
    return this.#next > 0 || (this.sizeBytes === 0 && !this.#emptyPending);
  }

  /** Every byte has been handed to a packet at least once. */
  get fullySent(): boolean {
    return this.#next === this.sizeBytes && !this.#emptyPending;
  }

  get ackedBytes(): number {
    return Math.min(this.#acked.total, this.sizeBytes);
  }

  get delivered(): boolean {
    return this.sizeBytes === 0 ? this.#acked.total > 0 : this.#acked.total === this.sizeBytes;
  }

  /** Bytes that no packet has carried yet: what a cancel saves. */
  get unsentBytes(): number {
    return this.sizeBytes - this.#next;
  }

  get sendable(): boolean {
    return this.#emptyPending || this.#lost.length > 0 || this.#next < Math.min(this.granted, this.sizeBytes);
  }

  /** Where the next piece starts; only while {@link sendable}. */
  get nextOffset(): number {
    return this.#lost[0]?.[0] ?? (this.#emptyPending ? 0 : this.#next);
  }

  /** Takes the next piece of at most `maxBytes` (≥ 1); returns its end. Only while {@link sendable}. */
  take(maxBytes: number): number {
    const lost = this.#lost[0];
    if (lost !== undefined) {
      const end = Math.min(lost[1], lost[0] + maxBytes);
      if (end === lost[1]) this.#lost.shift();
      else lost[0] = end;
      this.lastTakenEnd = end;
      return end;
    }
    this.#emptyPending = false;
    // P-70
    this.#next = Math.min(this.granted, this.sizeBytes, this.#next + maxBytes);
    this.lastTakenEnd = this.#next;
    return this.#next;
  }

  onAcked(from: number, to: number): void {
    // An empty message is stood for by one imaginary byte.
    this.#acked.add(from, Math.max(to, from + 1));
  }

  onLost(from: number, to: number): void {
    if (this.sizeBytes === 0) {
      this.#emptyPending = !this.delivered;
      return;
    }
    for (const gap of this.#acked.gaps(from, to)) this.#lost.push(gap);
  }

  /** All of it is the next piece, as if it had been lost. Only when nothing of it waits to be sent. */
  repeat(): void {
    if (this.sizeBytes === 0) this.#emptyPending = true;
    else this.#lost.push([0, this.sizeBytes]);
  }

  /** Sends the beginning once more, acknowledged or not; it names the message. */
  repeatStart(): void {
    if (this.#next === 0) return;
    this.#acked.removeBelow(1);
    if (this.#lost[0]?.[0] !== 0) this.#lost.unshift([0, 1]);
  }

  /** Forgets what was sent, to send it all again: to a new incarnation of the receiver. */
  restart(initialGrant: number): void {
    this.#next = 0;
    this.#lost.length = 0;
    this.#acked.removeBelow(Number.MAX_SAFE_INTEGER);
    this.granted = initialGrant;
    this.#emptyPending = this.sizeBytes === 0;
  }
}

const NOTHING = new Uint8Array(0);
