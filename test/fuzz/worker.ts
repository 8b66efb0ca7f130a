// A thread that fuzzes one target after the other, as it is told. Its modules of src/ are instrumented; those of other threads are not.

import { parentPort } from 'node:worker_threads';
import { readCorpus } from './corpus.ts';
import { EdgeCounters } from './coverage.ts';
import { type Budget, fuzz, SharedState } from './engine.ts';
import { loadTarget } from './targets.ts';

/** What the parent asks for. */
export interface WorkOrder {
  readonly target: string;
  readonly seed: number;
  /** Of `Date.now()`: loading is part of a target's time. */
  readonly untilUnixMs: number;
  readonly executionsMax: number;
  readonly shared: SharedArrayBuffer;
}

/** Of fuzzing, for each target. */
const LEAST_MS = 500;

const counters = EdgeCounters.install();

parentPort!.on('message', async (order: WorkOrder) => {
  const target = await loadTarget(order.target);
  const budget: Budget = {
    executionsMax: order.executionsMax,
    // Loading is part of a target's time, but may not be all of it.
    untilMs: performance.now() + Math.max(LEAST_MS, order.untilUnixMs - Date.now()),
  };
  const shared = new SharedState(order.shared);
  const result = await fuzz(target, counters, readCorpus(order.target), order.seed, budget, shared);
  parentPort!.postMessage(result);
});
