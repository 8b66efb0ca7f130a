import { describe, expect, test } from 'vitest';
import { GridError } from '../../src/grid/error.ts';
import type { UploadSource } from '../../src/grid/source.ts';
import { type UploadProgress, upload } from '../../src/grid/upload.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import { RpcError } from '../../src/transport/error.ts';
import { fileOf, GridFixture } from './grid-fixture.ts';
import type { MemoryServer } from './memory-server.ts';

/** 64 KiB blocks: sixteen of them are what a late server may be behind. */
const SEGMENT = 3 * 64 * 1024;
const LONG = fileOf(36 * SEGMENT + 99);
const SHORT = fileOf(2 * SEGMENT);
const options = { segmentSizeBytes: SEGMENT };
const convergence = Buffer.from('a secret of everybody here');

/** Lets the `nth` operation of a kind at a server be the last that it answers. */
function freezeAt(server: MemoryServer, operation: string, nth: number): void {
  server.onAsked = (asked) => {
    if (asked.operation === operation && asked.nth === nth) server.freeze();
  };
}

function failsAt(server: MemoryServer, operation: string, nth: number, error: Error): void {
  server.fails = (asked) => (asked.operation === operation && asked.nth >= nth ? error : undefined);
}

async function expectIntact(grid: GridFixture, capability: string, file: Uint8Array): Promise<void> {
  expect(Buffer.compare(await grid.get(capability), file)).toBe(0);
}

async function failure(promise: Promise<unknown>): Promise<GridError> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GridError);
  return error as GridError;
}

/** What must hold after every upload, however it ended. */
function expectNothingLeft(grid: GridFixture): void {
  expect(grid.openOperations).toBe(0);
  expect(grid.clock.armedTimers).toBe(0);
  const deaf = grid.servers.filter(({ wasFrozen }) => wasFrozen).map(({ name }) => name);
  expect(grid.unfinishedShares.filter((share) => !deaf.includes(share.split(':')[0]!))).toEqual([]);
}

/** The servers in the order in which they were asked to take a share. */
function askedInOrder(grid: GridFixture): MemoryServer[] {
  return grid.servers.filter((server) => server.count('allocate') > 0);
}

