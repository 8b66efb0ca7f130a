import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Holding, happiness, maximumMatching, reaches } from '../../src/grid/happiness.ts';

const at = (...pairs: [string, number][]): Holding<string>[] =>
  pairs.map(([server, shareNumber]) => ({ server, shareNumber }));

/** The definition, by trying everything. */
function largestMatching(holdings: readonly Holding<number>[]): number {
  const [first, ...rest] = holdings;
  if (first === undefined) return 0;
  const compatible = rest.filter((h) => h.server !== first.server && h.shareNumber !== first.shareNumber);
  return Math.max(1 + largestMatching(compatible), largestMatching(rest));
}

describe('happiness', () => {
  test('counts servers with a share of their own', () => {
    expect(happiness(at())).toBe(0);
    expect(happiness(at(['a', 0], ['b', 1], ['c', 2]))).toBe(3);
    expect(happiness(at(['a', 0], ['a', 1], ['a', 2]))).toBe(1);
    expect(happiness(at(['a', 0], ['b', 0], ['c', 0]))).toBe(1);
    expect(happiness(at(['a', 0], ['a', 0]))).toBe(1);
  });

  test('finds the other way round where the first choice was in the way', () => {
    expect(happiness(at(['a', 0], ['a', 1], ['b', 0]))).toBe(2);
    expect(happiness(at(['a', 0], ['a', 1], ['b', 0], ['b', 2], ['c', 0], ['d', 1]))).toBe(3);
  });

  test('is the size of the largest matching, whatever the holdings', () => {
    const holding = fc.record({ server: fc.nat(5), shareNumber: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(holding, { maxLength: 12 }), (holdings) => {
        const matching = maximumMatching(holdings);
        expect(matching.size).toBe(largestMatching(holdings));
        expect(new Set(matching.values()).size).toBe(matching.size);
        for (const [shareNumber, server] of matching)
          expect(holdings).toContainEqual({ shareNumber, server });
      }),
    );
  });

  test('is large enough for 256 shares on 256 servers', () => {
    const all = Array.from({ length: 256 }, (_, i) =>
      [0, 1, 2].map((j) => ({ server: i, shareNumber: (i * j) % 256 })),
    );
    expect(happiness(all.flat())).toBe(256);
  });
});

describe('the goal of an upload', () => {
  test('is missed as long as the file could not be read, however happy the servers are', () => {
    const goal = { needed: 3, happy: 1 };
    expect(reaches(goal, at(['a', 0], ['b', 1]))).toBe(false);
    expect(reaches(goal, at(['a', 0], ['a', 1], ['a', 2]))).toBe(true);
    expect(reaches({ needed: 3, happy: 2 }, at(['a', 0], ['a', 1], ['a', 2]))).toBe(false);
  });
});
