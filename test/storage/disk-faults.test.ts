// What becomes of an upload when the disk fails it, and that a power cut at any moment loses no share that was
// acknowledged and leaves none that is half there.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fault, FileOperation, MemoryFiles } from '../../src/sim/memory-files.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { DiskStorageServer } from '../../src/storage/disk-server.ts';
import {
  allocate,
  content,
  MEMORY_FOLDER,
  memoryDisk,
  openServer,
  put,
  refusal,
  storageIndex,
  tree,
  uploadRef,
} from './helpers.ts';

const DATA = content(500);

describe('when the disk fails', () => {
  const kinds = ['file.write', 'file.sync', 'file.close', 'makeFolders', 'rename', 'syncFolder'] as const;

  it.each(kinds)('at %s, closing refuses the share for good and leaves nothing of it', async (kind) => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await put(server, uploadRef('other'), DATA);
    const upload = uploadRef();
    await allocate(server, upload, DATA.length);
    await server.write(upload, 0, DATA);
    files.fault = failing(kind, 'EIO');
    expect(await refusal(server.close(upload))).toBe('IO_ERROR');
    files.fault = undefined;
    expect(await refusal(server.close(upload))).toBe('UNKNOWN_SHARE');
    expect(await server.list(upload.storageIndex)).toEqual([]);
    expect(files.paths()).toHaveLength(1);
    expect(files.openFiles).toBe(0);
    // The share itself is as welcome as before.
    await put(server, upload, DATA);
    expect(await server.read(upload.storageIndex, 0, 0, 1000)).toEqual(DATA);
  });

  it('syncs a file once only, however it ends', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await allocate(server, uploadRef(), DATA.length);
    await server.write(uploadRef(), 0, DATA);
    let syncs = 0;
    files.fault = ({ kind }) => {
      if (kind === 'file.sync') syncs++;
      return kind === 'file.sync' ? { code: 'EIO' } : undefined;
    };
    await refusal(server.close(uploadRef()));
    await refusal(server.close(uploadRef()));
    await server.stop();
    expect(syncs).toBe(1);
  });

  it('at a write, drops the upload and says which share and why, but no path', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await allocate(server, uploadRef(), DATA.length);
    files.fault = failing('file.write', 'EIO');
    const failure = await server.write(uploadRef(), 0, DATA).catch((error: Error) => error);
    expect(failure).toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringMatching(/writing share .*\(EIO\)/),
    });
    expect((failure as Error).message).not.toContain(MEMORY_FOLDER);
    expect(await tree(files, MEMORY_FOLDER)).toEqual(['shares/incoming/']);
    expect(server.uploadsUnderWay).toBe(0);
  });

  it('says that the disk is full and removes what it had of the share', async () => {
    const files = memoryDisk(1, 10_000);
    const server = await openServer({ files });
    await allocate(server, uploadRef(), 9000);
    await server.write(uploadRef(), 0, content(100));
    files.capacityBytes = 5000;
    expect(await refusal(server.write(uploadRef(), 100, content(8900)))).toBe('NO_SPACE');
    expect(await tree(files, MEMORY_FOLDER)).toEqual(['shares/incoming/']);
    expect((await server.version()).availableSpace).toBe(5000);
  });

  it('allocates what it can, and nothing at all is said with the reason', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    files.fault = failing('open', 'EIO');
    const request = { ...uploadRef(), shareNumbers: [0, 1, 2], allocatedSize: 5 };
    expect(await server.allocate(request)).toEqual({ alreadyHave: [], allocated: [1, 2] });
    files.fault = () => ({ code: 'EIO' });
    expect(await refusal(server.allocate({ ...request, ...uploadRef(2) }))).toBe('IO_ERROR');
    expect(await refusal(server.list(storageIndex(1)))).toBe('IO_ERROR');
    expect(await refusal(server.version())).toBe('IO_ERROR');
  });

  it('remembers a sync that failed while the file made room for another', async () => {
    const files = memoryDisk();
    const server = await openServer({ files }, { openFilesMax: 1 });
    await allocate(server, uploadRef(1), DATA.length);
    await server.write(uploadRef(1), 0, DATA);
    files.fault = failing('file.sync', 'EIO');
    await put(server, uploadRef(2), DATA);
    expect(await refusal(server.close(uploadRef(1)))).toBe('IO_ERROR');
    expect(files.paths()).toHaveLength(1);
  });
});