describe('placement', () => {
  test('gives each of ten servers one share, in the order of the ring', async () => {
    const grid = new GridFixture(20);
    const { capability, placements, happiness } = await grid.put(SHORT, options);
    expect(happiness).toBe(10);
    expect(placements.map(({ serverName }) => serverName)).toEqual(
      grid
        .inOrder(capability)
        .slice(0, 10)
        .map(({ name }) => name),
    );
    expectNothingLeft(grid);
  });

  test('asks all of them at once', async () => {
    const grid = new GridFixture(10);
    for (const server of grid.servers)
      server.latencyMs = ({ operation }) => (operation === 'allocate' ? 100 : 1);
    await grid.put(SHORT, options);
    expect(grid.clock.now()).toBeLessThan(150);
  });

  test('spreads the shares evenly over fewer servers', async () => {
    const grid = new GridFixture(4);
    const { happiness, capability } = await grid.put(SHORT, { ...options, happy: 4 });
    expect(happiness).toBe(4);
    expect(grid.servers.map(({ shares }) => shares.size).sort()).toEqual([2, 2, 3, 3]);
    expect(grid.servers.every((server) => server.count('allocate') === 1)).toBe(true);
    await expectIntact(grid, capability, SHORT);
  });

  test('passes over silent servers for the next ones of the ring', async () => {
    const grid = new GridFixture(14);
    for (const server of grid.servers.slice(0, 4)) server.freeze();
    const { happiness, capability } = await grid.put(SHORT, options);
    expect(happiness).toBe(10);
    expect(grid.clock.now()).toBeLessThan(1500);
    expectNothingLeft(grid);
    await expectIntact(grid, capability, SHORT);
  });

  test('passes over a server as soon as the transport calls it overdue', async () => {
    const grid = new GridFixture(11);
    for (const server of grid.servers) server.overdueMs = 20;
    grid.servers[3]!.latencyMs = ({ operation }) => (operation === 'allocate' ? 10_000 : 5);
    const { happiness } = await grid.put(SHORT, options);
    expect(happiness).toBe(10);
    expect(grid.clock.now()).toBeLessThan(150);
    expectNothingLeft(grid);
  });

  test('uses a server that answers late, while the others are at work', async () => {
    const grid = new GridFixture(10);
    for (const server of grid.servers) {
      server.latencyMs = ({ operation }) => (operation === 'write' ? 150 : 5);
    }
    grid.servers[3]!.latencyMs = ({ operation }) => (operation === 'allocate' ? 250 : 5);
    const { happiness, capability } = await grid.put(SHORT, options);
    expect(happiness).toBe(10);
    expect(grid.servers.every(({ shares }) => shares.size === 1)).toBe(true);
    // The others were not kept waiting for it.
    expect(grid.clock.now()).toBeLessThan(300);
    await expectIntact(grid, capability, SHORT);
  });

  test('keeps what a late server is to have, as far as a lane may hold it, and reads the source once', async () => {
    const grid = new GridFixture(5);
    const segmentSizeBytes = 3 * 1024 * 1024;
    const file = fileOf(6 * segmentSizeBytes);
    let readBytes = 0;
    const source: UploadSource = {
      sizeBytes: file.length,
      async *read() {
        readBytes += file.length;
        yield file;
      },
    };
    for (const server of grid.servers)
      server.latencyMs = ({ operation }) => (operation === 'write' ? 120 : 5);
    const latecomer = grid.servers[2]!;
    latecomer.latencyMs = ({ operation }) => (operation === 'allocate' ? 280 : 5);
    const { happiness } = await grid.run(
      upload(source, grid.servers, {
        clock: grid.clock,
        random: grid.random,
        needed: 3,
        happy: 3,
        total: 5,
        segmentSizeBytes,
      }),
    );
    expect(happiness).toBe(5);
    expect(latecomer.shares.size).toBe(1);
    expect(readBytes).toBe(file.length);
    expectNothingLeft(grid);
  });

  test('offers nothing twice when an answer shows that another server is late', async () => {
    const grid = new GridFixture(10);
    grid.servers[9]!.freeze();
    // The fifth of these answers is the one by which the last server is found late.
    for (const server of grid.servers.slice(4, 9)) {
      server.latencyMs = ({ operation }) => (operation === 'allocate' ? 300 : 5);
    }
    const { placements, replaced } = await grid.put(SHORT, options);
    expect(placements.length).toBe(10);
    expect(replaced).toEqual([]);
    const offered = grid.servers.map((server) => server.count('allocate')).sort();
    expect(offered).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    expectNothingLeft(grid);
  });

  test('does without a silent server when there is no other one, and doubles its share', async () => {
    const grid = new GridFixture(10);
    grid.servers[3]!.freeze();
    const { happiness, placements } = await grid.put(SHORT, options);
    expect(happiness).toBe(9);
    expect(placements.length).toBe(10);
    expect(grid.clock.now()).toBeLessThan(1000);
    expectNothingLeft(grid);
  });

  for (const [what, spoil] of [
    [
      'is full',
      (server: MemoryServer) => failsAt(server, 'allocate', 0, new StorageError('NO_SPACE', 'full')),
    ],
    ['is read-only', (server: MemoryServer) => Object.assign(server, { readOnly: true })],
    ['is busy', (server: MemoryServer) => Object.assign(server, { allocate: async () => nothing })],
    [
      'is gone',
      (server: MemoryServer) => failsAt(server, 'allocate', 0, new RpcError('PEER_SILENT', 'gone')),
    ],
  ] as const) {
    test(`goes on to the next server when one ${what}`, async () => {
      const grid = new GridFixture(12);
      for (const server of grid.servers.slice(0, 2)) spoil(server);
      const { happiness } = await grid.put(SHORT, options);
      expect(happiness).toBe(10);
      expect(grid.servers.slice(0, 2).every(({ shares }) => shares.size === 0)).toBe(true);
      expectNothingLeft(grid);
    });
  }
  const nothing = { alreadyHave: [], allocated: [] };

  test('counts shares that are there already, and does not write them again', async () => {
    const grid = new GridFixture(10);
    const first = await grid.put(SHORT, { ...options, convergence });
    for (const server of grid.servers) server.asked.length = 0;
    const second = await grid.put(SHORT, { ...options, convergence });
    expect(second.capability).toBe(first.capability);
    expect(second.happiness).toBe(10);
    expect(second.placements).toEqual([]);
    expect(second.alreadyThere.length).toBe(10);
    expect(grid.servers.every((server) => server.count('write') + server.count('allocate') === 0)).toBe(true);
  });

  test('places anew what was doubled up before, when more servers are there', async () => {
    const grid = new GridFixture(10);
    const all = [...grid.servers];
    grid.servers.length = 4;
    await grid.put(SHORT, { ...options, happy: 4, convergence });
    grid.servers.push(...all.slice(4));
    const { happiness, capability } = await grid.put(SHORT, { ...options, convergence });
    expect(happiness).toBe(10);
    await expectIntact(grid, capability, SHORT);
  });

  test('counts the shares of a read-only server', async () => {
    const grid = new GridFixture(10);
    await grid.put(SHORT, { ...options, convergence });
    for (const server of grid.servers) server.readOnly = true;
    const { happiness } = await grid.put(SHORT, { ...options, convergence });
    expect(happiness).toBe(10);
  });

  test('does not wait long for a silent server when it looks for existing shares', async () => {
    const grid = new GridFixture(12);
    grid.servers[0]!.freeze();
    const { happiness } = await grid.put(SHORT, { ...options, convergence });
    expect(happiness).toBe(10);
    expect(grid.clock.now()).toBeLessThan(1000);
    expectNothingLeft(grid);
  });

  test('fails before a byte is pushed when too few servers take shares', async () => {
    const grid = new GridFixture(10);
    for (const server of grid.servers.slice(6))
      failsAt(server, 'allocate', 0, new StorageError('NO_SPACE', 'full'));
    const error = await failure(grid.put(SHORT, options));
    expect(error.code).toBe('TOO_FEW_SERVERS');
    expect(error.stage).toBe('placing');
    expect(error.message).toContain('only 6 of the 7 servers');
    expect(error.message).toContain('has no space left');
    expect(grid.servers.every((server) => server.count('write') === 0)).toBe(true);
    expectNothingLeft(grid);
  });

  test('fails within seconds when too many servers are silent', async () => {
    const grid = new GridFixture(10);
    for (const server of grid.servers.slice(6)) server.freeze();
    const error = await failure(grid.put(SHORT, options));
    expect(error.code).toBe('TOO_FEW_SERVERS');
    expect(grid.clock.now()).toBeLessThan(8000);
    expectNothingLeft(grid);
  });

  test('fails without any server', async () => {
    const grid = new GridFixture(0);
    expect((await failure(grid.put(SHORT, options))).code).toBe('TOO_FEW_SERVERS');
  });
});

