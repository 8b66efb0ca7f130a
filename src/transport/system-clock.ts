// The real clock. Nothing else outside of sim/ reads time or arms a timer.

import type { Clock, Timer } from '../base/clock.ts';

/** Longest delay that setTimeout takes; longer ones fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** `performance.now()` and `setTimeout`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(delayMs: number, fire: () => void): Timer {
    let handle: NodeJS.Timeout | undefined;
    const arm = (leftMs: number): void => {
      if (leftMs === Number.POSITIVE_INFINITY) return;
      handle = setTimeout(
        leftMs > MAX_DELAY_MS ? () => arm(leftMs - MAX_DELAY_MS) : fire,
        Math.min(leftMs, MAX_DELAY_MS),
      );
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
