import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Roster, type RosterMember } from '../../src/base/roster.ts';

test('has those who have joined and not left', () => {
  const step = fc.record({ joins: fc.boolean(), who: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const everybody = Array.from({ length: 6 }, (): RosterMember => ({ rosterPlace: -1 }));
      const roster = new Roster<RosterMember>();
      const model = new Set<RosterMember>();
      for (const { joins, who } of steps) {
        const member = everybody[who]!;
        if (joins) {
          roster.add(member);
          model.add(member);
        } else {
          roster.remove(member);
          model.delete(member);
        }
        expect(new Set(roster.members)).toEqual(model);
        expect(roster.members.length).toBe(model.size);
      }
    }),
  );
});