describe('pushing', () => {
  for (const operation of ['write', 'close']) {
    for (const nth of [0, 1, 5]) {
      if (operation === 'close' && nth > 0) continue;
      test(`replaces a server that fails at ${operation} ${nth} by a spare one`, async () => {
        const grid = new GridFixture(11);
        for (const server of grid.servers.slice(0, 3)) {
          failsAt(server, operation, nth, new RpcError('PEER_SILENT', 'gone'));
        }
        const { happiness, capability, placements } = await grid.put(LONG, { ...options, happy: 5 });
        expect(happiness).toBeGreaterThanOrEqual(8);
        expect(placements.length).toBeGreaterThanOrEqual(8);
        expectNothingLeft(grid);
        await expectIntact(grid, capability, LONG);
      });
    }
  }

  test('encodes again for the new server what the old one had', async () => {
    const grid = new GridFixture(11);
    const victim = grid.servers[0]!;
    failsAt(victim, 'write', 8, new RpcError('PEER_SILENT', 'gone'));
    const { happiness, capability, replaced } = await grid.put(LONG, options);
    if (victim.count('allocate') === 0) throw new Error('choose another seed');
    expect(happiness).toBe(10);
    expect(replaced).toEqual([
      { shareNumber: expect.any(Number), from: victim.name, to: expect.any(String), reason: 'is silent' },
    ]);
    const heir = grid.servers.find(({ name }) => name === replaced[0]!.to)!;
    for (const server of grid.servers) if (server !== heir) server.latencyMs = () => 200;
    for (const server of grid.inOrder(capability).slice(0, 7)) if (server !== heir) server.shares.clear();
    await expectIntact(grid, capability, LONG);
    expect(heir.count('read')).toBeGreaterThan(10);
  });

  test('fails when the source gives other bytes to encode again', async () => {
    const grid = new GridFixture(11);
    failsAt(grid.servers[0]!, 'write', 8, new RpcError('PEER_SILENT', 'gone'));
    let passes = 0;
    const source: UploadSource = {
      sizeBytes: LONG.length,
      async *read() {
        yield ++passes === 1 ? LONG : LONG.map((byte, at) => (at === 5 ? byte ^ 1 : byte));
      },
    };
    const put = upload(source, grid.servers, { clock: grid.clock, random: grid.random, ...options });
    put.catch(() => {});
    expect((await failure(grid.run(put))).code).toBe('SOURCE_CHANGED');
    expect(passes).toBe(2);
    expectNothingLeft(grid);
    expect(grid.finishedShares).toEqual([]);
  });

  test('replaces a server that falls silent and holds up the others', async () => {
    const grid = new GridFixture(11);
    const victims = [grid.servers[1]!, grid.servers[2]!];
    for (const server of victims) freezeAt(server, 'write', 2);
    const { capability, replaced, happiness } = await grid.put(LONG, options);
    expect(happiness).toBeGreaterThanOrEqual(9);
    expect(replaced.length).toBeGreaterThanOrEqual(1);
    expect(grid.clock.now()).toBeLessThan(4000);
    expectNothingLeft(grid);
    await expectIntact(grid, capability, LONG);
  });

  test('gives the share of a lost server to one that has a share already, when no other is there', async () => {
    const grid = new GridFixture(10);
    failsAt(grid.servers[0]!, 'write', 3, new RpcError('PEER_SILENT', 'gone'));
    const { capability, happiness, placements } = await grid.put(LONG, options);
    expect(happiness).toBe(9);
    expect(placements.length).toBe(10);
    await expectIntact(grid, capability, LONG);
  });

  test('keeps a server that is slow but keeps up', async () => {
    const grid = new GridFixture(11);
    for (const server of grid.servers) server.latencyMs = () => 20;
    const slow = askedInOrder(grid);
    expect(slow).toEqual([]);
    for (const server of grid.servers.slice(0, 3)) server.latencyMs = () => 60;
    const { replaced, happiness } = await grid.put(LONG, options);
    expect(replaced).toEqual([]);
    expect(happiness).toBe(10);
  });

  test('replaces nobody for one slow answer', async () => {
    const grid = new GridFixture(11);
    for (const server of grid.servers) {
      server.latencyMs = ({ operation, nth }) => (operation === 'write' && nth % 7 === 3 ? 240 : 10);
    }
    const { replaced } = await grid.put(LONG, options);
    expect(replaced).toEqual([]);
  });

  test('gives up a server that is many times slower than the others', async () => {
    const grid = new GridFixture(11);
    for (const server of grid.servers.slice(0, 2)) {
      server.latencyMs = ({ operation }) => (operation === 'write' ? 2000 : 10);
    }
    const { happiness } = await grid.put(LONG, options);
    expect(happiness).toBeGreaterThanOrEqual(9);
    expect(grid.clock.now()).toBeLessThan(10_000);
    expectNothingLeft(grid);
  });

  test('blames nobody when most are late at once', async () => {
    const grid = new GridFixture(12);
    for (const server of grid.servers) {
      server.latencyMs = ({ operation, nth }) => (operation === 'write' && nth === 3 ? 1500 : 5);
    }
    const { replaced } = await grid.put(LONG, options);
    expect(replaced).toEqual([]);
  });

  test('fails with a clear error when the goal cannot be reached any more', async () => {
    const grid = new GridFixture(10);
    for (const server of grid.servers.slice(0, 4)) {
      failsAt(server, 'write', 4, new RpcError('PEER_SILENT', 'gone'));
    }
    const error = await failure(grid.put(LONG, options));
    expect(error.code).toBe('TOO_FEW_SERVERS');
    expect(error.stage).toBe('pushing');
    expect(error.message).toContain('only 6 of the 7 servers');
    expect(error.message).toContain('is silent');
    expect(grid.finishedShares).toEqual([]);
    expectNothingLeft(grid);
  });

  test('tries a write again that a server was too busy for', async () => {
    const grid = new GridFixture(10);
    for (const server of grid.servers) {
      server.fails = ({ operation, nth }) =>
        operation === 'write' && nth % 10 === 1 ? new RpcError('OVERLOADED', 'busy') : undefined;
    }
    const { replaced, happiness, capability } = await grid.put(LONG, options);
    expect(replaced).toEqual([]);
    expect(happiness).toBe(10);
    await expectIntact(grid, capability, LONG);
  });

  test('writes a small share, header and hash trees included, in one go', async () => {
    const grid = new GridFixture(10);
    await grid.put(SHORT, options);
    expect(grid.servers.map((server) => server.count('write'))).toEqual(Array(10).fill(1));
  });

  test('joins small blocks to larger writes', async () => {
    const grid = new GridFixture(10);
    await grid.put(LONG.subarray(0, 2 ** 18), { segmentSizeBytes: 300 });
    for (const server of grid.servers) expect(server.count('write')).toBe(1);
  });

  test('holds a bounded part of the file in memory, also while a server is late', async () => {
    const grid = new GridFixture(10);
    let readBytes = 0;
    const written = new Map<MemoryServer, number>();
    let mostAhead = 0;
    const source: UploadSource = {
      sizeBytes: LONG.length,
      async *read(from = 0) {
        for (let at = from; at < LONG.length; at += 4096) {
          const chunk = LONG.subarray(at, at + 4096);
          readBytes = Math.max(readBytes, at + chunk.length);
          const quickest = Math.max(0, ...written.values());
          mostAhead = Math.max(mostAhead, readBytes - 3 * quickest);
          yield chunk;
        }
      },
    };
    for (const server of grid.servers) {
      server.latencyMs = ({ operation }) => (operation === 'write' ? 50 : 5);
      const write = server.write.bind(server);
      server.write = async (...args) => {
        await write(...args);
        written.set(server, (written.get(server) ?? 0) + args[2].length);
      };
    }
    freezeAt(grid.servers[4]!, 'write', 6);
    await grid.run(upload(source, grid.servers, { ...options, clock: grid.clock, random: grid.random }));
    expect(mostAhead).toBeLessThan(12 * SEGMENT);
  });
});

