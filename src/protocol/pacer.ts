// Spreads what the congestion window allows over the round trip (RFC 9002 section 7.7): a token bucket. It
// decides when a datagram may leave; how many may be under way is congestion.ts.

/** One path's token bucket. Bytes accrue at the pacing rate, up to a burst. */
export class Pacer {
  #bytesPerMs = Number.POSITIVE_INFINITY;
  #datagramBytes: number;
  #tokenBytes: number;
  #filledAtMs = 0;
  /** Since when, or from when on, the sender may send, if it was told so and has not come again; else Infinity. */
  #awaitedAtMs = Number.POSITIVE_INFINITY;
  /** What it could not send as it came later than that, and has not made up for yet. */
  #missedBytes = 0;

  /** Starts with a full bucket and without a limit. */
  constructor(datagramBytes: number = 1200) {
    this.#datagramBytes = datagramBytes;
    this.#tokenBytes = BURST_DATAGRAMS * datagramBytes;
  }

  /** Sets the rate; cheap enough for each acknowledgement. `Infinity` switches pacing off. */
  setRate(nowMs: number, bytesPerMs: number): void {
    this.#fill(nowMs);
    this.#bytesPerMs = bytesPerMs;
    this.#tokenBytes = Math.min(this.#tokenBytes, this.#mostBytes());
    this.#missedBytes = Math.min(this.#missedBytes, LATE_MAX_MS * bytesPerMs);
  }

  /** The path carries datagrams of another size now. */
  setDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.#tokenBytes = Math.min(this.#tokenBytes, this.#mostBytes());
  }

  /** Whether a datagram of this size may leave now. */
  canSend(nowMs: number, sizeBytes: number): boolean {
    return this.nextSendAt(nowMs, sizeBytes) <= nowMs;
  }

  /**
   * When a datagram of this size may leave: `nowMs`, or later. Who comes too late, because the process had no processor
   * while it waited or between two datagrams, makes up for it at twice the rate: the queue on the way has had as long to
   * drain, but may be too short for all of it at once.
   */
  nextSendAt(nowMs: number, sizeBytes: number): number {
    this.#fill(nowMs);
    // A datagram larger than the burst leaves when the bucket is full, or it would never leave.
    const neededBytes = Math.min(sizeBytes, this.#burstBytes()) - this.#tokenBytes;
    const mayGo = neededBytes <= ROUNDING_BYTES || this.#bytesPerMs === Number.POSITIVE_INFINITY;
    const madeUpBytes = Math.min(this.#missedBytes, neededBytes / 2);
    this.#awaitedAtMs = mayGo ? nowMs : nowMs + (neededBytes - madeUpBytes) / this.#bytesPerMs;
    return this.#awaitedAtMs;
  }

  /** It is not the rate that keeps the sender from sending: nothing is to be sent, or nothing may be. */
  stopWaiting(): void {
    this.#awaitedAtMs = Number.POSITIVE_INFINITY;
  }

  /** The sender has not kept up with the rate: it came too late, and what it missed has not left yet. */
  get behind(): boolean {
    return this.#missedBytes > 0;
  }

  /** A datagram has left, asked for or not (a probe goes when it must): the bucket may go below zero. */
  onSent(nowMs: number, sizeBytes: number): void {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return;
    this.#fill(nowMs);
    this.#tokenBytes -= sizeBytes;
  }

  #burstBytes(): number {
    const unpaced = this.#bytesPerMs === Number.POSITIVE_INFINITY;
    return Math.max(BURST_DATAGRAMS * this.#datagramBytes, unpaced ? 0 : this.#bytesPerMs * BURST_MS);
  }

  /** As much accrues until the next timer at twice the rate. */
  #mostBytes(): number {
    return 2 * this.#burstBytes();
  }

  #fill(nowMs: number): void {
    if (nowMs <= this.#filledAtMs) return;
    const elapsedMs = nowMs - this.#filledAtMs;
    const lateMs = Math.max(0, nowMs - this.#awaitedAtMs);
    this.#filledAtMs = nowMs;
    this.#awaitedAtMs = Number.POSITIVE_INFINITY;
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) {
      this.#missedBytes = 0;
      return;
    }

    const accruedBytes = elapsedMs * this.#bytesPerMs;
    const lateBytes = lateMs * this.#bytesPerMs;
    const catchingUp = lateBytes > 0 || this.#missedBytes > 0;
    const madeUpBytes = Math.min(this.#missedBytes, accruedBytes);
    const filledBytes = this.#tokenBytes + accruedBytes + madeUpBytes;
    this.#tokenBytes = Math.min(filledBytes, catchingUp ? this.#mostBytes() : this.#burstBytes());
    const overBytes = filledBytes - this.#tokenBytes;
    // A bucket that runs over though nobody was late is that of somebody who has nothing to send.
    if (lateBytes === 0 && overBytes > 0) this.#missedBytes = 0;
    else this.#missedBytes += Math.min(overBytes, lateBytes) - madeUpBytes;
    this.#missedBytes = Math.min(this.#missedBytes, LATE_MAX_MS * this.#bytesPerMs);
  }
}

/** RFC 9002 section 7.7: no larger burst than the initial window. */
const BURST_DATAGRAMS = 10;

/**
 * Timers in Node have a resolution of 1 ms and are late by up to another; a bucket that holds less than
 * what accrues in that time would lower the rate of a fast path.
 */
const BURST_MS = 2;

/** The longest lateness that is made up for; the congestion window bounds what it may lead to. */
const LATE_MAX_MS = 25;

/** What waiting for exactly the missing bytes may leave missing, by rounding. */
const ROUNDING_BYTES = 1;
