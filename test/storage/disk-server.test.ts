// What a storage server promises, on a real disk and on the one in memory alike.

import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blake2b as blake2bOf } from '@noble/hashes/blake2.js';
import { describe, expect, it } from 'vitest';
import { base32Encode } from '../../src/base/base32.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { READ_BYTES_MAX } from '../../src/storage/request-checks.ts';
import {
  allocate,
  content,
  contentOf,
  DISKS,
  type Disk,
  memoryDisk,
  NOW_UNIX_SECONDS,
  openServer,
  put,
  refusal,
  secret,
  storageIndex,
  temporaryFolder,
  tree,
  uploadRef,
} from './helpers.ts';

const MINUTE_MS = 60_000;

function blake2b(bytes: Uint8Array): Buffer {
  return Buffer.from(blake2bOf(bytes, { dkLen: 32 }));
}

describe.each(DISKS)('on %s', (_name, makeDisk) => {
  it('gives back what was put, whole and in ranges, and nothing past the end', async () => {
    const server = await openServer(await makeDisk());
    const data = content(10_000);
    await put(server, uploadRef(), data);
    const read = (offset: number, length: number) => server.read(storageIndex(1), 0, offset, length);
    expect(await read(0, 10_000)).toEqual(data);
    expect(await read(0, READ_BYTES_MAX)).toEqual(data);
    expect(await read(123, 456)).toEqual(data.subarray(123, 579));
    expect(await read(9_999, 2)).toEqual(data.subarray(9_999));
    expect(await read(10_000, 5)).toHaveLength(0);
    expect(await read(Number.MAX_SAFE_INTEGER, 5)).toHaveLength(0);
    expect(await read(5, 0)).toHaveLength(0);
  });

  it('keeps shares where Tahoe-LAFS keeps them, in its container, and never returns a lease', async () => {
    const disk = await makeDisk();
    const server = await openServer(disk);
    const upload = uploadRef(7, 3);
    const lease = { renewSecret: secret('renew'), cancelSecret: secret('cancel') };
    await allocate(server, upload, 1000, lease);
    await server.write(upload, 0, content(1000));
    await server.close(upload);

    const name = base32Encode(upload.storageIndex);
    const path = join('shares', name.slice(0, 2), name, '3');
    expect(await tree(disk.files, disk.folder)).toEqual([path, 'shares/incoming/'].sort());
    const file = Buffer.from(await contentOf(disk.files, join(disk.folder, path)));
    expect(file).toHaveLength(12 + 1000 + 72);
    expect(file.subarray(0, 12).toString('hex')).toBe('00000002000003e800000001');
    expect(file.subarray(12, 1012)).toEqual(Buffer.from(content(1000)));
    expect(file.readUInt32BE(1012)).toBe(0);
    expect(file.subarray(1016, 1048)).toEqual(blake2b(lease.renewSecret));
    expect(file.subarray(1048, 1080)).toEqual(blake2b(lease.cancelSecret));
    expect(file.readUInt32BE(1080)).toBe(NOW_UNIX_SECONDS + 31 * 24 * 3600);
    expect(await server.read(upload.storageIndex, 3, 990, 5000)).toEqual(content(1000).subarray(990));
  });

  it('takes writes in any order, also twice, and refuses to close before every byte has come', async () => {
    const server = await openServer(await makeDisk());
    const upload = uploadRef();
    const data = content(300);
    await allocate(server, upload, 300);
    expect(await refusal(server.close(upload))).toBe('INCOMPLETE');
    await server.write(upload, 200, data.subarray(200));
    await server.write(upload, 0, data.subarray(0, 150));
    expect(await refusal(server.close(upload))).toBe('INCOMPLETE');
    await server.write(upload, 100, data.subarray(100, 199));
    await server.write(upload, 0, data.subarray(0, 150));
    await server.write(upload, 300, new Uint8Array(0));
    expect(await refusal(server.close(upload))).toBe('INCOMPLETE');
    await server.write(upload, 199, data.subarray(199, 200));
    await server.close(upload);
    expect(await server.read(upload.storageIndex, 0, 0, 300)).toEqual(data);
  });

  it('takes an empty share', async () => {
    const server = await openServer(await makeDisk());
    await put(server, uploadRef(), new Uint8Array(0));
    expect(await server.list(storageIndex(1))).toEqual([0]);
    expect(await server.read(storageIndex(1), 0, 0, 10)).toHaveLength(0);
  });

  it('refuses bytes beyond the allocated size and keeps the upload', async () => {
    const server = await openServer(await makeDisk());
    const upload = uploadRef();
    await allocate(server, upload, 10);
    expect(await refusal(server.write(upload, 5, content(6)))).toBe('TOO_LARGE');
    expect(await refusal(server.write(upload, Number.MAX_SAFE_INTEGER, content(6)))).toBe('TOO_LARGE');
    await server.write(upload, 0, content(10));
    await server.close(upload);
  });

  it('shows no share before its close is acknowledged, and none that was aborted', async () => {
    const disk = await makeDisk();
    const server = await openServer(disk);
    const upload = uploadRef();
    await allocate(server, upload, 10);
    await server.write(upload, 0, content(10));
    expect(await server.list(upload.storageIndex)).toEqual([]);
    expect(await refusal(server.read(upload.storageIndex, 0, 0, 10))).toBe('UNKNOWN_SHARE');
    await server.abort(upload);
    await server.abort(upload);
    expect(await server.list(upload.storageIndex)).toEqual([]);
    expect(await refusal(server.write(upload, 0, content(10)))).toBe('UNKNOWN_SHARE');
    expect(await refusal(server.close(upload))).toBe('UNKNOWN_SHARE');
    expect(await tree(disk.files, disk.folder)).toEqual(['shares/incoming/']);
  });

  it('lists several shares in order and allocates only those that are not there', async () => {
    const server = await openServer(await makeDisk());
    for (const shareNumber of [12, 2, 255]) await put(server, uploadRef(1, shareNumber), content(5));
    expect(await server.list(storageIndex(1))).toEqual([2, 12, 255]);
    const answer = await server.allocate({
      storageIndex: storageIndex(1),
      shareNumbers: [12, 3, 2, 3],
      allocatedSize: 5,
      uploadSecret: secret(2),
    });
    expect(answer).toEqual({ alreadyHave: [2, 12], allocated: [3] });
  });

  it('keeps a second writer out until the first has gone', async () => {
    const server = await openServer(await makeDisk());
    const first = uploadRef(1, 0, 'first');
    const second = uploadRef(1, 0, 'second');
    expect(await allocate(server, first, 10)).toBe(true);
    expect(await refusal(allocate(server, second, 10))).toBe('SHARE_BUSY');
    expect(await refusal(server.write(second, 0, content(10)))).toBe('SHARE_BUSY');
    expect(await refusal(server.close(second))).toBe('SHARE_BUSY');
    expect(await refusal(server.abort(second))).toBe('SHARE_BUSY');
    await server.abort(first);
    expect(await allocate(server, second, 10)).toBe(true);
  });

  it('answers a repeated allocate, close and abort as it did the first time', async () => {
    const server = await openServer(await makeDisk());
    const upload = uploadRef();
    expect(await allocate(server, upload, 10)).toBe(true);
    await server.write(upload, 0, content(10));
    expect(await allocate(server, upload, 10)).toBe(true);
    await Promise.all([server.close(upload), server.close(upload)]);
    await server.close(upload);
    expect(await refusal(server.close(uploadRef(1, 0, 'other')))).toBe('UNKNOWN_SHARE');
    await server.abort(upload);
    expect(await server.read(upload.storageIndex, 0, 0, 10)).toEqual(content(10));
  });

  it('forgets unfinished uploads in a restart and keeps finished shares', async () => {
    const disk = await makeDisk();
    const before = await openServer(disk);
    await put(before, uploadRef(1), content(100));
    await allocate(before, uploadRef(2), 100);
    await before.write(uploadRef(2), 0, content(50));

    const after = await openServer(disk);
    expect(await after.list(storageIndex(1))).toEqual([0]);
    expect(await after.read(storageIndex(1), 0, 0, 100)).toEqual(content(100));
    expect(await refusal(after.write(uploadRef(2), 50, content(50)))).toBe('UNKNOWN_SHARE');
    expect((await tree(disk.files, disk.folder)).filter((path) => path.includes('incoming'))).toEqual([
      'shares/incoming/',
    ]);
  });

  it('removes unfinished uploads when it stops, and answers nothing afterwards', async () => {
    const disk = await makeDisk();
    const clock = new VirtualClock();
    const server = await openServer(disk, { clock });
    await allocate(server, uploadRef(1), 100);
    const lateWrite = server.write(uploadRef(1), 0, content(100));
    await server.stop();
    await server.stop();
    await lateWrite;
    expect(await tree(disk.files, disk.folder)).toEqual(['shares/incoming/']);
    expect(await refusal(server.list(storageIndex(1)))).toBe('STOPPED');
    expect(clock.armedTimers).toBe(0);
  });

  it('does many uploads at once with few files open', async () => {
    const disk = await makeDisk();
    const server = await openServer(disk, { openFilesMax: 3 });
    const uploads = Array.from({ length: 60 }, (_, index) => uploadRef(index % 20, index));
    await Promise.all(uploads.map((upload) => allocate(server, upload, 30)));
    const data = (upload: (typeof uploads)[number]) => content(30, upload.shareNumber);
    for (const offset of [20, 0, 10]) {
      await Promise.all(
        uploads.map((upload) => server.write(upload, offset, data(upload).subarray(offset, offset + 10))),
      );
    }
    await Promise.all(uploads.map((upload) => server.close(upload)));
    for (const upload of uploads) {
      expect(await server.read(upload.storageIndex, upload.shareNumber, 0, 30)).toEqual(data(upload));
    }
    expect(server.uploadsUnderWay).toBe(0);
    expect((await tree(disk.files, disk.folder)).filter((path) => path.includes('incoming'))).toEqual([
      'shares/incoming/',
    ]);
  });

  it('rejects with the reason of a signal and stays usable', async () => {
    const server = await openServer(await makeDisk());
    const upload = uploadRef();
    const reason = new Error('never mind');
    const aborted = { signal: AbortSignal.abort(reason) };
    await allocate(server, upload, 10);
    await expect(server.write(upload, 0, content(10), aborted)).rejects.toBe(reason);
    await expect(server.read(upload.storageIndex, 0, 0, 1, aborted)).rejects.toBe(reason);
    const late = new AbortController();
    await server.write(upload, 0, content(10));
    const closing = server.close(upload, { signal: late.signal });
    late.abort(reason);
    await expect(closing).rejects.toBe(reason);
    expect(await server.list(upload.storageIndex)).toEqual([]);
    await server.close(upload);
    expect(await server.list(upload.storageIndex)).toEqual([0]);
  });

  it('lists only share files and calls a damaged one by its name', async () => {
    const disk = await makeDisk();
    const server = await openServer(disk);
    await put(server, uploadRef(), content(10));
    const name = base32Encode(storageIndex(1));
    const folder = join(disk.folder, 'shares', name.slice(0, 2), name);
    for (const stray of ['00', '256', '-1', '1.tmp', 'abc'])
      await (await create(disk, folder, stray)).close();
    const damaged = await create(disk, folder, '9');
    await damaged.write(content(5), 0);
    await damaged.close();
    expect(await server.list(storageIndex(1))).toEqual([0, 9]);
    await expect(server.read(storageIndex(1), 9, 0, 10)).rejects.toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringContaining(`${name}/9`),
    });
  });

  it('takes nothing new when it is read-only, and leaves the disk alone', async () => {
    const disk = await makeDisk();
    await put(await openServer(disk), uploadRef(), content(10));
    const before = await tree(disk.files, disk.folder);
    const server = await openServer(disk, { readOnly: true });
    expect((await server.version()).availableSpace).toBe(0);
    const request = { storageIndex: storageIndex(1), allocatedSize: 10, uploadSecret: secret(1) };
    expect(await server.allocate({ ...request, shareNumbers: [0, 1] })).toEqual({
      alreadyHave: [0],
      allocated: [],
    });
    expect(await refusal(server.allocate({ ...request, shareNumbers: [1] }))).toBe('READ_ONLY');
    expect(await server.read(storageIndex(1), 0, 0, 10)).toEqual(content(10));
    expect(await tree(disk.files, disk.folder)).toEqual(before);
  });
});

