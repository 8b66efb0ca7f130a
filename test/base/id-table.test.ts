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
