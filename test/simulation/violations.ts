// What a run found to be wrong, and how often each rare path ran. One of each per run.

import type { Sometimes } from './sometimes.ts';

/** A broken invariant. */
export interface Violation {
  /** Stable name, e.g. `at-most-once`. */
  readonly invariant: string;
  readonly detail: string;
  /** Virtual time. */
  readonly atMs: number;
}

/** Collects what is found; a run goes on after the first, but not for ever. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly sometimes: Partial<Record<Sometimes, number>> = {};
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  violated(invariant: string, detail: string): void {
    if (this.violations.length >= VIOLATIONS_MAX) return;
    this.violations.push({ invariant, detail, atMs: Math.round(this.#nowMs() * 1000) / 1000 });
  }

  saw(what: Sometimes, times = 1): void {
    this.sometimes[what] = (this.sometimes[what] ?? 0) + times;
  }
}

const VIOLATIONS_MAX = 20;
