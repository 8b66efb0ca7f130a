// Storage over a Transport: what one end says the other understands, neither trusts the other, and the errors of
// the server come out as they went in.

import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { RemoteStorageServer } from '../../src/storage/remote-server.ts';
import { STORAGE_METHODS, serveStorage } from '../../src/storage/rpc-methods.ts';
import { StorageError, type StorageServer } from '../../src/storage/storage-server.ts';
import { FakeTransport } from './fake-transport.ts';
import { content, memoryDisk, openServer, refusal, secret, storageIndex, uploadRef } from './helpers.ts';

const ADDRESS = 'nm://storage.example:4820';

async function served() {
  const files = memoryDisk();
  const server = await openServer({ files });
  const transport = new FakeTransport();
  serveStorage(transport, server);
  return { files, server, transport, remote: new RemoteStorageServer(transport.peer(ADDRESS)) };
}

describe('a remote storage server', () => {
  it('does everything that the server behind it does', async () => {
    const { remote, server, files } = await served();
    const upload = uploadRef(1, 7);
    const lease = () => ({ renewSecret: secret(2), cancelSecret: secret(3) });
    const request = { ...upload, shareNumbers: [7, 3], allocatedSize: 100, lease };
    expect(await remote.version()).toEqual(await server.version());
    expect(await remote.allocate(request)).toEqual({ alreadyHave: [], allocated: [3, 7] });
    await remote.write(upload, 50, content(100).subarray(50));
    await remote.write(upload, 0, content(100).subarray(0, 50));
    await remote.close(upload);
    await remote.abort({ ...upload, shareNumber: 3 });
    expect(await remote.list(upload.storageIndex)).toEqual([7]);
    expect(await remote.read(upload.storageIndex, 7, 10, 500)).toEqual(
      Buffer.from(content(100).subarray(10)),
    );
    expect(await remote.allocate({ ...request, lease: undefined })).toEqual({
      alreadyHave: [7],
      allocated: [3],
    });
    await remote.addLease(upload.storageIndex, lease);
    await remote.adviseCorrupt(upload.storageIndex, 7, 'its block of segment 0 does not fit its hash');
    expect(files.paths().filter((path) => path.includes('advisories'))).toHaveLength(1);
  });

  it('carries sizes and offsets beyond 32 bits', async () => {
    const { remote } = await served();
    const upload = uploadRef();
    const request = { ...upload, shareNumbers: [0], allocatedSize: 2 ** 40 };
    expect((await remote.allocate(request)).allocated).toEqual([0]);
    await expect(remote.write(upload, 2 ** 41, content(1))).rejects.toThrow(String(2 ** 41 + 1));
  });

  it('throws the StorageError of the server, naming the peer', async () => {
    const { remote } = await served();
    const failure = await remote.read(storageIndex(1), 0, 0, 1).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure).toMatchObject({ code: 'UNKNOWN_SHARE', message: expect.stringContaining(ADDRESS) });
    expect(await refusal(remote.close(uploadRef()))).toBe('UNKNOWN_SHARE');
    expect(await refusal(remote.read(storageIndex(1), 0, 0, 2 ** 24))).toBe('BAD_REQUEST');
  });

  it('leaves other failures as they are', async () => {
    const transport = new FakeTransport();
    const remote = new RemoteStorageServer(transport.peer(ADDRESS));
    await expect(remote.version()).rejects.toMatchObject({ name: 'RpcError', code: 'UNKNOWN_METHOD' });
    transport.handle(STORAGE_METHODS.version, () => {
      throw new TypeError('a bug');
    });
    await expect(remote.version()).rejects.toMatchObject({ name: 'RpcError', code: 'HANDLER_FAILED' });
  });

  it('passes the options on, says how much it expects, and that everything may be repeated', async () => {
    const { remote, transport } = await served();
    const { signal } = new AbortController();
    const onOverdue = vi.fn();
    await remote.list(storageIndex(1), { signal, onOverdue });
    await remote.read(storageIndex(1), 0, 0, 4321, { signal }).catch(() => {});
    expect(transport.calls[0]!.options).toMatchObject({ signal, onOverdue, idempotent: true });
    expect(transport.calls[1]!.options).toMatchObject({ signal, expectedBytes: 4321, idempotent: true });
  });

  it('has its place in the permutation by its address, or by what it is told', () => {
    const peer = new FakeTransport().peer(ADDRESS);
    const seed = new RemoteStorageServer(peer).permutationSeed;
    expect(seed).toHaveLength(32);
    expect(new RemoteStorageServer(peer).permutationSeed).toEqual(seed);
    expect(new RemoteStorageServer(peer, { permutationSeed: secret(1) }).permutationSeed).toEqual(secret(1));
  });

  it.each<[string, unknown[], (remote: StorageServer) => Promise<unknown>]>([
    [
      'version',
      [null, [], {}, ['1', 1], [1, 1, 1], ['1', -1, 1], ['1', 1, 0.5], ['1', 2 ** 53, 1]],
      (remote) => remote.version(),
    ],
    [
      'allocate',
      [null, [[1]], [[1], [1]], [[9], []], [[], [300]], [[], ['1']], [[1, 1], []], [1, 2], [[], {}]],
      (remote) => remote.allocate({ ...uploadRef(), shareNumbers: [1, 2], allocatedSize: 1 }),
    ],
    [
      'list',
      [null, 'x', [256], [-1], [1.5], [1, 1], [[1]], { 0: 1 }],
      (remote) => remote.list(storageIndex(1)),
    ],
    [
      'read',
      [null, 'abc', [1, 2], new Uint8Array(11), {}],
      (remote) => remote.read(storageIndex(1), 0, 0, 10),
    ],
  ])('refuses a malformed answer to %s', async (_operation, answers, ask) => {
    const transport = new FakeTransport();
    for (const answer of answers) {
      transport.forged = { answer };
      await expect(ask(new RemoteStorageServer(transport.peer(ADDRESS)))).rejects.toMatchObject({
        name: 'RpcError',
        code: 'BAD_MESSAGE',
        peer: ADDRESS,
        message: expect.stringContaining(ADDRESS),
      });
    }
  });

  it('only ever resolves to what it asked for, or rejects with an RpcError, whatever comes', async () => {
    const transport = new FakeTransport();
    const remote = new RemoteStorageServer(transport.peer(ADDRESS));
    const shareList = fc.array(fc.oneof(fc.integer({ min: -1, max: 260 }), fc.anything()), { maxLength: 4 });
    const answers = fc.oneof(cborValue(), shareList, fc.tuple(shareList, shareList), fc.uint8Array());
    await fc.assert(
      fc.asyncProperty(answers, async (answer) => {
        transport.forged = { answer };
        const ok = (await Promise.allSettled([
          remote.read(storageIndex(1), 0, 0, 5).then((data) => data.length <= 5),
          remote.list(storageIndex(1)).then((found) => found.every((number) => number >= 0 && number < 256)),
          remote
            .allocate({ ...uploadRef(), shareNumbers: [1, 2], allocatedSize: 1 })
            .then((result) => [...result.alreadyHave, ...result.allocated].every((n) => n === 1 || n === 2)),
          remote.version().then((version) => Number.isSafeInteger(version.availableSpace)),
        ])) as PromiseSettledResult<boolean>[];
        for (const outcome of ok) {
          if (outcome.status === 'fulfilled') expect(outcome.value).toBe(true);
          else expect(outcome.reason).toMatchObject({ code: 'BAD_MESSAGE' });
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the served methods', () => {
  it('are all declared safe to run from a first datagram', async () => {
    const { transport } = await served();
    expect([...transport.handlers.keys()].sort()).toEqual(Object.values(STORAGE_METHODS).sort());
    for (const { options } of transport.handlers.values()) expect(options).toEqual({ early: 'safe' });
  });

  it('give the caller’s signal to the server', async () => {
    const { transport } = await served();
    const reason = new Error('never mind');
    const signal = AbortSignal.abort(reason);
    for (const { handler } of transport.handlers.values()) {
      const fields = [storageIndex(1), 0, secret(1)];
      const context = { signal, deadlineAtMs: 0, from: '' };
      const bodies = [
        null,
        fields.slice(0, 1),
        fields,
        [...fields, 0, content(1)],
        [storageIndex(1), 0, 0, 1],
        [storageIndex(1), secret(1), secret(2)],
        [storageIndex(1), 0, 'why'],
      ];
      const bodiesOfAllocate = [[storageIndex(1), [0], 1, secret(1)]];
      const outcomes = await Promise.allSettled(
        [...bodies, ...bodiesOfAllocate].map(async (body) => handler(body, context)),
      );
      expect(
        outcomes.filter((outcome) => outcome.status === 'rejected' && outcome.reason === reason),
      ).not.toEqual([]);
      expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    }
  });

  it('answer any request with a result or a StorageError, and are none the worse for it', async () => {
    const { files, server, transport } = await served();
    const field = fc.oneof(
      fc.constantFrom<unknown>(storageIndex(1), secret(1), 0, 1, [0, 1], content(3)),
      fc.integer(),
      fc.double(),
      fc.uint8Array({ maxLength: 40 }),
      cborValue(),
    );
    const request = fc.oneof(fc.array(field, { maxLength: 7 }), cborValue());
    const method = fc.constantFrom(...Object.values(STORAGE_METHODS));
    const peer = transport.peer(ADDRESS);
    await fc.assert(
      fc.asyncProperty(method, request, async (name, body) => {
        try {
          await peer.call(name, body);
        } catch (error) {
          expect(error).toMatchObject({ code: 'HANDLER_FAILED' });
          const { detail } = error as { detail: { code: string } };
          expect(detail.code).toMatch(
            /^(?:NO_SPACE|TOO_LARGE|UNKNOWN_SHARE|SHARE_BUSY|INCOMPLETE|BAD_REQUEST)$/,
          );
        }
      }),
      { numRuns: 1000 },
    );
    await server.stop();
    expect(files.paths().filter((path) => path.includes('incoming'))).toEqual([]);
    expect(files.openFiles).toBe(0);
  });
});

/** Anything that CBOR can carry. */
function cborValue(): fc.Arbitrary<unknown> {
  return fc.anything({
    withBigInt: true,
    withMap: true,
    withSet: true,
    withDate: true,
    withTypedArray: true,
  });
}
