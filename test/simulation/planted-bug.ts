// What a planted bug is: a mistake that somebody could make, as an edit of the sources that only exists in the worker
// processes that look for it, and what must find it how soon. The bugs are in planted-bugs/.

import type { GivenPlan } from './plan.ts';

/** A piece of source text that is replaced by another; it must be there exactly once. */
export interface Edit {
  /** From the root of the tree, e.g. `src/protocol/link.ts`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** What its seeds are given (work, faults, numbers made small) is what it takes to show it. */
export interface PlantedBug extends GivenPlan {
  /** Short, in kebab-case. */
  readonly name: string;
  /** What somebody did wrong, in one line. */
  readonly story: string;
  readonly edits: readonly Edit[];
  /** Which invariant must be seen broken. */
  readonly foundBy: string;
  /** Within so many seeds, counted from 1. */
  readonly withinSeeds: number;
}
