// Time as the rooms see it: injected, monotonic, in milliseconds. The real one is in transport/system-clock.ts,
// the virtual one in sim/clock.ts. Nothing outside of those two reads a clock or arms a timer.

/** A timer that was armed; `cancel` after it fired does nothing. */
export interface Timer {
  cancel(): void;
}

/** Monotonic time and timers. */
export interface Clock {
  /** Milliseconds since an arbitrary start, with fractions; never goes back. It may stand still while the machine sleeps. */
  now(): number;
  /**
   * When the machine has last woken from a sleep in which this clock stood still; -Infinity when it never has. It is
   * noticed when it is asked (base/sleep-watch.ts): whoever acts upon it asks before looking at what has arrived.
   */
  wokeAtMs(): number;
  /** Runs `fire` once, `delayMs` from now (0 = in a later turn). `Infinity` never fires. */
  setTimer(delayMs: number, fire: () => void): Timer;
}
