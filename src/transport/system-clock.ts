// The real clock. Beside the simulator's, the only place where timers are armed.

import type { Clock, Timer } from '../base/clock.ts';
import { SleepWatch } from '../base/sleep-watch.ts';

const sleepWatch = new SleepWatch();

/**
 * Monotonic time of this process, and Node's timers. A timer never fires early: Node's may, by a fraction
 * of a millisecond, and at once for delays above 2^31-1 ms.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  wokeAtMs: () => sleepWatch.look(performance.now(), Date.now()),
  setTimer(delayMs: number, fire: () => void): Timer {
    if (Number.isNaN(delayMs)) throw new RangeError('a delay must be a number of milliseconds');
    return new SystemTimer(performance.now() + delayMs, fire);
  },
};

/** The longest delay that Node's `setTimeout` keeps. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #timeout: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  readonly #dueAtMs: number;
  readonly #fire: () => void;

  constructor(dueAtMs: number, fire: () => void) {
    this.#dueAtMs = dueAtMs;
    this.#fire = fire;
    if (dueAtMs < Number.POSITIVE_INFINITY) this.#arm(dueAtMs - performance.now());
  }

  cancel(): void {
    clearTimeout(this.#timeout);
    clearImmediate(this.#immediate);
  }

  #arm(remainingMs: number): void {
    if (remainingMs <= 0) this.#immediate = setImmediate(this.#fire);
    else this.#timeout = setTimeout(() => this.#wake(), Math.min(Math.ceil(remainingMs), TIMEOUT_MAX_MS));
  }

  #wake(): void {
    const remainingMs = this.#dueAtMs - performance.now();
    if (remainingMs > 0) this.#arm(remainingMs);
    else this.#fire();
  }
}
