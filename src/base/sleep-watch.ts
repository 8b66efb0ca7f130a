// Whether the machine has slept: a monotonic clock may stand still meanwhile (Linux's does), and then only the wall
// clock tells. Somebody may have set that one, too; so whatever follows from this must do no harm when it is wrong.

/** So much further has the wall clock gone after a sleep, at least; adjusting it to another one's pace is less. */
const SLEEP_MIN_MS = 1_000;

/** Who sets a wall clock again and again must not keep us from ever holding anything against anybody. */
const WAKING_DISTANCE_MIN_MS = 30_000;

/** Compares a monotonic clock with the wall clock, from one {@link look} to the next. */
export class SleepWatch {
  #wokeAtMs = Number.NEGATIVE_INFINITY;
  /** By how much the wall clock was ahead at the last look. */
  #aheadMs: number | undefined;

  /** When the machine has last woken, as was noticed now or before; on the monotonic clock. Never: -Infinity. */
  look(nowMs: number, unixMs: number): number {
    const aheadMs = unixMs - nowMs;
    const jumpMs = aheadMs - (this.#aheadMs ?? aheadMs);
    this.#aheadMs = aheadMs;
    if (jumpMs > SLEEP_MIN_MS && nowMs - this.#wokeAtMs >= WAKING_DISTANCE_MIN_MS) this.#wokeAtMs = nowMs;
    return this.#wokeAtMs;
  }
}
