// The loop: take a known input, change it, run it, keep it when it took a branch that no other has taken. Runs in a
// worker; the parent sees the present input and the count in shared memory, so that it can tell of one that hangs.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { EdgeCounters } from './coverage.ts';
import { Mutator } from './mutator.ts';
import type { FuzzTarget } from './target.ts';

/** When to stop: after so many executions, or at a time of `performance.now()`. */
export interface Budget {
  readonly executionsMax: number;
  readonly untilMs: number;
}

/** What the parent sees of a run while it goes on. */
export class SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly #numbers: Int32Array;
  readonly #input: Uint8Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(8 + SHARED_INPUT_BYTES)) {
    this.buffer = buffer;
    this.#numbers = new Int32Array(buffer, 0, 2);
    this.#input = new Uint8Array(buffer, 8);
  }

  /** An input is about to be run; the first is number 1. */
  begin(execution: number, input: Uint8Array): void {
    this.#input.set(input);
    this.#numbers[1] = input.length;
    this.#numbers[0] = execution;
  }

  get executions(): number {
    return this.#numbers[0]!;
  }

  get input(): Uint8Array {
    return this.#input.slice(0, this.#numbers[1]);
  }
}

const SHARED_INPUT_BYTES = 1 << 16;

/** An input that broke a promise. */
export interface Failure {
  readonly input: Uint8Array;
  readonly error: string;
}

/** What came of a run. */
export interface FuzzResult {
  readonly executions: number;
  readonly elapsedMs: number;
  readonly edgesHit: number;
  readonly edgesTotal: number;
  /** The inputs that are enough to take all branches taken, the small ones first. */
  readonly corpus: readonly Uint8Array[];
  /** How many inputs were new to the corpus that the run began with. */
  readonly found: number;
  readonly failures: readonly Failure[];
  /** By how much live memory has grown since a quarter of the run. */
  readonly heapGrowthBytes: number;
}

/** Executions between two looks at the clock. */
const BATCH = 256;
/** Failures with the same words are one. */
const FAILURES_MAX = 5;
/** Of ten picks, so many from the inputs found last: they are the frontier. */
const RECENT_OF_TEN = 4;
const RECENT = 16;

/** Fuzzes one target. */
export async function fuzz(
  target: FuzzTarget,
  counters: EdgeCounters,
  known: readonly Uint8Array[],
  seed: number,
  budget: Budget,
  shared: SharedState,
): Promise<FuzzResult> {
  const startedAtMs = performance.now();
  const quarterAtMs = startedAtMs + (budget.untilMs - startedAtMs) / 4;
  const mutator = new Mutator(seed, target.maxBytes, target.dictionary ?? []);
  const { dice } = mutator;
  const failures = new Map<string, Failure>();
  const corpus: Uint8Array[] = [];
  let executions = 0;

  const fail = (input: Uint8Array, error: unknown): void => {
    const words = describe(error);
    if (failures.size < FAILURES_MAX && !failures.has(words)) {
      failures.set(words, { input: input.slice(), error: words });
    }
  };
  const learn = (input: Uint8Array): void => {
    if (counters.take()) corpus.push(input.slice());
  };
  /** A promise only where there is something to wait for: waiting would be half of the time of quick targets. */
  const run = (input: Uint8Array): Promise<void> | undefined => {
    shared.begin(++executions, input);
    try {
      const running = target.run(input);
      if (running !== undefined) {
        return running.catch((error: unknown) => fail(input, error)).then(() => learn(input));
      }
    } catch (error) {
      fail(input, error);
    }
    learn(input);
    return undefined;
  };

  counters.focus(target.covers);
  for (const input of [...target.seeds, ...known]) {
    const running = run(input.subarray(0, target.maxBytes));
    if (running !== undefined) await running;
  }
  if (corpus.length === 0) corpus.push(new Uint8Array(0));
  const knownCount = corpus.length;

  let baseline: number | undefined;
  for (;;) {
    if (executions >= budget.executionsMax || performance.now() >= budget.untilMs) break;
    if (
      baseline === undefined &&
      (executions >= budget.executionsMax / 4 || performance.now() >= quarterAtMs)
    ) {
      baseline = liveBytes(corpus);
    }
    for (let i = 0; i < BATCH; i++) {
      const { length } = corpus;
      const recent = dice.below(10) < RECENT_OF_TEN ? Math.min(RECENT, length) : length;
      mutator.mutate(corpus[length - 1 - dice.below(recent)]!, corpus[dice.below(length)]!);
      const running = run(mutator.input);
      if (running !== undefined) await running;
    }
  }
  const heapGrowthBytes = liveBytes(corpus) - (baseline ?? 0);
  const elapsedMs = performance.now() - startedAtMs;
  const executionsMade = executions;
  const { hit, total } = counters.coverage;
  return {
    executions: executionsMade,
    elapsedMs,
    edgesHit: hit,
    edgesTotal: total,
    corpus: await smallestCover(target, counters, corpus, (input) => shared.begin(++executions, input)),
    found: corpus.length - knownCount,
    failures: [...failures.values()],
    heapGrowthBytes: baseline === undefined ? 0 : heapGrowthBytes,
  };
}

/** Greedy: by size, what adds to those before it. */
async function smallestCover(
  target: FuzzTarget,
  counters: EdgeCounters,
  corpus: readonly Uint8Array[],
  begin: (input: Uint8Array) => void,
): Promise<Uint8Array[]> {
  counters.focus(target.covers);
  const cover: Uint8Array[] = [];
  for (const input of [...corpus].sort((a, b) => a.length - b.length)) {
    begin(input);
    try {
      await target.run(input);
    } catch {
      // It is among the failures.
    }
    if (counters.take()) cover.push(input);
  }
  return cover;
}

/**
 * Memory in use but for the corpus. Twice collected: what the first time finds of array buffers is given back beside the
 * program, and counted until the second time.
 */
function liveBytes(corpus: readonly Uint8Array[]): number {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc === 'function') for (let i = 0; i < 2; i++) gc();
  // Array buffers are part of what is external.
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external - corpus.reduce((sum, { length }) => sum + length, 0);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? `${error}`) : `thrown: ${String(error)}`;
}
