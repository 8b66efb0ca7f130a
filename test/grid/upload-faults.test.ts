import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GridError } from '../../src/grid/error.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import { type ChkCapability, parseCapability } from '../../src/tahoe/capability.ts';
import { RpcError } from '../../src/transport/error.ts';
import { fileOf, GridFixture } from './grid-fixture.ts';
import { encodeFile } from './shares.ts';

/** Blocks large enough that an upload takes several writes for each share. */
const SEGMENT = 2 * 160 * 1024;
const FILE = fileOf(12 * SEGMENT + 77);

test('an upload ends with whole shares on enough servers or with nothing, whatever servers do when', async () => {
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = new SeededRandom(seed);
      const total = random.int(2, 6);
      const needed = random.int(1, Math.min(2, total));
      const happy = random.int(needed, total);
      const grid = new GridFixture(random.int(happy, 8), seed);
      for (const server of grid.servers) {
        const fate = random.fork(server.name);
        const slowness = fate.pick([1, 1, 1, 1, 3, 30]);
        server.latencyMs = ({ operation }) => (operation === 'abort' ? 1 : fate.between(1, 20) * slowness);
        if (fate.chance(0.3)) server.overdueMs = fate.between(10, 200);
        const operation = fate.pick(['allocate', 'write', 'write', 'write', 'close']);
        const nth = operation === 'write' ? fate.int(0, 12) : 0;
        const error = fate.pick([
          new StorageError('NO_SPACE', 'full'),
          new RpcError('PEER_SILENT', 'silent'),
        ]);
        fate.pick([
          () => {},
          () => {},
          () => {
            server.fails = (asked) => (asked.operation === operation && asked.nth >= nth ? error : undefined);
          },
          () => {
            server.onAsked = (asked) => {
              if (asked.operation === operation && asked.nth === nth) server.freeze();
            };
          },
        ])();
      }
      const options = { needed, happy, total, segmentSizeBytes: SEGMENT, waitForAll: random.chance(0.2) };
      const result = await grid.put(FILE, options).catch((error: unknown) => {
        expect(error).toBeInstanceOf(GridError);
        return error as GridError;
      });
      expect(grid.openOperations).toBe(0);
      expect(grid.clock.armedTimers).toBe(0);
      const heard = grid.servers.filter(({ wasFrozen }) => !wasFrozen);
      expect(heard.filter(({ unfinished }) => unfinished.size > 0).map(({ name }) => name)).toEqual([]);
      outcomes.add(result instanceof GridError ? 'failure' : 'success');
      if (result instanceof GridError) {
        expect(result.code).toBe('TOO_FEW_SERVERS');
        if (result.stage !== 'closing') expect(grid.finishedShares).toEqual([]);
        return;
      }
      expect(result.happiness).toBeGreaterThanOrEqual(happy);
      const { key } = parseCapability(result.capability) as ChkCapability;
      const { shares } = encodeFile(FILE, { key, needed, total, segmentSizeBytes: SEGMENT });
      for (const { shareNumber, serverName } of result.placements) {
        const stored = grid.servers.find(({ name }) => name === serverName)!.shares.get(shareNumber)!;
        expect(Buffer.compare(stored, shares[shareNumber]!)).toBe(0);
      }
      expect(new Set(result.placements.map(({ shareNumber }) => shareNumber)).size).toBeGreaterThanOrEqual(
        needed,
      );
    }),
    { numRuns: 25 },
  );
  // Both ends were met, or the faults are not what they were meant to be.
  expect(outcomes.size).toBe(2);
});
