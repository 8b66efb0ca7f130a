// What a run found to be wrong, how often each rare path ran and, when it is replayed, what happened. One per run.

import type { Sometimes } from './sometimes.ts';

/** A broken invariant. */
export interface Violation {
  /** Stable name, e.g. `at-most-once`. */
  readonly invariant: string;
  readonly detail: string;
  /** Virtual time. */
  readonly atMs: number;
}

/** Takes one line of what happens, with its virtual time. */
export type Tell = (atMs: number, text: string) => void;

/** Collects what is found; a run goes on after the first, but not for ever. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly sometimes: Partial<Record<Sometimes, number>> = {};
  /** There when somebody listens. */
  readonly tell: ((text: string) => void) | undefined;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number, tell?: Tell) {
    this.#nowMs = nowMs;
    this.tell = tell && ((text) => tell(nowMs(), text));
  }

  /** Virtual time. */
  get nowMs(): number {
    return this.#nowMs();
  }

  violated(invariant: string, detail: string): void {
    this.tell?.(`VIOLATED ${invariant}: ${detail}`);
    if (this.violations.length >= VIOLATIONS_MAX) return;
    this.violations.push({ invariant, detail, atMs: Math.round(this.#nowMs() * 1000) / 1000 });
  }

  saw(what: Sometimes, times = 1): void {
    this.sometimes[what] = (this.sometimes[what] ?? 0) + times;
  }
}

const VIOLATIONS_MAX = 20;
