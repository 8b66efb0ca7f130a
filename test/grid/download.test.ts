import { describe, expect, test } from 'vitest';
import type { DownloadProgress } from '../../src/grid/download-options.ts';
import { GridError } from '../../src/grid/error.ts';
import { ServerRecords } from '../../src/grid/server-record.ts';
import { verify } from '../../src/grid/verify.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import { type ChkCapability, formatCapability, parseCapability } from '../../src/tahoe/capability.ts';
import { buildMerkleTree } from '../../src/tahoe/merkle.ts';
import { frameUriExtension, parseShareHeader, unframeUriExtension } from '../../src/tahoe/share-layout.ts';
import { encodeUriExtension, parseUriExtension, uriExtensionHash } from '../../src/tahoe/uri-extension.ts';
import { RpcError } from '../../src/transport/error.ts';
import { fileOf, GridFixture, readAll } from './grid-fixture.ts';
import type { MemoryServer } from './memory-server.ts';

/** Blocks of about 47 KB, as of a real file: longer than what counts as a short read. */
const SEGMENT = 3 * 48 * 1024;
const SIZE = 20 * SEGMENT + 5000;
const FILE = fileOf(SIZE);

/** A grid of ten servers, each with one share of FILE, in the order of the file's permutation. */
async function gridWithFile(size: number = SIZE) {
  const grid = new GridFixture(10);
  const file = FILE.subarray(0, size);
  const { capability } = await grid.put(file, { segmentSizeBytes: SEGMENT });
  for (const server of grid.servers) server.asked.length = 0;
  return { grid, file, capability, servers: grid.inOrder(capability) };
}

/** Milliseconds of virtual time that a download takes; asserts that it gives the file and leaves nothing open. */
async function timed(grid: GridFixture, capability: string, file: Uint8Array): Promise<number> {
  const startMs = grid.clock.now();
  const bytes = await grid.get(capability, { readAheadSegments: 4 });
  expect(Buffer.compare(bytes, file)).toBe(0);
  expect(grid.openOperations).toBe(0);
  expect(grid.clock.armedTimers).toBe(0);
  return grid.clock.now() - startMs;
}

const readsOf = (servers: readonly MemoryServer[]): number =>
  servers.reduce((sum, server) => sum + server.count('read'), 0);

function failure(promise: Promise<unknown>): Promise<GridError> {
  return promise.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(GridError);
      return error as GridError;
    },
  );
}

