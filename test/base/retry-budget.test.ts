import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RetryBudget } from '../../src/base/retry-budget.ts';

function takeAll(budget: RetryBudget, nowMs: number): number {
  let taken = 0;
  while (budget.take(nowMs)) taken++;
  return taken;
}

test('a lone call can be hedged, and a burst of ten', () => {
  expect(takeAll(new RetryBudget(), 5000)).toBe(10);
});

test('ten calls earn one hedge', () => {
  const budget = new RetryBudget();
  takeAll(budget, 0);
  for (let i = 0; i < 9; i++) budget.earn();
  expect(budget.take(0)).toBe(false);
  for (let i = 0; i < 2; i++) budget.earn();
  expect(takeAll(budget, 0)).toBe(1);
});

test('what is saved up is bounded, however many calls there were', () => {
  const budget = new RetryBudget();
  for (let i = 0; i < 100_000; i++) budget.earn();
  expect(takeAll(budget, 0)).toBe(100);
});

test('without calls a token comes back every second, ten at most, and it says when', () => {
  const budget = new RetryBudget();
  takeAll(budget, 1000);
  expect(budget.comeBackAtMs(1400)).toBeCloseTo(2000, 6);
  expect(budget.take(1999)).toBe(false);
  expect(budget.take(2000)).toBe(true);
  expect(takeAll(budget, 3_600_000)).toBe(10);
  expect(budget.comeBackAtMs(3_600_000)).toBeCloseTo(3_601_000, 6);
});

test('those who wait come back one after another, and none later than in five seconds', () => {
  const budget = new RetryBudget();
  takeAll(budget, 0);
  const times = Array.from({ length: 1000 }, () => budget.comeBackAtMs(0));
  expect(times.slice(0, 3)).toEqual([1000, 1020, 1040]);
  expect(Math.max(...times)).toBe(5000);
  // Who waited is forgotten: a lone one is told the next token's time again.
  expect(budget.comeBackAtMs(600_000)).toBe(600_001);
});

test('time does not add to what calls have earned', () => {
  const budget = new RetryBudget();
  for (let i = 0; i < 200; i++) budget.earn();
  budget.tokensAt(0);
  expect(budget.tokensAt(100_000)).toBeCloseTo(30, 6);
});

test('counts what was taken and what had to wait', () => {
  const budget = new RetryBudget();
  takeAll(budget, 0);
  expect(budget.counters).toEqual({ retryTokensTaken: 10, retryTokensRefused: 1 });
  budget.giveBack();
  expect(budget.take(0)).toBe(true);
});

test('whatever is done with it, no more is taken than was there, earned and refilled', () => {
  const step = fc.record({ calls: fc.nat(300), takes: fc.nat(60), passMs: fc.nat(5000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const budget = new RetryBudget();
      let [nowMs, calls, taken] = [0, 0, 0];
      for (const { calls: more, takes, passMs } of steps) {
        for (let i = 0; i < more; i++) budget.earn();
        calls += more;
        nowMs += passMs;
        for (let i = 0; i < takes; i++) if (budget.take(nowMs)) taken++;
        expect(taken).toBeLessThanOrEqual(10 + 0.1 * calls + nowMs / 1000 + 1e-6);
        expect(budget.tokensAt(nowMs)).toBeGreaterThanOrEqual(-1e-9);
      }
    }),
  );
});
