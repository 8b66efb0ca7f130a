import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from '../../src/base/heap.ts';
import type { TimerTarget } from '../../src/protocol/context.ts';
import { type OrderedTimer, OrderedTimers } from '../../src/protocol/ordered-timers.ts';

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

test('whatever is set, moved and taken back: everybody is woken at the first look at or after its time, and once', () => {
  const action = fc.oneof(
    fc.record({ what: fc.constant('set' as const), inMs: fc.nat(60) }),
    fc.record({ what: fc.constant('move' as const), which: fc.nat(1000), inMs: fc.nat(60) }),
    fc.record({ what: fc.constant('take' as const), which: fc.nat(1000) }),
    fc.record({ what: fc.constant('pass' as const), ms: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const timers = new Heap<TimerTarget>();
      const ordered = new OrderedTimers(timers);
      let nowMs = 0;
      const waiting = new Map<number, { dueMs: number; timer: OrderedTimer | undefined }>();
      const woken: number[] = [];
      const target = (id: number): TimerTarget => ({
        onTimer: () => {
          expect(waiting.get(id)!.dueMs).toBeLessThanOrEqual(nowMs);
          waiting.delete(id);
          woken.push(id);
        },
      });
      const pick = (which: number): number | undefined =>
        [...waiting.keys()][which % Math.max(1, waiting.size)];
      let ids = 0;
      for (const one of actions) {
        if (one.what === 'pass') {
          nowMs += one.ms;
          const due = [...waiting].filter(([, { dueMs }]) => dueMs <= nowMs).map(([id]) => id);
          woken.length = 0;
          runUntil(timers, nowMs);
          expect([...woken].sort()).toEqual(due.sort());
          continue;
        }
        const id = one.what === 'set' ? ids++ : pick(one.which);
        if (id === undefined) continue;
        const dueMs = one.what === 'take' ? Number.POSITIVE_INFINITY : nowMs + 1 + one.inMs;
        const timer = ordered.set(waiting.get(id)?.timer, target(id), dueMs);
        if (timer === undefined) waiting.delete(id);
        else waiting.set(id, { dueMs, timer });
      }
      for (const [id, { timer }] of waiting) ordered.set(timer, target(id), Number.POSITIVE_INFINITY);
      expect(timers.size).toBe(0);
    }),
  );
});
