import { describe, expect, test } from 'vitest';
import { type MemoryAccount, MemoryBudget } from '../../src/base/memory-budget.ts';

describe('MemoryBudget', () => {
  // P-73
  test('neither limit can be passed, and what does not fit takes nothing', () => {
    const budget = new MemoryBudget(100, 60);
    const a = { reassemblyBytes: 0 };
    const b = { reassemblyBytes: 0 };
    expect(budget.take(a, 60)).toBe(true);
    expect(budget.take(a, 1)).toBe(false);
    expect(budget.take(b, 41)).toBe(false);
    expect(budget.take(b, 40)).toBe(true);
    expect(budget.usedBytes).toBe(100);
    expect(a.reassemblyBytes).toBe(60);
    expect(b.reassemblyBytes).toBe(40);
  });

  test('what is given back can be taken again, by anybody', () => {
    const budget = new MemoryBudget(100, 100);
    const a = { reassemblyBytes: 0 };
    const b = { reassemblyBytes: 0 };
    budget.take(a, 100);
    budget.giveBack(a, 30);
    expect(budget.take(b, 31)).toBe(false);
    expect(budget.take(b, 30)).toBe(true);
    expect(a.reassemblyBytes).toBe(70);
  });
});

/** Holds several pieces, and gives up one at a time. */
class Holder implements MemoryAccount {
  reassemblyBytes = 0;
  readonly #budget: MemoryBudget;
  readonly #pieces: number[] = [];
  readonly isUnproven: boolean;

  constructor(budget: MemoryBudget, isUnproven = false) {
    this.#budget = budget;
    this.isUnproven = isUnproven;
  }

  take(...pieces: number[]): boolean {
    return pieces.every((bytes) => {
      const taken = this.#budget.takeFairly(this, bytes, 0);
      if (taken) this.#pieces.push(bytes);
      return taken;
    });
  }

  giveUpSome(): boolean {
    const bytes = this.#pieces.shift();
    if (bytes === undefined) return false;
    this.#budget.giveBack(this, bytes);
    return true;
  }
}

describe('MemoryBudget.takeFairly', () => {
  test('lets who holds most make room for who would hold less', () => {
    const budget = new MemoryBudget(100, 100);
    const [hog, small, modest] = [new Holder(budget), new Holder(budget), new Holder(budget)];
    expect(hog.take(40, 30)).toBe(true);
    expect(small.take(30)).toBe(true);
    expect(modest.take(35)).toBe(true);
    expect([hog, small, modest].map(({ reassemblyBytes }) => reassemblyBytes)).toEqual([30, 30, 35]);
  });

  test('takes nothing from who holds less, and nothing from itself', () => {
    const budget = new MemoryBudget(100, 100);
    const [first, second] = [new Holder(budget), new Holder(budget)];
    expect(first.take(30, 30)).toBe(true);
    expect(second.take(40)).toBe(true);
    expect(second.take(30)).toBe(false);
    expect(first.take(10)).toBe(false);
    expect(budget.usedBytes).toBe(100);
  });

  test('asks the next when the largest has nothing to give', () => {
    const budget = new MemoryBudget(100, 100);
    const stubborn = { reassemblyBytes: 0, giveUpSome: () => false };
    const [second, third] = [new Holder(budget), new Holder(budget)];
    expect(budget.takeFairly(stubborn, 60, 0)).toBe(true);
    expect(second.take(40)).toBe(true);
    expect(third.take(20)).toBe(true);
    expect(second.reassemblyBytes).toBe(0);
  });

  test('puts whoever has not proved itself behind all who have', () => {
    const budget = new MemoryBudget(100, 100);
    const spoofed = Array.from({ length: 10 }, () => new Holder(budget, true));
    expect(spoofed.every((holder) => holder.take(10))).toBe(true);
    const [honest, newcomer] = [new Holder(budget), new Holder(budget, true)];
    expect(honest.take(90)).toBe(true);
    expect(newcomer.take(5)).toBe(true);
    expect(honest.reassemblyBytes).toBe(90);
    expect(new Holder(budget, true).take(10)).toBe(false);
  });
});
