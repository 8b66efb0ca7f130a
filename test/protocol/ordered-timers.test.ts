import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from '../../src/base/heap.ts';
import type { TimerTarget } from '../../src/protocol/context.ts';
import { type OrderedTimer, OrderedTimers } from '../../src/protocol/ordered-timers.ts';
import { SeededRandom } from '../../src/sim/random.ts';

/** As an endpoint does: wakes everybody who is due. */
function runUntil(timers: Heap<TimerTarget>, nowMs: number): void {
  for (let entry = timers.peek(); entry !== undefined && entry.key <= nowMs; entry = timers.peek()) {
    timers.pop();
    entry.value.onTimer(nowMs);
  }
}

test('timers in order have one place among all others, wherever they are taken back', () => {
  const timers = new Heap<TimerTarget>();
  const ordered = new OrderedTimers(timers);
  const woken: number[] = [];
  const set = [10, 20, 30, 40].map((atMs) =>
    ordered.set(undefined, { onTimer: () => woken.push(atMs) }, atMs),
  );
  expect(timers.size).toBe(1);
  ordered.set(set[0], { onTimer: () => {} }, Number.POSITIVE_INFINITY);
  ordered.set(set[2], { onTimer: () => {} }, Number.POSITIVE_INFINITY);
  // It looks at the time of the first, which is gone, and again when there is somebody to wake.
  runUntil(timers, 10);
  expect(woken).toEqual([]);
  expect(timers.peek()?.key).toBe(20);
  runUntil(timers, 20);
  expect(woken).toEqual([20]);
  ordered.set(set[3], { onTimer: () => {} }, Number.POSITIVE_INFINITY);
  expect(timers.size).toBe(0);
});

test('who sets its timer again while it is woken is woken again, in its turn', () => {
  const timers = new Heap<TimerTarget>();
  const ordered = new OrderedTimers(timers);
  const woken: string[] = [];
  const again = { onTimer: () => woken.push('again') };
  ordered.set(undefined, { onTimer: () => ordered.set(undefined, again, 50) }, 10);
  ordered.set(undefined, { onTimer: () => woken.push('second') }, 20);
  runUntil(timers, 10);
  expect(timers.peek()?.key).toBe(20);
  runUntil(timers, 49);
  expect(woken).toEqual(['second']);
  runUntil(timers, 50);
  expect(woken).toEqual(['second', 'again']);
  expect(timers.size).toBe(0);
});

test('a target that throws keeps nobody else from being woken', () => {
  const timers = new Heap<TimerTarget>();
  const ordered = new OrderedTimers(timers);
  const woken: string[] = [];
  const fails = (): void => {
    throw new Error('no');
  };
  ordered.set(undefined, { onTimer: fails }, 10);
  ordered.set(undefined, { onTimer: () => woken.push('second') }, 20);
  expect(() => runUntil(timers, 10)).toThrow('no');
  runUntil(timers, 20);
  expect(woken).toEqual(['second']);
  expect(() => ordered.set(undefined, { onTimer: fails }, Number.NaN)).toThrow(RangeError);
});

/** Timers with their owners, who set, move and take back some of all timers whenever they are woken. */
class Owners {
  readonly timers: Heap<TimerTarget> = new Heap<TimerTarget>();
  readonly waiting: Map<number, { dueMs: number; timer: OrderedTimer | undefined }> = new Map();
  nowMs = 0;
  #ordered = new OrderedTimers(this.timers);
  #ids = 0;
  readonly #number: () => number;

  /** `number` draws from 0 to 99. */
  constructor(number: () => number) {
    this.#number = number;
  }

  act(): void {
    const what = this.#number() % 3;
    const ids = [...this.waiting.keys()];
    const id = what === 0 || ids.length === 0 ? this.#ids++ : ids[this.#number() % ids.length]!;
    const dueMs = what === 2 ? Number.POSITIVE_INFINITY : this.nowMs + (this.#number() % 40);
    const timer = this.#ordered.set(this.waiting.get(id)?.timer, this.#owner(id), dueMs);
    if (timer === undefined) this.waiting.delete(id);
    else this.waiting.set(id, { dueMs, timer });
  }

  #owner(id: number): TimerTarget {
    return {
      onTimer: (nowMs) => {
        expect(this.waiting.get(id)!.dueMs).toBeLessThanOrEqual(nowMs);
        this.waiting.delete(id);
        for (let acts = this.#number() % 3; acts > 0 && this.#ids < 200; acts--) this.act();
      },
    };
  }

  takeAllBack(): void {
    for (const [id, { timer }] of this.waiting)
      this.#ordered.set(timer, this.#owner(id), Number.POSITIVE_INFINITY);
  }
}

test('whatever is set, moved and taken back, also while others are woken: each is woken when it is due, and once', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = new SeededRandom(`timers ${seed}`);
      const owners = new Owners(() => Math.floor(100 * random.float()));
      for (let step = 0; step < 40; step++) {
        for (let acts = 0; acts < 3; acts++) owners.act();
        owners.nowMs += Math.floor(10 * random.float());
        runUntil(owners.timers, owners.nowMs);
        for (const { dueMs } of owners.waiting.values()) expect(dueMs).toBeGreaterThan(owners.nowMs);
        // One place for all that are in order.
        expect(owners.timers.size).toBeLessThanOrEqual(owners.waiting.size);
      }
      owners.takeAllBack();
      expect(owners.timers.size).toBe(0);
    }),
  );
});
