import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/sim/random.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import { fileOf, GridFixture } from './grid-fixture.ts';

const SEGMENT = 3000;

describe('upload and download', () => {
  for (const size of [0, 1, 55, 56, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 7 * SEGMENT + 123]) {
    test(`give back a file of ${size} bytes`, async () => {
      const grid = new GridFixture(10);
      const file = fileOf(size);
      const { capability, happiness, placements } = await grid.put(file);
      expect(capability.startsWith(size <= 55 ? 'URI:LIT:' : 'URI:CHK:')).toBe(true);
      expect(happiness).toBe(size <= 55 ? 0 : 10);
      expect(placements.length).toBe(size <= 55 ? 0 : 10);
      expect(Buffer.compare(await grid.get(capability), file)).toBe(0);
      expect(grid.openOperations).toBe(0);
      expect(grid.clock.armedTimers).toBe(0);
    });
  }

  test('give back a file of the default segment size, with blocks larger than one write', async () => {
    const grid = new GridFixture(3);
    const file = fileOf(2.5 * 2 ** 20);
    const options = { needed: 1, happy: 2, total: 3, segmentSizeBytes: 2 ** 20 };
    const { capability } = await grid.put(file, options);
    expect(Buffer.compare(await grid.get(capability), file)).toBe(0);
  });

  test('give the exact file back from any k intact shares, whatever the other servers do', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 56, max: 9 * SEGMENT }), async (seed, size) => {
        const random = new SeededRandom(seed);
        const total = random.int(1, 12);
        const needed = random.int(1, total);
        const grid = new GridFixture(random.int(total, 2 * total), seed);
        const file = fileOf(size, seed);
        const { capability } = await grid.put(file, { needed, happy: total, total });

        const holders = random.shuffle(grid.servers.filter(({ shares }) => shares.size > 0));
        for (const [i, server] of holders.entries()) {
          const fate = random.fork(server.name);
          server.latencyMs = () => fate.between(1, i < needed ? 1000 : 50);
          if (i < needed) continue;
          const [share] = [...server.shares.keys()];
          fate.pick([
            () => server.freeze(),
            () => server.shares.clear(),
            () => server.corrupt(share!, fate.int(0, server.shares.get(share!)!.length - 1)),
            () => server.shares.set(share!, server.shares.get(share!)!.subarray(0, fate.int(0, 500))),
            () => {
              server.latencyMs = (asked) => (asked.operation === 'list' ? 5 : Number.POSITIVE_INFINITY);
            },
            () => {
              server.fails = () => (fate.chance(0.5) ? new StorageError('IO_ERROR', 'disk') : undefined);
            },
          ])();
        }
        expect(Buffer.compare(await grid.get(capability), file)).toBe(0);
        expect(grid.openOperations).toBe(0);
        expect(grid.clock.armedTimers).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