describe('a power cut', () => {
  it('at any operation of an upload leaves the share whole or not there, and whole once acknowledged', async () => {
    let outcomesSeen = { whole: 0, absent: 0 };
    for (let crashAt = 0, crashed = true; crashed; crashAt++) {
      for (let seed = 0; seed < 8; seed++) {
        const files = memoryDisk(`${crashAt}/${seed}`);
        files.fault = ({ index }) => (index === crashAt ? 'crash' : undefined);
        const acknowledged = await putUntilCrash(files);
        crashed = files.operations > crashAt;
        if (!crashed) files.crash();
        files.fault = undefined;
        files.restart();
        const found = await afterRestart(files);
        outcomesSeen = { ...outcomesSeen, [found]: outcomesSeen[found] + 1 };
        if (acknowledged) expect(found, `crash at operation ${crashAt}, seed ${seed}`).toBe('whole');
      }
    }
    expect(outcomesSeen.whole).toBeGreaterThan(8);
    expect(outcomesSeen.absent).toBeGreaterThan(8);
  });

  it('while many clients write and the disk fails now and then keeps every acknowledged share', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 0, max: 400 }), async (seed, crashAt) => {
        const random = new SeededRandom(seed);
        const files = memoryDisk(seed);
        files.fault = async ({ index }): Promise<Fault> => {
          // Lets operations of different shares overtake each other.
          for (let turn = random.int(0, 3); turn > 0; turn--) await Promise.resolve();
          if (index === crashAt) return 'crash';
          return random.chance(0.02) ? { code: random.pick(['EIO', 'ENOSPC']) } : undefined;
        };
        const uploads = Array.from({ length: 12 }, (_, index) => uploadRef(index % 4, index));
        const acknowledged = new Set<number>();
        const server = await openServer({ files }, { openFilesMax: 2 }).catch(() => undefined);
        const attempts = uploads.map(async (upload) => {
          if (server === undefined) return;
          await putInPieces(server, upload, random);
          acknowledged.add(upload.shareNumber);
        });
        await Promise.allSettled(attempts);
        files.crash();
        files.fault = undefined;
        files.restart();

        const after = await openServer({ files });
        for (const upload of uploads) {
          const listed = (await after.list(upload.storageIndex)).includes(upload.shareNumber);
          if (acknowledged.has(upload.shareNumber)) expect(listed).toBe(true);
          if (!listed) continue;
          const data = await after.read(upload.storageIndex, upload.shareNumber, 0, 1000);
          expect(data).toEqual(content(90, upload.shareNumber));
        }
        expect(files.paths().filter((path) => path.includes('incoming'))).toEqual([]);
        expect(files.openFiles).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});

/** Resolves to whether the share was acknowledged. */
async function putUntilCrash(files: MemoryFiles): Promise<boolean> {
  try {
    await putInPieces(await openServer({ files }), uploadRef(), new SeededRandom(1));
    return true;
  } catch {
    return false;
  }
}

async function putInPieces(
  server: DiskStorageServer,
  upload: ReturnType<typeof uploadRef>,
  random: SeededRandom,
): Promise<void> {
  const data = content(90, upload.shareNumber);
  if (!(await allocate(server, upload, data.length))) throw new Error('not allocated');
  const offsets = random.shuffle([0, 30, 60]);
  await Promise.all(
    offsets.map((offset) => server.write(upload, offset, data.subarray(offset, offset + 30))),
  );
  await server.close(upload);
}

async function afterRestart(files: MemoryFiles): Promise<'whole' | 'absent'> {
  const server = await openServer({ files });
  const numbers = await server.list(storageIndex(1));
  if (numbers.length === 0) {
    expect(await refusal(server.read(storageIndex(1), 0, 0, 1000))).toBe('UNKNOWN_SHARE');
    await put(server, uploadRef(), content(90, 0));
    return 'absent';
  }
  expect(numbers).toEqual([0]);
  expect(await server.read(storageIndex(1), 0, 0, 1000)).toEqual(content(90, 0));
  return 'whole';
}

/** Fails the next operation of a kind, once. */
function failing(kind: FileOperation['kind'], code: string): (operation: FileOperation) => Fault {
  let done = false;
  return (operation) => {
    if (done || operation.kind !== kind) return undefined;
    done = true;
    return { code };
  };
}
