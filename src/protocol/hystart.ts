// HyStart++ (RFC 9406): leaves slow start when the round-trip time grows, before the queue of the bottleneck
// overflows. cubic.ts asks it how much to grow; it knows nothing of windows.

import type { RoundTrips } from './congestion.ts';

/** What an acknowledgement in slow start means. */
export type SlowStartAdvice =
  /** Grow by this part of what was acknowledged. */
  | { readonly kind: 'grow'; readonly part: number }
  /** The path is full: go on with congestion avoidance. */
  | { readonly kind: 'leave' };

/** One slow start. A round begins when a packet sent after the last round began is acknowledged. */
export class HyStart {
  #roundBeganAtMs = Number.NEGATIVE_INFINITY;
  #lastRoundMinMs = Number.POSITIVE_INFINITY;
  #roundMinMs = Number.POSITIVE_INFINITY;
  #samples = 0;
  /** In conservative slow start (CSS): the minimum that it was entered with. */
  #baselineMinMs: number | undefined;
  #conservativeRounds = 0;

  /** Once per acknowledgement that acknowledged anything new (RFC 9406 section 4.2). */
  onAcked(nowMs: number, largestSentAtMs: number, rtt: RoundTrips): SlowStartAdvice {
    if (largestSentAtMs >= this.#roundBeganAtMs) this.#beginRound(nowMs);
    this.#roundMinMs = Math.min(this.#roundMinMs, rtt.latestMs);
    this.#samples++;
    if (this.#baselineMinMs === undefined) {
      if (this.#hasSlowed()) {
        this.#baselineMinMs = this.#roundMinMs;
        this.#conservativeRounds = 0;
      }
    } else if (this.#samples >= SAMPLES_MIN && this.#roundMinMs < this.#baselineMinMs) {
      // The growth was a passing one: slow start goes on as before.
      this.#baselineMinMs = undefined;
    } else if (this.#conservativeRounds >= CONSERVATIVE_ROUNDS) {
      return LEAVE;
    }
    return this.#baselineMinMs === undefined ? GROW : GROW_CONSERVATIVELY;
  }

  #beginRound(nowMs: number): void {
    this.#roundBeganAtMs = nowMs;
    this.#lastRoundMinMs = this.#roundMinMs;
    this.#roundMinMs = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    if (this.#baselineMinMs !== undefined) this.#conservativeRounds++;
  }

  #hasSlowed(): boolean {
    if (this.#samples < SAMPLES_MIN || this.#lastRoundMinMs === Number.POSITIVE_INFINITY) return false;
    const thresholdMs = Math.min(Math.max(this.#lastRoundMinMs / 8, THRESHOLD_MIN_MS), THRESHOLD_MAX_MS);
    return this.#roundMinMs >= this.#lastRoundMinMs + thresholdMs;
  }
}

// The recommended values of RFC 9406 section 4.3.
const SAMPLES_MIN = 8;
const THRESHOLD_MIN_MS = 4;
const THRESHOLD_MAX_MS = 16;
const CONSERVATIVE_ROUNDS = 5;
const CONSERVATIVE_GROWTH = 1 / 4;

const GROW: SlowStartAdvice = { kind: 'grow', part: 1 };
const GROW_CONSERVATIVELY: SlowStartAdvice = { kind: 'grow', part: CONSERVATIVE_GROWTH };
const LEAVE: SlowStartAdvice = { kind: 'leave' };
