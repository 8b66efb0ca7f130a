// What BBR remembers of a path: the most that it delivered, the least that a round trip took, how much more than
// expected one acknowledgement may bring. bbr.ts draws its conclusions from them.

/** What was seen in one round trip. */
export interface Round {
  /** It ends when something is acknowledged that was sent with this much delivered. */
  readonly endsAtBytes: number;
  ackedBytes: number;
  lostBytes: number;
  /** The highest delivery rate, and the most that was delivered while a packet was under way. */
  bytesPerMs: number;
  deliveredBytes: number;
  minMs: number;
  /** As much was in flight as the window allowed. */
  filled: boolean;
}

/** Nothing seen yet of a round that ends once so much has been delivered. */
export function newRound(endsAtBytes: number): Round {
  return {
    endsAtBytes,
    ackedBytes: 0,
    lostBytes: 0,
    bytesPerMs: 0,
    deliveredBytes: 0,
    minMs: Number.POSITIVE_INFINITY,
    filled: false,
  };
}

/** The highest delivery rate of this probing cycle and the last (draft-ietf-ccwg-bbr section 5.5.5). */
export class MaxBandwidth {
  #before = 0;
  #current = 0;

  /** 0 before the first sample. */
  get bytesPerMs(): number {
    return Math.max(this.#before, this.#current);
  }

  /** A rate at which the sender had nothing more to send counts only when it tells of more than was known. */
  add(bytesPerMs: number, appLimited: boolean): void {
    if (bytesPerMs >= this.bytesPerMs || !appLimited) this.#current = Math.max(this.#current, bytesPerMs);
  }

  /** A new cycle begins. One without samples, as of a sender that had little to send, does not count. */
  advance(): void {
    if (this.#current === 0) return;
    this.#before = this.#current;
    this.#current = 0;
  }
}

/** The shortest round trip of the last ten seconds, and whether it is time to look again (section 5.5.6). */
export class MinRoundTrip {
  #minMs = Number.POSITIVE_INFINITY;
  #minAtMs = 0;
  #recentMs = Number.POSITIVE_INFINITY;
  #recentAtMs = 0;
  #lowAtMs = Number.NEGATIVE_INFINITY;

  /** `Infinity` before the first sample. */
  get ms(): number {
    return this.#minMs;
  }

  /**
   * `low`: so little was in flight that the sample holds no queue of ours. True when for five seconds no sample
   * was as short as the one before, and none was low: time to drain the path and look.
   */
  add(nowMs: number, sampleMs: number, low: boolean): boolean {
    if (low) this.#lowAtMs = nowMs;
    const stale = nowMs > this.#recentAtMs + PROBE_AFTER_MS && this.#recentMs < Number.POSITIVE_INFINITY;
    const looked = this.#lowAtMs > this.#recentAtMs;
    if (sampleMs <= this.#recentMs || stale) {
      this.#recentMs = sampleMs;
      this.#recentAtMs = nowMs;
    }
    if (this.#recentMs <= this.#minMs || nowMs > this.#minAtMs + WINDOW_MS) {
      this.#minMs = this.#recentMs;
      this.#minAtMs = this.#recentAtMs;
    }
    return stale && !looked;
  }
}

const PROBE_AFTER_MS = 5000;
const WINDOW_MS = 10_000;

/**
 * How many bytes more than the bandwidth explains are acknowledged at once, because the other side or the link
 * gathers acknowledgements (section 5.5.9): the highest of the last rounds.
 */
export class Aggregation {
  #beganAtMs = 0;
  #deliveredBytes = 0;
  #before = 0;
  #current = 0;
  #rounds = 0;

  get extraBytes(): number {
    return Math.max(this.#before, this.#current);
  }

  add(nowMs: number, ackedBytes: number, bytesPerMs: number, windowBytes: number): void {
    if (this.#deliveredBytes <= bytesPerMs * (nowMs - this.#beganAtMs)) {
      this.#deliveredBytes = 0;
      this.#beganAtMs = nowMs;
    }
    this.#deliveredBytes += ackedBytes;
    const extraBytes = this.#deliveredBytes - bytesPerMs * (nowMs - this.#beganAtMs);
    this.#current = Math.max(this.#current, Math.min(extraBytes, windowBytes));
  }

  /** A round has ended; what is older than `rounds` of them is forgotten. */
  onRound(rounds: number): void {
    if (++this.#rounds * 2 < rounds) return;
    this.#rounds = 0;
    this.#before = this.#current;
    this.#current = 0;
  }
}

/** Whether startup has filled the path: whether sending more has ceased to bring more (section 5.3.1.2). */
export class FullPipe {
  #full = false;
  #bytesPerMs = 0;
  #rounds = 0;
  #overflowedRounds = 0;

  get full(): boolean {
    return this.#full;
  }

  /**
   * The bandwidth known by now, and whether it could have been more. At the end of a round also whether too much of it
   * was lost: this tells of a full path also when the sender could not send as it was allowed to.
   */
  add(bytesPerMs: number, limited: boolean, roundEnded: boolean, overflowed: boolean): void {
    if (bytesPerMs >= this.#bytesPerMs * GROWTH) {
      this.#bytesPerMs = bytesPerMs;
      this.#rounds = 0;
      this.#overflowedRounds = 0;
    } else if (roundEnded) {
      if (!limited) this.#rounds++;
      if (overflowed) this.#overflowedRounds++;
      this.#full ||= this.#rounds >= ROUNDS || this.#overflowedRounds >= ROUNDS_OVERFLOWED;
    }
  }
}

/** A path that brings less than this much more, for three rounds or two that have lost too much, is full. */
const GROWTH = 1.25;
const ROUNDS = 3;
const ROUNDS_OVERFLOWED = 2;