describe('locating', () => {
  test('starts as soon as k shares are located, however long the other servers take', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const server of servers.slice(3)) {
      server.latencyMs = ({ operation }) => (operation === 'list' ? 60_000 : 5);
    }
    expect(await timed(grid, capability, file)).toBeLessThan(100);
  });

  test('asks further servers while the first ones are silent', async () => {
    const grid = new GridFixture(60);
    const { capability } = await grid.put(FILE.subarray(0, 1000), { total: 10 });
    // All shares lie at the end of the ring, behind fifty servers without any, of which the first 25 are silent.
    const ring = grid.inOrder(capability);
    for (const [i, server] of ring.slice(0, 10).entries()) {
      for (const [share, bytes] of server.shares) ring[50 + i]!.shares.set(share, bytes);
      server.shares.clear();
    }
    for (const server of ring.slice(0, 25)) server.freeze();
    expect((await grid.get(capability)).length).toBe(1000);
    expect(grid.clock.now()).toBeLessThan(2000);
  });

  test('does not ask a large grid once it has found enough', async () => {
    const grid = new GridFixture(100);
    const { capability } = await grid.put(FILE.subarray(0, 1000));
    await grid.get(capability);
    expect(grid.servers.filter((server) => server.count('list') > 0).length).toBeLessThan(30);
  });

  test('says that a file is not there when every server has said so', async () => {
    const { grid, capability, servers } = await gridWithFile();
    for (const server of servers) server.shares.clear();
    const error = await failure(grid.get(capability));
    expect(error.code).toBe('NOT_FOUND');
    expect(error.stage).toBe('locating');
    expect(error.servers.length).toBe(10);
  });

  test('names what it found where, when fewer than k shares are there', async () => {
    const { grid, capability, servers } = await gridWithFile();
    for (const server of servers.slice(2)) server.shares.clear();
    const error = await failure(grid.get(capability));
    expect(error.code).toBe('NOT_ENOUGH_SHARES');
    expect(error.message).toContain('only 2 of the 3 different shares');
    for (const server of servers) expect(error.message).toContain(server.name);
    expect(grid.openOperations).toBe(0);
  });

  test('gives up when a server that failed at first has given all that it has', async () => {
    const { grid, capability, servers } = await gridWithFile();
    for (const server of servers.slice(2)) server.fails = () => new Error('broken');
    // Simulator, seed 3350.
    servers[0]!.fails = ({ operation, nth }) =>
      operation === 'read' && nth === 0 ? new Error('a moment') : undefined;
    const error = await failure(grid.get(capability));
    expect(error.code).toBe('NOT_ENOUGH_SHARES');
    expect(error.message).toContain('only 2 of the 3 different shares');
  });

  test('does not wait for ever for silent servers before it gives up', async () => {
    const { grid, capability, servers } = await gridWithFile();
    for (const server of servers.slice(2)) server.freeze();
    const startMs = grid.clock.now();
    const error = await failure(grid.get(capability));
    expect(error.code).toBe('NOT_ENOUGH_SHARES');
    expect(grid.clock.now() - startMs).toBeLessThan(10_000);
    expect(error.message).toContain('has not answered for');
  });

  test('waits for a slow server that has the last share needed', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const server of servers.slice(3)) server.shares.clear();
    servers[2]!.latencyMs = ({ operation }) => (operation === 'list' ? 2500 : 5);
    expect(await timed(grid, capability, file)).toBeGreaterThan(2500);
  });

  test('asks a server again that failed, when its shares are needed', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const server of servers.slice(3)) server.shares.clear();
    servers[0]!.fails = ({ operation, nth }) =>
      operation === 'list' && nth === 0 ? new RpcError('OVERLOADED', 'busy') : undefined;
    await timed(grid, capability, file);
  });

  test('ignores share numbers that the file does not have', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    servers[0]!.shares.set(10, new Uint8Array(100)).set(-1, new Uint8Array(100));
    await timed(grid, capability, file);
    expect(servers[0]!.asked.every(({ shareNumber }) => shareNumber === undefined || shareNumber < 10)).toBe(
      true,
    );
  });
});