describe('bad arguments', () => {
  const good = uploadRef();

  it.each<[string, unknown, unknown]>([
    ['a storage index of 15 bytes', new Uint8Array(15), 0],
    ['a storage index of text', 'abc', 0],
    ['no storage index', undefined, 0],
    ['a negative share number', good.storageIndex, -1],
    ['share number 256', good.storageIndex, 256],
    ['a fractional share number', good.storageIndex, 1.5],
    ['a share number of text', good.storageIndex, '1'],
  ])('refuses %s everywhere', async (_what, storageIndexValue, shareNumberValue) => {
    const server = await openServer({ files: memoryDisk() });
    const bad = {
      ...good,
      storageIndex: storageIndexValue as Uint8Array,
      shareNumber: shareNumberValue as number,
    };
    const request = { ...bad, shareNumbers: [bad.shareNumber], allocatedSize: 1 };
    expect(await refusal(server.allocate(request))).toBe('BAD_REQUEST');
    expect(await refusal(server.write(bad, 0, new Uint8Array(1)))).toBe('BAD_REQUEST');
    expect(await refusal(server.close(bad))).toBe('BAD_REQUEST');
    expect(await refusal(server.abort(bad))).toBe('BAD_REQUEST');
    expect(await refusal(server.read(bad.storageIndex, bad.shareNumber, 0, 1))).toBe('BAD_REQUEST');
  });

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '0', null, 1n])(
    'refuses %s as an offset, a length and a size',
    async (value) => {
      const server = await openServer({ files: memoryDisk() });
      await put(server, uploadRef(1, 9), content(10));
      const number = value as number;
      const request = { ...good, shareNumbers: [0], allocatedSize: number };
      expect(await refusal(server.allocate(request))).toBe('BAD_REQUEST');
      await allocate(server, good, 10);
      expect(await refusal(server.write(good, number, new Uint8Array(1)))).toBe('BAD_REQUEST');
      expect(await refusal(server.read(good.storageIndex, 9, number, 1))).toBe('BAD_REQUEST');
      expect(await refusal(server.read(good.storageIndex, 9, 0, number))).toBe('BAD_REQUEST');
    },
  );

  it('refuses more than a message holds, more than 256 shares, and secrets of another size', async () => {
    const server = await openServer({ files: memoryDisk() });
    const request = { ...good, shareNumbers: [0], allocatedSize: 1 };
    const lease = () => ({ renewSecret: secret(1), cancelSecret: new Uint8Array(31) });
    expect(await refusal(server.read(good.storageIndex, 0, 0, READ_BYTES_MAX + 1))).toBe('BAD_REQUEST');
    expect(await refusal(server.write(good, 0, new Uint8Array(2 ** 24)))).toBe('BAD_REQUEST');
    expect(await refusal(server.allocate({ ...request, shareNumbers: Array(257).fill(0) }))).toBe(
      'BAD_REQUEST',
    );
    expect(await refusal(server.allocate({ ...request, uploadSecret: new Uint8Array(16) }))).toBe(
      'BAD_REQUEST',
    );
    expect(await refusal(server.allocate({ ...request, lease }))).toBe('BAD_REQUEST');
    expect(server.uploadsUnderWay).toBe(0);
  });
});

