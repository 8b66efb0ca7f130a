// Looking after files: what is where, what is damaged, and making it whole again, beside servers that are silent, full,
// broken or lying.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CheckOptions, check } from '../../src/grid/check.ts';
import { repair } from '../../src/grid/repair.ts';
import { verify } from '../../src/grid/verify.ts';
import {
  type ChkCapability,
  formatCapability,
  parseCapability,
  verifierOf,
} from '../../src/tahoe/capability.ts';
import { leaseSecrets } from '../../src/tahoe/lease-secrets.ts';
import { parseShareHeader } from '../../src/tahoe/share-layout.ts';
import { fileOf, GridFixture } from './grid-fixture.ts';
import type { MemoryServer } from './memory-server.ts';

const FILE = fileOf(20_000);

async function gridWithFile(serverCount = 10, seed = 1, file = FILE, segmentSizeBytes = 3000) {
  const grid = new GridFixture(serverCount, seed);
  const happy = Math.min(7, serverCount);
  const { capability } = await grid.put(file, { happy, segmentSizeBytes });
  const options: CheckOptions = { clock: grid.clock, random: grid.random };
  return {
    grid,
    capability,
    options,
    check: (more: Partial<CheckOptions> = {}) =>
      grid.run(check(capability, grid.servers, { ...options, ...more })),
    verify: (more: Partial<CheckOptions> = {}) =>
      grid.run(verify(capability, grid.servers, { ...options, ...more })),
    repair: (more: Partial<CheckOptions> = {}) =>
      grid.run(repair(capability, grid.servers, { ...options, ...more })),
  };
}

function snapshot(servers: readonly MemoryServer[]): Map<string, string> {
  return new Map(
    servers.flatMap(({ name, shares }) =>
      [...shares].map(([share, bytes]) => [`${name}:${share}`, Buffer.from(bytes).toString('hex')] as const),
    ),
  );
}

/** Takes a server's shares away. */
function lose(servers: readonly (MemoryServer | undefined)[]): void {
  for (const server of servers) server!.shares.clear();
}

describe('a whole file', () => {
  it('is healthy, by its capability or by its verifier, and has nothing to repair', async () => {
    const {
      grid,
      capability,
      options,
      check: checkFile,
      verify: verifyFile,
      repair: repairFile,
    } = await gridWithFile();
    const health = await checkFile();
    expect(health).toMatchObject({
      needed: 3,
      total: 10,
      sharesFound: 10,
      healthy: true,
      recoverable: true,
      happiness: 10,
      unanswered: [],
    });
    expect(health.shares).toHaveLength(10);
    expect(await verifyFile()).toEqual({ ...health, corrupt: [], unread: [] });
    const verifier = formatCapability(verifierOf(parseCapability(capability) as ChkCapability));
    expect(await grid.run(verify(verifier, grid.servers, options))).toMatchObject({ healthy: true });
    const before = snapshot(grid.servers);
    expect((await repairFile()).written).toEqual([]);
    expect(snapshot(grid.servers)).toEqual(before);
    expect(grid.openOperations).toBe(0);
    expect(grid.clock.armedTimers).toBe(0);
  });

  it('in its capability cannot be lost', async () => {
    const { grid, options } = await gridWithFile();
    for (const look of [check, verify]) {
      expect(await grid.run(look('URI:LIT:mfrgg', [], options))).toMatchObject({ healthy: true, needed: 0 });
    }
    expect(await grid.run(repair('URI:LIT:mfrgg', [], options))).toMatchObject({ written: [] });
    await expect(check('URI:CHK:no', [], options)).rejects.toMatchObject({ code: 'BAD_CAPABILITY' });
  });

  it('gets a lease at every server that has shares, with secrets of its own at each', async () => {
    const { grid, capability, check: checkFile } = await gridWithFile();
    const leaseSecret = new Uint8Array(32).fill(9);
    grid.servers[0]!.fails = ({ operation }) => (operation === 'addLease' ? new Error('no') : undefined);
    const { leases } = await checkFile({ leaseSecret });
    expect(leases).toHaveLength(10);
    expect(leases.filter(({ failure }) => failure !== undefined)).toEqual([
      { serverName: 's0', failure: 'no' },
    ]);
    const { storageIndex } = verifierOf(parseCapability(capability) as ChkCapability);
    const [lease] = grid.servers[1]!.leases;
    expect(lease).toEqual(leaseSecrets(leaseSecret, storageIndex, grid.servers[1]!.nodeId));
    expect(grid.servers[2]!.leases[0]!.renewSecret).not.toEqual(lease!.renewSecret);
  });
});

