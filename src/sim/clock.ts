// Virtual time: the next timer fires as soon as everything that the last one caused has been done. An hour of
// waiting costs nothing, and the same calls lead to the same order of events on every machine.

import type { Clock, Timer } from '../base/clock.ts';
import { Heap, type HeapEntry } from '../base/heap.ts';

/** When {@link VirtualClock.run} stops; without any of them, when no timer is left. */
export interface RunOptions {
  /** Asked before each timer; true ends the run. */
  readonly until?: (() => boolean) | undefined;
  /** Ends the run this much virtual time from now, and leaves the clock exactly there. */
  readonly forMs?: number | undefined;
}

/** Why a run ended: its condition held, its time had passed, or no timer was left. */
export type RunOutcome = 'condition' | 'time' | 'idle';

/** A clock that is moved by {@link run} and {@link runUntil} only. */
export class VirtualClock implements Clock {
  readonly #timers = new Heap<() => void>();
  #nowMs: number;
  #running = false;
  #held = 0;
  #firedAtThisInstant = 0;

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Never: what sleeps are hosts, each with a clock of its own. */
  wokeAtMs(): number {
    return Number.NEGATIVE_INFINITY;
  }

  /** Timers armed and neither fired nor cancelled: 0 once everything was closed, or something leaks. */
  get armedTimers(): number {
    return this.#timers.size;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    if (Number.isNaN(delayMs)) throw new RangeError('a delay must be a number of milliseconds');
    return this.setTimerAt(this.#nowMs + delayMs, fire);
  }

  /** As `setTimer`, at a time instead of after a delay: two timers for one time keep their order. */
  setTimerAt(timeMs: number, fire: () => void): Timer {
    if (timeMs === Number.POSITIVE_INFINITY) return { cancel() {} };
    return new VirtualTimer(this.#timers, this.#timers.push(Math.max(this.#nowMs, timeMs), fire));
  }

  /**
   * Lets time pass. Timers fire in order of time, those of one instant in the order in which they were armed;
   * after each, all promise jobs and `nextTick`s that it led to are done before the next.
   * @throws whatever a timer's function throws; Error when time stands still over a million timers.
   */
  async run(options: RunOptions = {}): Promise<RunOutcome> {
    if (this.#running) throw new Error('the virtual clock is running already');
    this.#running = true;
    try {
      return await this.#run(
        options.until ?? never,
        this.#nowMs + (options.forMs ?? Number.POSITIVE_INFINITY),
      );
    } finally {
      this.#running = false;
    }
  }

  /**
   * Lets time pass until `promise` settles, and gives its outcome.
   * @throws Error when nothing is left to do while it is pending, or `limitMs` of virtual time have passed.
   */
  async runUntil<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    promise.then(settle, settle);
    const startMs = this.#nowMs;
    const outcome = await this.run({ until: () => settled || this.#timers.size === 0, forMs: limitMs });
    if (settled) return promise;
    const at = `at ${this.#nowMs} ms (${this.#nowMs - startMs} ms after the start)`;
    throw new Error(
      outcome === 'condition'
        ? `the promise is pending and no timer is left, ${at}`
        : `the promise is pending after its limit of ${limitMs} ms, ${at}, with ${this.armedTimers} timers armed`,
    );
  }

  /**
   * Holds time still until `work`, which waits for something outside of the simulation such as a real file,
   * has settled: to the simulation it takes no time.
   */
  async hold<T>(work: Promise<T>): Promise<T> {
    this.#held++;
    try {
      return await work;
    } finally {
      this.#held--;
    }
  }

  #run(until: () => boolean, endMs: number): Promise<RunOutcome> {
    return new Promise((resolve, reject) => {
      let queued = 0;
      let ended = false;
      const step = () => {
        queued--;
        if (ended) return;
        try {
          const outcome = this.#held > 0 ? undefined : until() ? 'condition' : this.#fireNext(endMs);
          ended = outcome !== undefined;
          if (outcome !== undefined) resolve(outcome);
          else if (queued === 0) queue();
        } catch (error) {
          ended = true;
          reject(error);
        }
      };
      // Between two immediates Node does all promise jobs and ticks, and those that they queue, until none is
      // left. That holds for immediates queued together, too, and those share one turn of the event loop,
      // which costs several microseconds.
      const queue = () => {
        for (queued = 0; queued < IMMEDIATES_AT_ONCE; queued++) setImmediate(step);
      };
      queue();
    });
  }

  /** Fires one timer; or says why there was none to fire. */
  #fireNext(endMs: number): RunOutcome | undefined {
    const next = this.#timers.peek();
    if (next === undefined || next.key > endMs) {
      if (endMs !== Number.POSITIVE_INFINITY) this.#nowMs = endMs;
      return next === undefined ? 'idle' : 'time';
    }
    this.#timers.pop();
    this.#firedAtThisInstant = next.key > this.#nowMs ? 1 : this.#firedAtThisInstant + 1;
    this.#nowMs = next.key;
    if (this.#firedAtThisInstant > INSTANT_TIMERS_MAX) {
      throw new Error(`${INSTANT_TIMERS_MAX} timers fired at ${this.#nowMs} ms: time does not advance`);
    }
    next.value();
    return undefined;
  }
}

/** More than any test wants at one instant; a timer of 0 ms that arms itself again gets there in seconds. */
const INSTANT_TIMERS_MAX = 1_000_000;

const IMMEDIATES_AT_ONCE = 32;

const never = (): boolean => false;

class VirtualTimer implements Timer {
  readonly #timers: Heap<() => void>;
  readonly #entry: HeapEntry<() => void>;

  constructor(timers: Heap<() => void>, entry: HeapEntry<() => void>) {
    this.#timers = timers;
    this.#entry = entry;
  }

  cancel(): void {
    this.#timers.remove(this.#entry);
  }
}
