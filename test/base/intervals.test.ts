import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Intervals } from '../../src/base/intervals.ts';

/** The ranges, lowest first. */
function rangesOf(intervals: Intervals): [number, number][] {
  return intervals.highestRanges(Number.MAX_SAFE_INTEGER).reverse();
}

describe('Intervals', () => {
  test('ranges that touch or overlap become one', () => {
    const intervals = new Intervals();
    expect(intervals.add(10, 20)).toBe(10);
    expect(intervals.add(30, 40)).toBe(10);
    expect(intervals.add(20, 25)).toBe(5);
    expect(rangesOf(intervals)).toEqual([
      [10, 25],
      [30, 40],
    ]);
    expect(intervals.add(5, 35)).toBe(10);
    expect(rangesOf(intervals)).toEqual([[5, 40]]);
    expect(intervals.total).toBe(35);
    expect(intervals.rangeCount).toBe(1);
  });

  test('an empty or reversed range adds nothing', () => {
    const intervals = new Intervals();
    expect(intervals.add(5, 5)).toBe(0);
    expect(intervals.add(5, 4)).toBe(0);
    expect(intervals.rangeCount).toBe(0);
    expect(intervals.gaps(0, 3)).toEqual([[0, 3]]);
  });

  test('the lowest range can be forgotten, none of an empty set', () => {
    const intervals = new Intervals();
    intervals.removeLowestRange();
    intervals.add(1, 3);
    intervals.add(7, 9);
    intervals.removeLowestRange();
    expect(rangesOf(intervals)).toEqual([[7, 9]]);
    expect(intervals.total).toBe(2);
  });

  test('gaps come lowest first, and no more than asked for', () => {
    const intervals = new Intervals();
    intervals.add(1, 3);
    intervals.add(7, 9);
    expect(intervals.gaps(0, 20)).toEqual([
      [0, 1],
      [3, 7],
      [9, 20],
    ]);
    expect(intervals.gaps(2, 20, 1)).toEqual([[3, 7]]);
    expect(intervals.gaps(8, 20, 1)).toEqual([[9, 20]]);
    expect(intervals.gaps(0, 20, 0)).toEqual([]);
  });

  test('highest ranges come highest first, and no more than asked for', () => {
    const intervals = new Intervals();
    for (const start of [0, 10, 20]) intervals.add(start, start + 1);
    expect(intervals.highestRanges(2)).toEqual([
      [20, 21],
      [10, 11],
    ]);
  });

  test('holds numbers up to 2^53 - 1', () => {
    const intervals = new Intervals();
    intervals.add(2 ** 52, Number.MAX_SAFE_INTEGER);
    expect(intervals.has(Number.MAX_SAFE_INTEGER - 1)).toBe(true);
    expect(intervals.has(Number.MAX_SAFE_INTEGER)).toBe(false);
    intervals.removeBelow(Number.MAX_SAFE_INTEGER);
    expect(intervals.total).toBe(0);
  });

  test('is a set, whatever is done to it', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), start: fc.nat(60), length: fc.nat(12) }),
      fc.record({ kind: fc.constant('removeBelow' as const), value: fc.nat(70) }),
      fc.record({ kind: fc.constant('removeLowestRange' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(70), fc.nat(70), (steps, from, to) => {
        const intervals = new Intervals();
        const model = new Set<number>();
        for (const action of steps) {
          switch (action.kind) {
            case 'add': {
              const sizeBefore = model.size;
              for (let i = 0; i < action.length; i++) model.add(action.start + i);
              expect(intervals.add(action.start, action.start + action.length)).toBe(model.size - sizeBefore);
              break;
            }
            case 'removeBelow':
              for (const value of [...model]) if (value < action.value) model.delete(value);
              intervals.removeBelow(action.value);
              break;
            case 'removeLowestRange': {
              let value = Math.min(...model);
              while (model.delete(value)) value++;
              intervals.removeLowestRange();
              break;
            }
            default:
              action satisfies never;
          }
        }
        expect(intervals.total).toBe(model.size);
        const all = Array.from({ length: 80 }, (_, value) => value);
        expect(all.filter((value) => intervals.has(value))).toEqual(all.filter((value) => model.has(value)));
        const ranges = rangesOf(intervals);
        expect(intervals.rangeCount).toBe(ranges.length);
        // Sorted, not empty, and a hole between any two.
        let previousEnd = -1;
        for (const [start, end] of ranges) {
          if (start <= previousEnd || end <= start) expect.fail(`not sorted and apart: ${ranges}`);
          previousEnd = end;
        }
        const missing = [];
        for (let value = from; value < to; value++) if (!model.has(value)) missing.push(value);
        const inGaps = intervals
          .gaps(from, to)
          .flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i));
        expect(inGaps).toEqual(missing);
      }),
      { numRuns: 200 },
    );
  });
});