describe('space', () => {
  it('counts what uploads under way were promised, less what they have written', async () => {
    const files = memoryDisk(1, 10_000);
    const server = await openServer({ files }, { reservedBytes: 1000 });
    expect((await server.version()).availableSpace).toBe(9000);
    await allocate(server, uploadRef(1), 5000);
    expect((await server.version()).availableSpace).toBe(9000 - 5012);
    await server.write(uploadRef(1), 0, content(2000));
    await server.write(uploadRef(1), 1000, content(1000));
    expect(files.usedBytes).toBe(2012);
    // The header's 12 bytes are on the disk as a gap and still to be written.
    expect((await server.version()).availableSpace).toBe(9000 - 5012 - 12);
    expect(await refusal(allocate(server, uploadRef(2), 5000))).toBe('NO_SPACE');
    await server.abort(uploadRef(1));
    expect((await server.version()).availableSpace).toBe(9000);
    expect(await allocate(server, uploadRef(2), 5000)).toBe(true);
  });

  it('promises the same bytes only once to requests that come together', async () => {
    const server = await openServer({ files: memoryDisk(1, 10_000) });
    const asked = Array.from({ length: 20 }, (_, index) => uploadRef(index));
    const outcomes = await Promise.allSettled(asked.map((upload) => allocate(server, upload, 988)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect((await server.version()).availableSpace).toBe(0);
  });

  it('allocates as many shares of a request as fit, and says that it is full when none does', async () => {
    const server = await openServer({ files: memoryDisk(1, 2500) });
    const request = { storageIndex: storageIndex(1), allocatedSize: 1000, uploadSecret: secret(1) };
    expect(await server.allocate({ ...request, shareNumbers: [0, 1, 2, 3] })).toEqual({
      alreadyHave: [],
      allocated: [0, 1],
    });
    await expect(server.allocate({ ...request, shareNumbers: [2] })).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringContaining('1012'),
    });
  });

  it('refuses a share larger than its maximum, and one upload too many', async () => {
    const server = await openServer({ files: memoryDisk() }, { shareBytesMax: 100, uploadsMax: 2 });
    expect((await server.version()).maximumImmutableShareSize).toBe(100);
    expect(await refusal(allocate(server, uploadRef(1), 101))).toBe('TOO_LARGE');
    expect(await allocate(server, uploadRef(1), 100)).toBe(true);
    expect(await allocate(server, uploadRef(2), 100)).toBe(true);
    expect(await refusal(allocate(server, uploadRef(3), 100))).toBe('NO_SPACE');
  });
});