describe('the long tail', () => {
  test('is not waited for once enough have finished', async () => {
    const grid = new GridFixture(10);
    grid.servers[5]!.latencyMs = ({ operation }) => (operation === 'close' ? 60_000 : 5);
    const { happiness, placements } = await grid.put(SHORT, options);
    expect(happiness).toBe(9);
    expect(placements.length).toBe(9);
    expect(grid.clock.now()).toBeLessThan(4000);
    expectNothingLeft(grid);
  });

  test('is told never mind when it is silent at its last write', async () => {
    const grid = new GridFixture(10);
    freezeAt(grid.servers[5]!, 'write', 0);
    const { happiness, replaced } = await grid.put(SHORT, options);
    expect(happiness).toBe(9);
    expect(replaced).toMatchObject([{ from: grid.servers[5]!.name, to: undefined }]);
    expect(grid.clock.now()).toBeLessThan(1500);
    expect(grid.servers[5]!.count('abort')).toBe(1);
    expectNothingLeft(grid);
  });

  test('is replaced when a server without a share is there', async () => {
    const grid = new GridFixture(11);
    const ring = grid.servers;
    for (const server of ring) freezeAtFirstWriteIfNamed(server, 's5');
    const { happiness } = await grid.put(SHORT, options);
    expect(happiness).toBe(10);
    expectNothingLeft(grid);
  });
  function freezeAtFirstWriteIfNamed(server: MemoryServer, name: string): void {
    if (server.name === name) freezeAt(server, 'write', 0);
  }

  test('is waited for when all shares are wanted', async () => {
    const grid = new GridFixture(10);
    grid.servers[5]!.latencyMs = ({ operation }) => (operation === 'close' ? 2500 : 5);
    const { happiness } = await grid.put(SHORT, { ...options, waitForAll: true });
    expect(happiness).toBe(10);
    expect(grid.clock.now()).toBeGreaterThan(2500);
  });
});