describe('slow and silent servers', () => {
  test('silent from the start cost at most a few hundred milliseconds', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    const healthyMs = await timed(grid, capability, file);
    for (const server of servers.slice(0, 3)) server.freeze();
    expect(await timed(grid, capability, file)).toBeLessThan(healthyMs + 300);
  });

  test('that fall silent in the middle cost at most a few hundred milliseconds', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    const healthyMs = await timed(grid, capability, file);
    const used = servers.filter((server) => server.count('read') > 5);
    expect(used.length).toBe(3);
    for (const server of used) {
      const before = server.count('read');
      server.onAsked = ({ operation, nth }) => {
        if (operation === 'read' && nth === before + 10) server.freeze();
      };
    }
    expect(await timed(grid, capability, file)).toBeLessThan(healthyMs + 300);
  });

  test('are hedged at once when the transport calls them overdue', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    const healthyMs = await timed(grid, capability, file);
    for (const server of servers.slice(0, 3)) {
      server.overdueMs = 20;
      const before = server.count('read');
      server.onAsked = ({ operation, nth }) => {
        if (operation === 'read' && nth === before + 10) server.freeze();
      };
    }
    expect(await timed(grid, capability, file)).toBeLessThan(healthyMs + 100);
  });

  test('are replaced share by share: the quick ones are not asked again', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    await timed(grid, capability, file);
    const used = servers.filter((server) => server.count('read') > 5);
    const usual = used.map((server) => server.count('read'));
    for (const server of servers) server.asked.length = 0;
    used[0]!.onAsked = ({ operation, nth }) => {
      if (operation === 'read' && nth === 10) used[0]!.freeze();
    };
    await timed(grid, capability, file);
    expect(used.slice(1).map((server) => server.count('read'))).toEqual(usual.slice(1));
  });

  test('lose: what they were asked is cancelled when enough blocks are there', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    servers[0]!.latencyMs = ({ operation }) => (operation === 'read' ? 5000 : 1);
    expect(await timed(grid, capability, file)).toBeLessThan(1000);
    expect(servers[0]!.cancelled).toBeGreaterThan(0);
  });

  test('are not asked for later segments', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    servers[0]!.latencyMs = ({ operation }) => (operation === 'read' ? 5000 : 1);
    await timed(grid, capability, file);
    expect(servers[0]!.count('read')).toBeLessThan(10);
  });

  test('are left for quicker ones, also when they are not late', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const server of servers) server.latencyMs = ({ operation }) => (operation === 'read' ? 10 : 5);
    servers[0]!.latencyMs = ({ operation }) => (operation === 'read' ? 60 : 1);
    const download = grid.download(capability, { readAheadSegments: 2 });
    expect(Buffer.compare(await grid.run(readAll(download)), file)).toBe(0);
    expect(download.hedges).toBe(0);
    expect(servers[0]!.count('read')).toBeLessThan(8);
  });

  test('get another chance after a while, at no cost to the download', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    const records = new ServerRecords(grid.clock);
    for (const server of servers.slice(0, 3)) server.freeze();
    const get = async () => {
      const startMs = grid.clock.now();
      expect(Buffer.compare(await grid.run(readAll(grid.download(capability, { records }))), file)).toBe(0);
      return grid.clock.now() - startMs;
    };
    const read = grid.download(capability, { records })[Symbol.asyncIterator]();
    for (const server of servers) server.thaw();
    await grid.run(read.next());
    for (const server of servers.slice(0, 3)) server.freeze();
    await grid.run(readAll({ [Symbol.asyncIterator]: () => read }));
    const healthyMs = await get();
    await grid.clock.run({ forMs: 60_000 });
    // Still silent: tried beside the others.
    expect(await get()).toBeLessThan(healthyMs + 50);
    for (const server of servers) server.thaw();
    await grid.clock.run({ forMs: 60_000 });
    await get();
    expect(servers.slice(0, 3).every((server) => records.of(server).standing === 'good')).toBe(true);
  });

  test('do not make a download ask everybody at once when all are slow', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const server of servers) server.latencyMs = ({ sizeBytes }) => (sizeBytes > 10_000 ? 3000 : 5);
    const download = grid.download(capability);
    expect(Buffer.compare(await grid.run(readAll(download)), file)).toBe(0);
    // 21 segments of 3 blocks, and what was hedged before anything was known.
    expect(readsOf(servers)).toBeLessThan(2 * 63);
  });

  test('that fail are replaced at once', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    const healthyMs = await timed(grid, capability, file);
    for (const server of servers.slice(0, 6)) {
      server.fails = ({ operation }) =>
        operation === 'read' ? new RpcError('PEER_SILENT', 'silent') : undefined;
    }
    expect(await timed(grid, capability, file)).toBeLessThan(healthyMs + 60);
  });

  test('that fail once in a while do not fail the download, also when nobody else is left', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const server of servers.slice(3)) server.shares.clear();
    for (const server of servers) {
      server.fails = ({ operation, nth }) =>
        operation === 'read' && nth % 4 === 1 ? new StorageError('IO_ERROR', 'disk') : undefined;
    }
    await timed(grid, capability, file);
  });

  test('with several shares each are enough', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const server of servers.slice(1)) {
      for (const [share, bytes] of server.shares) servers[0]!.shares.set(share, bytes);
      server.shares.clear();
    }
    await timed(grid, capability, file);
  });
});

