import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Heap, type HeapEntry } from '../../src/base/heap.ts';

function drain<T>(heap: Heap<T>): T[] {
  const values: T[] = [];
  for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) values.push(entry.value);
  return values;
}

describe('Heap', () => {
  test('gives the smallest key first and equal keys in the order in which they came', () => {
    const heap = new Heap<string>();
    heap.push(2, 'b1');
    heap.push(1, 'a');
    heap.push(2, 'b2');
    heap.push(-5, 'first');
    heap.push(2, 'b3');
    expect(heap.peek()?.value).toBe('first');
    expect(heap.size).toBe(5);
    expect(drain(heap)).toEqual(['first', 'a', 'b1', 'b2', 'b3']);
    expect(heap.pop()).toBeUndefined();
    expect(heap.peek()).toBeUndefined();
  });

  test('an entry can be removed once, and not from another heap', () => {
    const heap = new Heap<string>();
    const a = heap.push(1, 'a');
    const b = heap.push(2, 'b');
    expect(new Heap<string>().remove(a)).toBe(false);
    expect(heap.remove(a)).toBe(true);
    expect(heap.remove(a)).toBe(false);
    expect(heap.move(a, 7)).toBe(false);
    expect(heap.pop()).toBe(b);
    expect(heap.remove(b)).toBe(false);
  });

  test('an entry moved to a key goes behind those that have it', () => {
    const heap = new Heap<string>();
    const a = heap.push(1, 'a');
    heap.push(2, 'b');
    heap.push(3, 'c');
    expect(heap.move(a, 2)).toBe(true);
    expect(drain(heap)).toEqual(['b', 'a', 'c']);
  });

  test('Infinity is a key like any other, NaN is refused', () => {
    const heap = new Heap<string>();
    heap.push(Number.POSITIVE_INFINITY, 'never');
    heap.push(1, 'soon');
    expect(() => heap.push(Number.NaN, 'x')).toThrow(RangeError);
    expect(() => heap.move(heap.peek()!, Number.NaN)).toThrow(RangeError);
    expect(drain(heap)).toEqual(['soon', 'never']);
  });

  test('clear takes everything out and its handles know', () => {
    const heap = new Heap<number>();
    const entry = heap.push(1, 1);
    heap.push(2, 2);
    heap.clear();
    expect(heap.size).toBe(0);
    expect(heap.remove(entry)).toBe(false);
    heap.push(3, 3);
    expect(drain(heap)).toEqual([3]);
  });

  test('agrees with a sorted list under any mix of operations', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), key: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant('pop' as const) }),
      fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }),
      fc.record({
        kind: fc.constant('move' as const),
        pick: fc.nat(),
        key: fc.integer({ min: 0, max: 9 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        const heap = new Heap<number>();
        const model: { key: number; order: number; entry: HeapEntry<number> }[] = [];
        let order = 0;
        for (const step of operations) {
          model.sort((a, b) => a.key - b.key || a.order - b.order);
          switch (step.kind) {
            case 'push':
              model.push({ key: step.key, order, entry: heap.push(step.key, order) });
              order++;
              break;
            case 'pop':
              expect(heap.pop()).toBe(model.shift()?.entry);
              break;
            case 'remove': {
              const at = model.length === 0 ? -1 : step.pick % model.length;
              if (at < 0) break;
              const [gone] = model.splice(at, 1);
              expect(heap.remove(gone!.entry)).toBe(true);
              break;
            }
            case 'move': {
              const moved = model.length === 0 ? undefined : model[step.pick % model.length];
              if (moved === undefined) break;
              expect(heap.move(moved.entry, step.key)).toBe(true);
              moved.key = step.key;
              moved.order = order++;
              break;
            }
            default:
              step satisfies never;
          }
          expect(heap.size).toBe(model.length);
        }
        model.sort((a, b) => a.key - b.key || a.order - b.order);
        expect(drain(heap)).toEqual(model.map((m) => m.entry.value));
      }),
    );
  });
});
