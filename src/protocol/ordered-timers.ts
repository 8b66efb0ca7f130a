// Timers of which each is mostly due after the one that was set before it, as those of calls to one peer are. In a heap each
// of them costs as much as there are, twice: here one that is in order is linked behind the last, and only the first has
// its place among all others.

import { checkKey, type Heap, type HeapEntry } from '../base/heap.ts';
import type { TimerTarget } from './context.ts';

/** What {@link OrderedTimers.set} has set; its own handle. */
export interface OrderedTimer {
  readonly atMs: number;
  readonly target: TimerTarget;
}

class Linked implements OrderedTimer {
  readonly atMs: number;
  readonly target: TimerTarget;
  /** Its place among all timers, when it was not in order. */
  readonly alone: HeapEntry<TimerTarget> | undefined;
  before: Linked | undefined;
  after: Linked | undefined;

  constructor(atMs: number, target: TimerTarget, alone?: HeapEntry<TimerTarget>) {
    this.atMs = atMs;
    this.target = target;
    this.alone = alone;
  }
}

/** Timers of an endpoint that are set, and taken back, in about the same order. All of it is O(1), but for what is not in order. */
export class OrderedTimers implements TimerTarget {
  readonly #timers: Heap<TimerTarget>;
  #first: Linked | undefined;
  #last: Linked | undefined;
  /** No later than the first; earlier once that was taken back. Undefined when there is no timer. */
  #entry: HeapEntry<TimerTarget> | undefined;

  constructor(timers: Heap<TimerTarget>) {
    this.#timers = timers;
  }

  /**
   * `target` is woken at this time, and not when `timer` says, if that has not passed; at Infinity not at all. @throws
   * RangeError when it is no time.
   */
  set(timer: OrderedTimer | undefined, target: TimerTarget, atMs: number): OrderedTimer | undefined {
    checkKey(atMs);
    if (timer !== undefined) this.#takeBack(timer as Linked);
    if (atMs === Number.POSITIVE_INFINITY) return undefined;
    let before = this.#last;
    for (let steps = 0; before !== undefined && before.atMs > atMs; steps++, before = before.before) {
      if (steps === STEPS_MAX) return new Linked(atMs, target, this.#timers.push(atMs, target));
    }
    const link = new Linked(atMs, target);
    this.#linkBehind(before, link);
    // While the others are woken it has none, and some of them may still be due.
    if (this.#entry === undefined) this.#entry = this.#timers.push(this.#first!.atMs, this);
    else if (atMs < this.#entry.key) this.#timers.move(this.#entry, atMs);
    return link;
  }

  /** Wakes who is due. */
  onTimer(nowMs: number): void {
    this.#entry = undefined;
    try {
      for (let first = this.#first; first !== undefined && first.atMs <= nowMs; first = this.#first) {
        this.#unlink(first);
        first.target.onTimer(nowMs);
      }
    } finally {
      if (this.#first !== undefined) this.#entry ??= this.#timers.push(this.#first.atMs, this);
    }
  }

  #takeBack(link: Linked): void {
    if (link.alone !== undefined) {
      this.#timers.remove(link.alone);
      return;
    }
    this.#unlink(link);
    if (this.#first !== undefined || this.#entry === undefined) return;
    this.#timers.remove(this.#entry);
    this.#entry = undefined;
  }

  #linkBehind(before: Linked | undefined, link: Linked): void {
    const after = before === undefined ? this.#first : before.after;
    link.before = before;
    link.after = after;
    if (before === undefined) this.#first = link;
    else before.after = link;
    if (after === undefined) this.#last = link;
    else after.before = link;
  }

  #unlink(link: Linked): void {
    const { before, after } = link;
    if (before !== undefined) before.after = after;
    else if (this.#first === link) this.#first = after;
    if (after !== undefined) after.before = before;
    else if (this.#last === link) this.#last = before;
    link.before = undefined;
    link.after = undefined;
  }
}

/** One that is due before so many others is not in order; a few calls that are long under way shall not keep all others out. */
const STEPS_MAX = 4;