describe('an idle upload', () => {
  it('yields to another client after a minute without a word, not before, and not to its own', async () => {
    const clock = new VirtualClock();
    const server = await openServer({ files: memoryDisk() }, { clock });
    const first = uploadRef(1, 0, 'first');
    const second = uploadRef(1, 0, 'second');
    await allocate(server, first, 100);
    await server.write(first, 0, content(50));
    await clock.run({ forMs: MINUTE_MS - 1 });
    expect(await refusal(allocate(server, second, 100))).toBe('SHARE_BUSY');
    await clock.run({ forMs: 1 });
    expect(await allocate(server, first, 100)).toBe(true);
    expect(await allocate(server, second, 100)).toBe(true);
    expect(await refusal(server.write(first, 0, content(50)))).toBe('SHARE_BUSY');
    await server.write(second, 0, content(100));
    await server.close(second);
    expect(await server.read(storageIndex(1), 0, 0, 100)).toEqual(content(100));
  });

  it('is dropped after 30 minutes without a word, not before', async () => {
    const clock = new VirtualClock();
    const disk = { files: memoryDisk() };
    const server = await openServer(disk, { clock });
    await allocate(server, uploadRef(1), 100);
    await allocate(server, uploadRef(2), 100);
    await clock.run({ forMs: 29 * MINUTE_MS });
    await server.write(uploadRef(2), 0, content(100));
    await clock.run({ forMs: 2 * MINUTE_MS });
    expect(await refusal(server.write(uploadRef(1), 0, content(100)))).toBe('UNKNOWN_SHARE');
    await clock.run({ forMs: 27 * MINUTE_MS });
    await server.close(uploadRef(2));
    expect(disk.files.paths()).toHaveLength(1);
    await clock.run();
    expect(clock.armedTimers).toBe(0);
    expect(await server.list(storageIndex(2))).toEqual([0]);
  });
});

