import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdTable } from '../../src/base/id-table.ts';

test('finds what it has by number and by range, in whatever order it came and went', () => {
  // Around the ends of blocks, and the largest numbers.
  const id = fc.oneof(fc.nat(150), fc.integer({ min: 2 ** 53 - 100, max: 2 ** 53 - 2 }));
  const step = fc.record({ does: fc.constantFrom('set', 'set', 'delete'), id });
  fc.assert(
    fc.property(fc.array(step), id, id, (steps, first, last) => {
      const table = new IdTable<{ readonly id: number }>();
      const model = new Map<number, { readonly id: number }>();
      for (const { does, id } of steps) {
        if (does === 'set') {
          const value = { id };
          table.set(id, value);
          model.set(id, value);
        } else {
          expect(table.delete(id)).toBe(model.delete(id));
        }
      }
      const inOrder = [...model.values()].sort((a, b) => a.id - b.id);
      expect(table.size).toBe(model.size);
      expect(table.get(first)).toBe(model.get(first));
      expect(table.has(first)).toBe(model.has(first));
      expect(table.lowest).toBe(inOrder[0]?.id);
      expect(table.all()).toEqual(inOrder);
      expect([...table.values()]).toEqual(inOrder);
      expect(table.between(first, last)).toEqual(inOrder.filter(({ id }) => id >= first && id <= last));
      table.clear();
      expect([table.size, table.get(first), table.all()]).toEqual([0, undefined, []]);
    }),
  );
});

test.each([
  [
    'descending, and go ascending behind one that stays',
    (i: number, n: number) => n - i,
    (i: number) => i + 1,
  ],
  ['between others, and go descending', scattered, (i: number, n: number) => n - i],
  ['ascending, and go in no order', (i: number) => i + 1, scattered],
])('moves little when numbers far apart come %s', (_name, comes, goes) => {
  const ids = 2 ** 14;
  const table = new IdTable<{ readonly id: number }>();
  let moved = entriesMovedBy(() => {
    for (let i = 0; i < ids; i++) table.set(1000 * comes(i, ids), { id: 1000 * comes(i, ids) });
  });
  table.set(0, { id: 0 });
  expect(table.all().map(({ id }) => id)).toEqual(Array.from({ length: ids + 1 }, (_, i) => 1000 * i));
  expect(table.between(4_000_001, 4_002_000).map(({ id }) => id)).toEqual([4_001_000, 4_002_000]);
  let gone = 0;
  moved += entriesMovedBy(() => {
    for (let i = 0; i < ids; i++) if (table.delete(1000 * goes(i, ids))) gone++;
  });
  expect(gone).toBe(ids);
  expect(table.all()).toEqual([{ id: 0 }]);
  expect(table.size).toBe(1);
  // In one array of all blocks: thousands for each that comes, and again for each that goes.
  expect(moved / ids).toBeLessThan(600);
});

/** From 1 to n, a power of two, each once, in wide steps. */
function scattered(i: number, n: number): number {
  return ((i * 10_007) & (n - 1)) + 1;
}

/** How many entries stood behind those that were put into arrays, and taken out of them. */
function entriesMovedBy(task: () => void): number {
  const { splice, shift } = Array.prototype;
  let moved = 0;
  const counting = {
    splice(this: unknown[], ...args: [number, number, ...unknown[]]) {
      moved += this.length - args[0];
      return splice.apply(this, args);
    },
    shift(this: unknown[]) {
      moved += this.length;
      return shift.apply(this);
    },
  };
  Object.assign(Array.prototype, counting);
  try {
    task();
  } finally {
    Object.assign(Array.prototype, { splice, shift });
  }
  return moved;
}