describe('a server that is silent', () => {
  it('costs check and verify at most half of what they take else, and half a second', async () => {
    for (const look of ['check', 'verify'] as const) {
      const healthy = await gridWithFile(5);
      const begin = healthy.grid.clock.now();
      await healthy[look]();
      const healthyMs = healthy.grid.clock.now() - begin;

      const world = await gridWithFile(5);
      const { grid } = world;
      grid.servers[2]!.freeze();
      const start = grid.clock.now();
      const health = await world[look]();
      expect(grid.clock.now() - start).toBeLessThanOrEqual(1.5 * healthyMs + 500);
      expect(health).toMatchObject({ sharesFound: 8, healthy: false, recoverable: true, unanswered: ['s2'] });
      expect(grid.openOperations).toBe(0);
      expect(grid.clock.armedTimers).toBe(0);
    }
  });

  it('only while blocks are read is found out as well, and its shares count for nothing', async () => {
    const { grid, verify: verifyFile } = await gridWithFile(5, 1, fileOf(2_000_000), 128 * 1024);
    grid.servers[2]!.onAsked = ({ operation, nth }) => {
      if (operation === 'read' && nth === 9) grid.servers[2]!.freeze();
    };
    const health = await verifyFile();
    expect(health.sharesFound).toBe(8);
    expect(health.unread.map(({ serverName }) => serverName)).toEqual(['s2', 's2']);
    expect(health.unread[0]!.reason).toMatch(/has not answered for/);
    expect(grid.openOperations).toBe(0);
  });
});

describe('damage', () => {
  it.each([
    ['in the last block', (share: Uint8Array) => parseShareHeader(share).plaintextTreeOffset - 1],
    ['in the crypttext tree', (share: Uint8Array) => parseShareHeader(share).crypttextTreeOffset + 40],
    ['in a padding node of the crypttext tree', (s: Uint8Array) => parseShareHeader(s).blockTreeOffset - 1],
    ['in the block tree', (share: Uint8Array) => parseShareHeader(share).blockTreeOffset + 70],
    ['in the share chain', (share: Uint8Array) => parseShareHeader(share).shareChainOffset + 5],
    ['in its copy of the URI extension', (s: Uint8Array) => parseShareHeader(s).uriExtensionOffset + 20],
    ['in the version', () => 3],
  ])('%s is found by verify, advised and repaired elsewhere', async (_where, offsetIn) => {
    const world = await gridWithFile(12);
    const { grid } = world;
    const victim = grid.servers.find(({ shares }) => shares.size === 1)!;
    const [[shareNumber, share]] = [...victim.shares] as [[number, Uint8Array]];
    victim.corrupt(shareNumber, offsetIn(share));
    const before = snapshot(grid.servers);
    const health = await world.verify();
    expect(health.corrupt.map((each) => each.shareNumber)).toEqual([shareNumber]);
    expect(health).toMatchObject({ sharesFound: 9, healthy: false, recoverable: true });
    expect(victim.advice).toEqual([{ shareNumber, reason: health.corrupt[0]!.what }]);
    // Nobody but verify looks.
    expect((await world.check()).healthy).toBe(true);

    const { written, after } = await world.repair();
    expect(written.map((each) => each.shareNumber)).toEqual([shareNumber]);
    expect(written[0]!.serverName).not.toBe(victim.name);
    expect(after).toMatchObject({ healthy: true, sharesFound: 10 });
    const now = snapshot(grid.servers);
    for (const [place, bytes] of before) expect(now.get(place)).toBe(bytes);
    const again = await world.verify();
    expect(again).toMatchObject({ healthy: true, sharesFound: 10 });
    expect(Buffer.compare(await grid.get(world.capability), FILE)).toBe(0);
    expect(grid.unfinishedShares).toEqual([]);
  });

  it('to a server that fails while it is read makes its shares unread, not corrupt', async () => {
    const { grid, verify: verifyFile } = await gridWithFile(10);
    grid.servers[3]!.fails = ({ operation }) => (operation === 'read' ? new Error('bad sector') : undefined);
    const health = await verifyFile();
    expect(health.corrupt).toEqual([]);
    expect(health.unread).toMatchObject([{ serverName: 's3', reason: 'bad sector' }]);
    expect(health.sharesFound).toBe(9);
  });
});