describe('never mind', () => {
  test('a cancelled upload leaves no share, whenever it is cancelled before shares are made final', async () => {
    for (let nth = 0; nth < 45; nth += 3) {
      const grid = new GridFixture(11);
      const controller = new AbortController();
      let operations = 0;
      for (const server of grid.servers) {
        server.onAsked = ({ operation }) => {
          if (operation === 'abort' || operation === 'close') return;
          if (operations++ === nth) controller.abort(new Error('enough of it'));
        };
      }
      const put = grid.put(LONG.subarray(0, 12 * SEGMENT), {
        ...options,
        convergence,
        signal: controller.signal,
      });
      await expect(put.then(() => 'complete')).rejects.toThrow('enough of it');
      expect(grid.finishedShares).toEqual([]);
      expectNothingLeft(grid);
    }
  });

  test('an upload that is cancelled while shares are made final leaves nothing half-written', async () => {
    const grid = new GridFixture(10);
    const controller = new AbortController();
    grid.servers[0]!.onAsked = ({ operation }) => {
      if (operation === 'close') controller.abort(new Error('enough of it'));
    };
    await expect(grid.put(LONG, { ...options, signal: controller.signal })).rejects.toThrow('enough of it');
    expectNothingLeft(grid);
  });

  test('an abort does not wait for servers that are silent, nor for a source that hangs', async () => {
    const grid = new GridFixture(10);
    const controller = new AbortController();
    const source: UploadSource = {
      sizeBytes: 10_000,
      read: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }),
    };
    const { signal } = controller;
    const put = upload(source, grid.servers, { clock: grid.clock, random: grid.random, signal });
    put.catch(() => {});
    grid.clock.setTimer(50, () => {
      for (const server of grid.servers) server.freeze();
      controller.abort(new Error('gone'));
    });
    await expect(grid.run(put)).rejects.toThrow('gone');
    expect(grid.clock.now()).toBeLessThan(1100);
    expect(grid.openOperations).toBe(0);
    expect(grid.clock.armedTimers).toBe(0);
  });

  test('an aborted signal asks nobody', async () => {
    const grid = new GridFixture(10);
    await expect(grid.put(SHORT, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
      'before',
    );
    expect(grid.servers.every(({ asked }) => asked.length === 0)).toBe(true);
  });

  test('a source that fails leaves no share', async () => {
    const grid = new GridFixture(10);
    const source: UploadSource = {
      sizeBytes: LONG.length,
      async *read() {
        yield LONG.subarray(0, 10 * SEGMENT);
        throw new Error('the disk is gone');
      },
    };
    const put = upload(source, grid.servers, { clock: grid.clock, random: grid.random, ...options });
    await expect(grid.run(put)).rejects.toThrow('the disk is gone');
    expect(grid.finishedShares).toEqual([]);
    expectNothingLeft(grid);
  });

  for (const [what, lengthBytes] of [
    ['shorter', LONG.length - 1],
    ['longer', LONG.length + 1],
  ] as const) {
    test(`a source that is ${what} than it said leaves no share`, async () => {
      const grid = new GridFixture(10);
      const source: UploadSource = {
        sizeBytes: lengthBytes,
        async *read() {
          yield LONG.subarray(0);
        },
      };
      if (what === 'longer') Object.assign(source, { sizeBytes: LONG.length - 1 });
      const put = upload(source, grid.servers, { clock: grid.clock, random: grid.random, ...options });
      put.catch(() => {});
      expect((await failure(grid.run(put))).code).toBe('SOURCE_CHANGED');
      expect(grid.finishedShares).toEqual([]);
      expectNothingLeft(grid);
    });
  }
});

