import { describe, expect, test } from 'vitest';
import { MemoryBudget } from '../../src/base/memory-budget.ts';

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