test('a capability that contradicts its file is told from corrupt shares, of which no server is told', async () => {
  const { grid, capability, servers, file } = await gridWithFile();
  const parsed = parseCapability(capability) as ChkCapability;
  for (const change of [{ sizeBytes: file.length - 1 }, { needed: parsed.needed + 1 }, { total: 11 }]) {
    const altered = formatCapability({ ...parsed, ...change });
    const looks: Promise<unknown>[] = [
      readAll(grid.download(altered)),
      verify(altered, grid.servers, { clock: grid.clock, random: grid.random }),
    ];
    for (const look of looks) {
      await expect(grid.run(look)).rejects.toMatchObject({
        code: 'BAD_CAPABILITY',
        message: expect.stringContaining('the capability says that'),
      });
    }
  }
  expect(servers.flatMap(({ advice }) => advice)).toEqual([]);
  expect(grid.openOperations).toBe(0);
});

describe('corruption', () => {
  test('of a block is found, noted and made good from another share', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    const [share] = [...servers[0]!.shares.keys()];
    for (const server of servers.slice(1)) server.latencyMs = () => 20;
    servers[0]!.corrupt(share!, 3 * 48 * 1024 + 100);
    const download = grid.download(capability);
    expect(Buffer.compare(await grid.run(readAll(download)), file)).toBe(0);
    expect(download.corruptions).toEqual([
      { shareNumber: share, serverName: servers[0]!.name, what: expect.stringContaining('segment 3') },
    ]);
  });

  const parts: [string, (share: Uint8Array) => number][] = [
    ['version', () => 3],
    ['header offsets', () => 0x20],
    ['URI extension block', (share) => share.length - 10],
    ['share hash chain', (share) => view(share).getUint32(0x1c) + 10],
    ['block hash tree', (share) => view(share).getUint32(0x18) + 10],
    ['crypttext hash tree', (share) => view(share).getUint32(0x14) + 10],
  ];
  const view = (share: Uint8Array) => new DataView(share.buffer, share.byteOffset);
  for (const [name, offsetOf] of parts) {
    test(`of the ${name} in all but k shares does no harm`, async () => {
      const { grid, capability, servers, file } = await gridWithFile();
      for (const server of servers.slice(3)) {
        for (const [share, bytes] of server.shares) server.corrupt(share, offsetOf(bytes));
      }
      for (const server of servers.slice(0, 3)) server.latencyMs = () => 50;
      await timed(grid, capability, file);
    });
  }

  test('that leaves fewer than k shares is told as such', async () => {
    const { grid, capability, servers } = await gridWithFile();
    for (const server of servers.slice(2))
      for (const share of server.shares.keys()) server.corrupt(share, 5000);
    const error = await failure(grid.get(capability));
    expect(error.code).toBe('CORRUPT');
    expect(error.message).toContain('is corrupt');
    expect(grid.openOperations).toBe(0);
  });

  test('in every share makes the capability suspect, and each corrupt share is named', async () => {
    const { grid, capability } = await gridWithFile();
    const parsed = parseCapability(capability) as ChkCapability;
    const shares = Array.from({ length: parsed.total }, (_, share) => share);
    const holder = new GridFixture(1);
    for (const share of shares) {
      holder.servers[0]!.shares.set(
        share,
        grid.servers.find((server) => server.shares.has(share))!.shares.get(share)!,
      );
    }
    const altered = formatCapability({ ...parsed, uebHash: new Uint8Array(32) });
    const error = await failure(holder.get(altered));
    expect(error.code).toBe('CORRUPT');
    expect(error.message).toContain('Is the capability complete');
    expect(error.message).toMatch(/shares [\d, ]+( and \d+ more)? are corrupt/);
  });

  test('by who uploaded the file is told at once: no other share can help', async () => {
    const { grid, capability, servers } = await gridWithFile(2 * SEGMENT);
    const parsed = parseCapability(capability) as ChkCapability;
    // A crypttext tree, proven by the extension block, that the blocks do not decode to.
    const tree = buildMerkleTree([new Uint8Array(32), new Uint8Array(32)]);
    let uebHash = parsed.uebHash;
    for (const share of servers.flatMap(({ shares }) => [...shares.values()])) {
      const { crypttextTreeOffset, uriExtensionOffset, version } = parseShareHeader(share);
      const block = unframeUriExtension(share.subarray(uriExtensionOffset), version);
      const forged = encodeUriExtension({
        ...parseUriExtension(block, parsed),
        crypttextRootHash: tree.root,
      });
      share.set(tree.bytes, crypttextTreeOffset);
      share.set(frameUriExtension(forged, version), uriExtensionOffset);
      uebHash = uriExtensionHash(forged);
    }
    const error = await failure(grid.get(formatCapability({ ...parsed, uebHash })));
    expect(error.code).toBe('CORRUPT');
    expect(error.message).toContain('uploaded inconsistent');
    expect(grid.openOperations).toBe(0);
  });

  test('by a server that sends more than it was asked for is told apart', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    const honest = servers[0]!.read.bind(servers[0]);
    servers[0]!.read = async (index, share, offset, length, options) =>
      Buffer.concat([await honest(index, share, offset, length, options), Buffer.alloc(7)]);
    const download = grid.download(capability);
    expect(Buffer.compare(await grid.run(readAll(download)), file)).toBe(0);
    expect(download.corruptions.map(({ serverName }) => serverName)).toEqual([servers[0]!.name]);
  });

  test('in form of a header that claims huge hash trees is refused without reading them', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const share of servers[0]!.shares.values()) {
      for (const at of [0x18, 0x1c, 0x20]) view(share).setUint32(at, 0xfffffff0);
    }
    servers[0]!.latencyMs = () => 1;
    await timed(grid, capability, file);
    expect(servers[0]!.asked.filter(({ sizeBytes }) => sizeBytes > 5000)).toEqual([]);
  });
});

