// Servers of happiness: wherever shares are already, and whoever takes new ones, an upload is as happy as it can be.
// And what becomes of uploads that meet.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Holding, happiness } from '../../src/grid/happiness.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import { fileOf, GridFixture } from './grid-fixture.ts';

const FILE = fileOf(5000);
const convergence = Buffer.from('a secret of everybody here');
const TOTAL = 5;

/** The largest matching, by trying every server with every share or none. */
function bestHappiness(canHold: readonly ReadonlySet<number>[]): number {
  const best = (server: number, taken: ReadonlySet<number>): number => {
    const shares = canHold[server];
    if (shares === undefined) return 0;
    const free = [...shares].filter((share) => !taken.has(share));
    return Math.max(
      best(server + 1, taken),
      ...free.map((share) => 1 + best(server + 1, new Set([...taken, share]))),
    );
  };
  return best(0, new Set());
}

describe('an upload among shares that are there already', () => {
  it('is as happy as the largest matching allows, and doubles up only what has no other place', async () => {
    const server = fc.record({
      kind: fc.constantFrom('open', 'read-only', 'full'),
      has: fc.uniqueArray(fc.nat(TOTAL - 1), { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(server, { minLength: 1, maxLength: 6 }), async (servers) => {
        const grid = new GridFixture(servers.length);
        const all = Array.from({ length: TOTAL }, (_, share) => share);
        for (const [i, { kind, has }] of servers.entries()) {
          const memory = grid.servers[i]!;
          for (const share of has) memory.shares.set(share, new Uint8Array(1));
          memory.readOnly = kind === 'read-only';
          if (kind === 'full') {
            memory.fails = ({ operation }) =>
              operation === 'allocate' ? new StorageError('NO_SPACE', 'full') : undefined;
          }
        }
        const canHold = servers.map(({ kind, has }) => new Set(kind === 'open' ? all : has));
        const before = new Set(grid.finishedShares);
        const readable = new Set(canHold.flatMap((shares) => [...shares])).size >= 2;
        const put = grid.put(FILE, { needed: 2, happy: 1, total: TOTAL, convergence, waitForAll: true });
        const result = await put.catch((error: unknown) => error as { code: string });
        if (!readable) {
          expect(result).toMatchObject({ code: 'TOO_FEW_SERVERS' });
          return;
        }
        const holdings = grid.servers.flatMap((memory): Holding<string>[] =>
          [...memory.shares.keys()].map((shareNumber) => ({ shareNumber, server: memory.name })),
        );
        expect(happiness(holdings)).toBe(bestHappiness(canHold));
        expect(result).toMatchObject({ happiness: happiness(holdings) });
        for (const share of before) expect(grid.finishedShares).toContain(share);
        // Every share that anybody could take is somewhere.
        const somewhere = new Set(holdings.map(({ shareNumber }) => shareNumber));
        expect(somewhere.size).toBe(new Set(canHold.flatMap((shares) => [...shares])).size);
      }),
      { numRuns: 200 },
    );
  });

  it('spreads what is left over evenly', async () => {
    const grid = new GridFixture(3);
    await grid.put(FILE, { needed: 3, happy: 3, total: 10 });
    expect(grid.servers.map(({ shares }) => shares.size).sort()).toEqual([3, 3, 4]);
  });

  it('begins with the servers that are preferred, for reading as well', async () => {
    const grid = new GridFixture(10);
    for (const server of grid.servers.slice(6)) server.isPreferred = true;
    const { capability } = await grid.put(FILE, { needed: 2, happy: 2, total: 4, convergence });
    expect(grid.inOrder(capability).slice(0, 4)).toEqual(expect.arrayContaining(grid.servers.slice(6)));
    expect(grid.servers.map(({ shares }) => shares.size)).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
  });
});

describe('two uploads of one file', () => {
  it('that meet both end well: the second waits for the first and finds its shares', async () => {
    const grid = new GridFixture(5);
    const options = { needed: 3, happy: 5, total: 5, convergence };
    for (const server of grid.servers) {
      server.latencyMs = ({ operation }) => (operation === 'close' ? 3000 : 5);
    }
    const first = grid.beginPut(FILE, options);
    await grid.clock.run({ forMs: 100 });
    const second = grid.beginPut(FILE, options);
    const results = await grid.run(Promise.all([first, second]));
    expect(results.map(({ happiness }) => happiness)).toEqual([5, 5]);
    expect(results[1]!.capability).toBe(results[0]!.capability);
    expect(grid.finishedShares).toHaveLength(5);
    expect(grid.unfinishedShares).toEqual([]);
    expect(grid.clock.armedTimers).toBe(0);
  });

  it('of which one was killed: the other takes over when the servers take it for deserted', async () => {
    const grid = new GridFixture(5);
    const dead = { bytes: new Uint8Array(1), secret: 'of somebody who is dead', written: [] };
    for (const [share, server] of grid.servers.entries()) server.unfinished.set(share, dead);
    for (const server of grid.servers) for (let s = 0; s < 5; s++) server.unfinished.set(s, dead);
    grid.clock.setTimer(60_000, () => {
      for (const server of grid.servers) server.unfinished.clear();
    });
    const { happiness } = await grid.put(FILE, { needed: 3, happy: 5, total: 5, convergence });
    expect(happiness).toBe(5);
  });

  it('that never ends is told as what it is, and a cancelled one stops asking', async () => {
    const grid = new GridFixture(5);
    const dead = { bytes: new Uint8Array(1), secret: 'of somebody who is dead', written: [] };
    for (const server of grid.servers) for (let s = 0; s < 5; s++) server.unfinished.set(s, dead);
    const options = { needed: 3, happy: 5, total: 5, convergence };
    await expect(grid.put(FILE, options)).rejects.toThrow(/is busy with another upload of this share/);
    expect(grid.clock.armedTimers).toBe(0);
    const controller = new AbortController();
    const put = grid.beginPut(FILE, { ...options, signal: controller.signal });
    await grid.clock.run({ forMs: 5000 });
    controller.abort(new Error('never mind'));
    await expect(grid.run(put)).rejects.toThrow('never mind');
    expect(grid.clock.armedTimers).toBe(0);
  });
});