test('a source that changes after its key was computed leaves no share', async () => {
  const grid = new GridFixture(10);
  let passes = 0;
  const source: UploadSource = {
    sizeBytes: SHORT.length,
    async *read() {
      yield ++passes === 1 ? SHORT : SHORT.map((byte, at) => (at === 5 ? byte ^ 1 : byte));
    },
  };
  const put = upload(source, grid.servers, {
    clock: grid.clock,
    random: grid.random,
    ...options,
    convergence,
  });
  put.catch(() => {});
  expect((await failure(grid.run(put))).code).toBe('SOURCE_CHANGED');
  expect(grid.finishedShares).toEqual([]);
  expectNothingLeft(grid);
});

describe('progress and arguments', () => {
  test('progress counts acknowledged bytes, up to all of them', async () => {
    const grid = new GridFixture(11);
    failsAt(grid.servers[2]!, 'write', 8, new RpcError('PEER_SILENT', 'gone'));
    const seen: UploadProgress[] = [];
    await grid.put(LONG, { ...options, convergence, onProgress: (progress) => seen.push(progress) });
    expect([...new Set(seen.map(({ stage }) => stage))]).toEqual([
      'hashing',
      'placing',
      'pushing',
      'closing',
    ]);
    const pushing = seen.filter(({ stage }) => stage === 'pushing').map(({ doneBytes }) => doneBytes);
    expect(pushing).toEqual([...pushing].sort((a, b) => a - b));
    expect(pushing[0]).toBe(0);
    expect(seen.at(-1)).toEqual({ stage: 'closing', doneBytes: LONG.length, totalBytes: LONG.length });
    expect(seen.every(({ doneBytes }) => doneBytes <= LONG.length)).toBe(true);
  });

  test('the same file and secret give the same capability, another secret another one', async () => {
    const put = async (secret: Uint8Array | undefined, seed: number) =>
      (await new GridFixture(10, seed).put(SHORT, { convergence: secret })).capability;
    const capability = await put(convergence, 1);
    expect(await put(convergence, 2)).toBe(capability);
    expect(await put(Buffer.from('another'), 1)).not.toBe(capability);
    expect(await put(undefined, 1)).not.toBe(await put(undefined, 2));
  });

  test('options that make no sense are refused', async () => {
    const grid = new GridFixture(10);
    for (const wrong of [
      { needed: 0 },
      { needed: 11 },
      { happy: 11 },
      { total: 257 },
      { total: 2.5 },
      { happy: 0 },
      { segmentSizeBytes: 0 },
    ]) {
      expect((await failure(grid.put(SHORT, wrong))).code).toBe('BAD_ARGUMENT');
    }
  });
});