describe('streaming', () => {
  test('gives ranges exactly, and reads only the segments that they lie in', async () => {
    const { grid, capability, servers, file } = await gridWithFile();
    for (const [offset, length] of [
      [0, 1],
      [SEGMENT - 1, 2],
      [SEGMENT, SEGMENT],
      [5 * SEGMENT + 17, 3 * SEGMENT],
      [SIZE - 1, 1],
      [SIZE - 10, Number.POSITIVE_INFINITY],
      [SIZE, 10],
      [100, 0],
    ] as const) {
      for (const server of servers) server.asked.length = 0;
      const download = grid.download(capability, { range: { offset, length } });
      const bytes = await grid.run(readAll(download));
      const expected = file.subarray(offset, Math.min(offset + length, SIZE));
      expect(Buffer.compare(bytes, expected)).toBe(0);
      expect(download.rangeBytes).toBe(expected.length);
      expect(download.sizeBytes).toBe(SIZE);
      const segments = Math.ceil(length / SEGMENT) + 1;
      expect(readsOf(servers)).toBeLessThanOrEqual(3 * (2 + (Number.isFinite(segments) ? segments : 1)));
    }
  });

  test('reads ahead no further than it was told, while nobody takes the bytes', async () => {
    const { grid, capability, servers } = await gridWithFile();
    const bytes = grid.download(capability, { readAheadSegments: 4 })[Symbol.asyncIterator]();
    await grid.run(bytes.next());
    await grid.clock.run({ forMs: 10_000 });
    // Two reads to open each of three shares, and three blocks for each of five segments at most.
    expect(readsOf(servers)).toBeLessThanOrEqual(6 + 15);
    await grid.run(bytes.return!());
    expect(grid.openOperations).toBe(0);
    expect(grid.clock.armedTimers).toBe(0);
  });

  test('reads a small share in one go', async () => {
    const { grid, capability, servers, file } = await gridWithFile(SEGMENT);
    await timed(grid, capability, file);
    expect(readsOf(servers)).toBe(3);
  });

  test('reports where it is', async () => {
    const { grid, capability, file } = await gridWithFile();
    const seen: DownloadProgress[] = [];
    await grid.get(capability, { onProgress: (progress) => seen.push(progress) });
    expect(seen[0]).toEqual({ stage: 'locating', doneBytes: 0, totalBytes: file.length });
    expect(seen.at(-1)).toEqual({ stage: 'reading', doneBytes: file.length, totalBytes: file.length });
    expect(seen.every(({ doneBytes }, i) => doneBytes >= (seen[i - 1]?.doneBytes ?? 0))).toBe(true);
  });

  test('asks nobody before it is read', async () => {
    const { grid, capability, servers } = await gridWithFile();
    grid.download(capability);
    await grid.clock.run({ forMs: 1000 });
    expect(servers.every(({ asked }) => asked.length === 0)).toBe(true);
  });

  test('gives a literal without any server', async () => {
    const grid = new GridFixture(0);
    const { capability } = await grid.put(fileOf(40));
    const download = grid.download(capability, { range: { offset: 10, length: 5 } });
    expect(Buffer.from(await readAll(download))).toEqual(Buffer.from(fileOf(40).subarray(10, 15)));
  });
});