describe('starting', () => {
  it('names the folder and says what to do when a file is in the way', async () => {
    const { nodeFiles } = await import('../../src/storage/node-files.ts');
    const folder = await temporaryFolder();
    await (await nodeFiles.open(join(folder, 'storage'), 'create')).close();
    const opening = openServer({ files: nodeFiles, folder: join(folder, 'storage') });
    await expect(opening).rejects.toThrow(/cannot keep shares in .*storage: .*A file is in the way/);
  });

  it.each([
    ['EACCES', 'Give the user that runs the server the right to write there'],
    ['EROFS', 'The file system is mounted read-only'],
    ['ENOSPC', 'free some space'],
    ['EIO', 'Check the disk'],
  ])('says what to do about %s', async (code, advice) => {
    const files = memoryDisk();
    files.fault = () => ({ code });
    await expect(openServer({ files })).rejects.toThrow(advice);
    await expect(openServer({ files })).rejects.toThrow('/node/storage');
  });

  it('clears away a symbolic link among unfinished uploads, and nothing of what it points to', async () => {
    const { nodeFiles } = await import('../../src/storage/node-files.ts');
    const folder = await temporaryFolder();
    const elsewhere = await temporaryFolder();
    await writeFile(join(elsewhere, 'precious'), 'not ours');
    const incoming = join(folder, 'shares/incoming');
    await mkdir(incoming, { recursive: true });
    await symlink(elsewhere, join(incoming, 'aa'));
    await openServer({ files: nodeFiles, folder });
    expect(await readdir(incoming)).toEqual([]);
    expect(await readdir(elsewhere)).toEqual(['precious']);
  });

  it('has no use for a read-only server without shares', async () => {
    await expect(openServer({ files: memoryDisk() }, { readOnly: true })).rejects.toThrow(
      'There are no shares',
    );
  });
});

async function create(disk: Disk, folder: string, name: string) {
  return disk.files.open(join(folder, name), 'create');
}
