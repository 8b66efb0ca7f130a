import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CallTable } from '../../src/protocol/call-table.ts';
import { ServerCall } from '../../src/protocol/server-call.ts';

const OWNER = { onCallTimer: () => {} };

test('finds the calls of a range of ids, in whatever order they came and went', () => {
  // Around the ends of blocks, and the largest ids.
  const id = fc.oneof(fc.nat(300), fc.integer({ min: 2 ** 53 - 100, max: 2 ** 53 - 2 }));
  fc.assert(
    fc.property(fc.array(fc.record({ add: fc.boolean(), id })), id, id, (steps, first, last) => {
      const table = new CallTable();
      const model = new Map<number, ServerCall>();
      for (const step of steps) {
        if (!step.add) {
          table.delete(step.id);
          model.delete(step.id);
        } else if (!model.has(step.id)) {
          const call = new ServerCall(step.id, 1, OWNER);
          table.add(call);
          model.set(step.id, call);
        }
      }
      const ids = (calls: Iterable<ServerCall>) =>
        [...calls].map(({ callId }) => callId).sort((a, b) => a - b);
      expect(table.size).toBe(model.size);
      expect(table.get(first)).toBe(model.get(first));
      expect(ids(table.all())).toEqual(ids(model.values()));
      expect(ids(table.between(first, last))).toEqual(
        ids(model.values()).filter((callId) => callId >= first && callId <= last),
      );
    }),
  );
});