describe('never mind', () => {
  test('an abort rejects with its reason at any moment and cancels everything', async () => {
    const { grid, capability } = await gridWithFile(12 * SEGMENT);
    for (let atMs = 0; atMs < 40; atMs += 3) {
      const controller = new AbortController();
      grid.clock.setTimer(atMs, () => controller.abort(new Error('enough of it')));
      const got = grid.get(capability, { signal: controller.signal, readAheadSegments: 2 });
      await expect(got.then(() => 'complete')).rejects.toThrow('enough of it');
      expect(grid.openOperations).toBe(0);
      expect(grid.clock.armedTimers).toBe(0);
    }
  });

  test('an abort does not wait for silent servers', async () => {
    const { grid, capability, servers } = await gridWithFile();
    for (const server of servers) server.freeze();
    const controller = new AbortController();
    const got = readAll(grid.download(capability, { signal: controller.signal }));
    controller.abort(new Error('gone'));
    await expect(got).rejects.toThrow('gone');
    expect(grid.openOperations).toBe(0);
  });

  test('an aborted signal asks nobody', async () => {
    const { grid, capability, servers } = await gridWithFile();
    const signal = AbortSignal.abort(new Error('before'));
    await expect(grid.get(capability, { signal })).rejects.toThrow('before');
    expect(servers.every(({ asked }) => asked.length === 0)).toBe(true);
  });

  test('leaving the loop cancels everything', async () => {
    const { grid, capability } = await gridWithFile();
    const leave = async () => {
      for await (const _ of grid.download(capability)) break;
    };
    await grid.run(leave());
    expect(grid.openOperations).toBe(0);
    expect(grid.clock.armedTimers).toBe(0);
  });

  test('leaving while bytes are waited for ends the wait', async () => {
    const { grid, capability, servers } = await gridWithFile();
    for (const server of servers) server.freeze();
    const bytes = grid.download(capability)[Symbol.asyncIterator]();
    const next = bytes.next();
    await bytes.return!();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(grid.openOperations).toBe(0);
    expect(grid.clock.armedTimers).toBe(0);
  });

  test('no listener stays on the signal of a finished download', async () => {
    const { grid, capability } = await gridWithFile();
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    await grid.get(capability, { signal });
    expect(listeners).toBe(0);
  });
});

describe('wrong arguments', () => {
  const grid = new GridFixture(1);
  const codeOf = (begin: () => unknown): string => {
    try {
      begin();
    } catch (error) {
      return (error as GridError).code;
    }
    return 'none';
  };

  test('are told at once: what is no capability, or none to read by', () => {
    expect(codeOf(() => grid.download('URI:CHK:nonsense'))).toBe('BAD_CAPABILITY');
    const verifier = `URI:CHK-Verifier:${'a'.repeat(26)}:${'a'.repeat(52)}:3:10:1000`;
    expect(codeOf(() => grid.download(verifier))).toBe('BAD_CAPABILITY');
  });

  test('are told at once: a range outside of the file', () => {
    const capability = 'URI:LIT:aa';
    for (const range of [
      { offset: -1, length: 1 },
      { offset: 2, length: 1 },
      { offset: 0.5, length: 1 },
      { offset: 0, length: -1 },
      { offset: 0, length: Number.NaN },
    ]) {
      expect(codeOf(() => grid.download(capability, { range }))).toBe('BAD_ARGUMENT');
    }
  });
});
