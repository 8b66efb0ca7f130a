// When is one call overdue? The estimate of the moment when it began is only where to look first: others answer
// meanwhile, the path is measured, the request waits in our own queue. Looking again costs what asking costs.

import type { TimeLimits } from './response-times.ts';

/** A call whose estimate was borrowed is looked at after so long, and whenever that time has doubled. */
const FIRST_LOOK_MS = 30;

/**
 * A call that was held up on our side is looked at again no sooner than after this part of the time that it was held up:
 * looking at a hundred thousand of them may be what holds them up.
 */
const HELD_UP_SHARE = 0.25;

/** Late calls that look like our own fault are looked at again after as long as they have taken, so often. */
const DOUBTS_MAX = 3;

/** What has to be known of a call, and of everybody, to tell whether it is overdue now. */
export interface OverdueEvidence {
  /** When its first byte left; undefined while it waits for that, which is nobody's fault but ours. */
  readonly sentAtMs: number | undefined;
  /** What such a call would be allowed if it began now. */
  readonly limits: TimeLimits;
  /** Whether its being late says more of us than of its peer. */
  readonly isOurs: () => boolean;
}

/** The lateness of one call. Times on the endpoint's clock. */
export class OverdueWatch {
  /** When to {@link look} next; Infinity once it has been told. */
  lookAtMs: number;
  readonly #beganAtMs: number;
  #told = false;
  #doubts = 0;

  constructor(limits: TimeLimits, nowMs: number) {
    this.#beganAtMs = nowMs;
    const { overdueAfterMs, basis } = limits;
    const isOwn = basis.source === 'peer';
    this.lookAtMs = nowMs + (isOwn ? overdueAfterMs : Math.min(overdueAfterMs, FIRST_LOOK_MS));
  }

  /** It was overdue at some time. */
  get told(): boolean {
    return this.#told;
  }

  /** It never took longer than it should have. */
  get inTime(): boolean {
    return !this.#told && this.#doubts === 0;
  }

  /** True, once: it is overdue now. */
  look(nowMs: number, { sentAtMs, limits, isOurs }: OverdueEvidence): boolean {
    if (this.#told) return false;
    const { overdueAfterMs, basis } = limits;
    const elapsedMs = nowMs - (sentAtMs ?? nowMs);
    // Half a microsecond: times are sums, and may have been rounded the other way.
    if (elapsedMs + 0.0005 < overdueAfterMs) {
      const leftMs = overdueAfterMs - elapsedMs;
      const againMs = basis.source === 'peer' ? leftMs : Math.min(leftMs, Math.max(FIRST_LOOK_MS, elapsedMs));
      const heldUpMs = nowMs - this.#beganAtMs - elapsedMs;
      this.lookAtMs = nowMs + Math.max(againMs, HELD_UP_SHARE * heldUpMs);
      return false;
    }
    if (this.#doubts < DOUBTS_MAX && isOurs()) {
      this.#doubts++;
      this.lookAtMs = nowMs + elapsedMs;
      return false;
    }
    this.#told = true;
    this.lookAtMs = Number.POSITIVE_INFINITY;
    return true;
  }
}