describe('repair', () => {
  it('makes missing shares again, byte for byte, on servers that have none', async () => {
    const world = await gridWithFile(14);
    const { grid } = world;
    const original = snapshot(grid.servers);
    const bytesOf = new Map([...original].map(([place, bytes]) => [place.split(':')[1], bytes]));
    const holders = grid.servers.filter(({ shares }) => shares.size > 0);
    lose(holders.slice(0, 7));
    const { before, after, written } = await world.repair();
    expect(before).toMatchObject({ sharesFound: 3, healthy: false, recoverable: true });
    expect(after).toMatchObject({ sharesFound: 10, healthy: true, happiness: 10 });
    expect(written).toHaveLength(7);
    for (const [place, bytes] of snapshot(grid.servers)) {
      expect(bytes).toBe(bytesOf.get(place.split(':')[1]));
    }
    expect(await world.verify()).toMatchObject({ healthy: true, happiness: 10 });
  });

  it('says when there is too little left, and changes nothing', async () => {
    const world = await gridWithFile(10);
    lose(world.grid.servers.slice(0, 8));
    await expect(world.repair()).rejects.toMatchObject({ code: 'NOT_ENOUGH_SHARES' });
    expect(await world.check()).toMatchObject({ sharesFound: 2, recoverable: false });
    lose(world.grid.servers);
    await expect(world.repair()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(world.grid.finishedShares).toEqual([]);
  });

  it('does what it can when few servers take shares, and leaves alone what is there', async () => {
    const world = await gridWithFile(10);
    const { grid } = world;
    lose(grid.servers.slice(0, 5));
    for (const server of grid.servers.slice(0, 4)) server.readOnly = true;
    for (const server of grid.servers.slice(5)) server.readOnly = true;
    const { after, written } = await world.repair();
    expect(new Set(written.map(({ serverName }) => serverName))).toEqual(new Set(['s4']));
    expect(after).toMatchObject({ healthy: true, happiness: 6 });
    lose([grid.servers[4]]);
    grid.servers[4]!.readOnly = true;
    const nothing = await world.repair();
    expect(nothing.written).toEqual([]);
    expect(nothing.after.sharesFound).toBe(5);
  });

  it('spreads shares that stand together when there are servers without any', async () => {
    const world = await gridWithFile(10);
    const { grid } = world;
    const [first] = grid.servers;
    for (const other of grid.servers.slice(1)) {
      for (const [share, bytes] of other.shares) first!.shares.set(share, bytes);
      other.shares.clear();
    }
    expect(await world.check()).toMatchObject({ healthy: true, happiness: 1 });
    const { after } = await world.repair();
    expect(after).toMatchObject({ healthy: true, happiness: 10 });
    expect(first!.shares.size).toBe(10);
  });

  it('that is cancelled at any moment leaves nothing half-written', async () => {
    for (let at = 1; ; at += 7) {
      const world = await gridWithFile(12, at);
      const { grid } = world;
      lose(grid.servers.slice(0, 6));
      const good = snapshot(grid.servers);
      const controller = new AbortController();
      let asked = 0;
      for (const server of grid.servers) {
        server.onAsked = () => {
          if (++asked === at) controller.abort(new Error('never mind'));
        };
      }
      const outcome = await world.repair({ signal: controller.signal }).catch((error: unknown) => error);
      for (const server of grid.servers) server.onAsked = () => {};
      for (const [place, bytes] of good) expect(snapshot(grid.servers).get(place)).toBe(bytes);
      expect(grid.unfinishedShares).toEqual([]);
      expect(grid.openOperations).toBe(0);
      expect(await world.verify()).toMatchObject({ corrupt: [], recoverable: true });
      if (!controller.signal.aborted) break;
      expect(outcome).toBe(controller.signal.reason);
    }
  });

  it('brings every file back whose shares were lost or damaged at random, as long as enough are intact', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('good', 'lost', 'corrupt', 'silent'), { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 1000 }),
        async (fates, seed) => {
          const world = await gridWithFile(12, seed);
          const { grid } = world;
          const intact = new Set<number>();
          for (const [index, server] of grid.servers.entries()) {
            const fate = fates[index]!;
            for (const share of server.shares.keys()) {
              if (fate === 'good') intact.add(share);
              if (fate === 'corrupt') server.corrupt(share, 500);
            }
            if (fate === 'lost') server.shares.clear();
            if (fate === 'silent') server.freeze();
          }
          const outcome = await world.repair().catch((error: unknown) => error);
          if (intact.size < 3) {
            expect(outcome).toBeInstanceOf(Error);
            return;
          }
          const takers = fates.filter((fate) => fate === 'good' || fate === 'lost').length;
          expect(outcome).toMatchObject({ after: { recoverable: true } });
          const health = await world.verify();
          expect(health.sharesFound).toBe(10);
          expect(health.happiness).toBeGreaterThanOrEqual(Math.min(10, takers));
          for (const server of grid.servers) if (!server.wasFrozen) expect(server.unfinished.size).toBe(0);
        },
      ),
      { numRuns: 15 },
    );
  });
});
