// Operations that meet: each test holds the disk at one operation and lets another client come along.

import { describe, expect, it } from 'vitest';
import type { FileOperation, MemoryFiles } from '../../src/sim/memory-files.ts';
import { allocate, content, memoryDisk, openServer, put, refusal, uploadRef } from './helpers.ts';

const DATA = content(50);

describe('while a share is being made durable', () => {
  it('nobody sees it, counts on it or writes it', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    const upload = uploadRef();
    await allocate(server, upload, DATA.length);
    await server.write(upload, 0, DATA);
    const held = hold(files, ({ kind }) => kind === 'syncFolder');
    const closing = server.close(upload);
    await held.reached;
    expect(files.paths().some((path) => !path.includes('incoming'))).toBe(true);
    expect(await server.list(upload.storageIndex)).toEqual([]);
    expect(await refusal(server.read(upload.storageIndex, 0, 0, 50))).toBe('UNKNOWN_SHARE');
    const request = { ...uploadRef(1, 0, 'other'), shareNumbers: [0], allocatedSize: 50 };
    expect(await refusal(server.allocate(request))).toBe('SHARE_BUSY');
    held.release();
    await closing;
    expect(await server.list(upload.storageIndex)).toEqual([0]);
    expect(await server.allocate(request)).toEqual({ alreadyHave: [0], allocated: [] });
  });

  it('a write, an abort and a second close that come too late change nothing', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    const upload = uploadRef();
    await allocate(server, upload, DATA.length);
    await server.write(upload, 0, DATA);
    const held = hold(files, ({ kind }) => kind === 'file.sync');
    const closing = server.close(upload);
    await held.reached;
    const late = [server.write(upload, 0, content(50, 'other')), server.abort(upload), server.close(upload)];
    const outcomes = Promise.allSettled(late);
    held.release();
    await closing;
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(await server.read(upload.storageIndex, 0, 0, 50)).toEqual(DATA);
  });
});

describe('while a write is on its way to the disk', () => {
  it('a close waits for it', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await allocate(server, uploadRef(), DATA.length);
    const held = hold(files, ({ kind }) => kind === 'file.write');
    const writing = server.write(uploadRef(), 0, DATA);
    await held.reached;
    const closing = server.close(uploadRef());
    held.release();
    await Promise.all([writing, closing]);
    expect(await server.read(uploadRef().storageIndex, 0, 0, 50)).toEqual(DATA);
  });

  it('an abort waits for it and then leaves nothing', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await allocate(server, uploadRef(), DATA.length);
    const held = hold(files, ({ kind }) => kind === 'file.write');
    const writing = server.write(uploadRef(), 0, DATA);
    await held.reached;
    const aborting = server.abort(uploadRef());
    const closing = refusal(server.close(uploadRef()));
    held.release();
    await Promise.all([writing, aborting]);
    expect(await closing).toBe('UNKNOWN_SHARE');
    expect(files.paths()).toEqual([]);
    expect(files.openFiles).toBe(0);
  });

  it('a write that waits behind it gives up at once when its signal aborts, and is never done', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await allocate(server, uploadRef(), DATA.length);
    const held = hold(files, ({ kind }) => kind === 'file.write');
    const writing = server.write(uploadRef(), 0, DATA);
    await held.reached;
    const abort = new AbortController();
    const waiting = server.write(uploadRef(), 0, content(50, 'other'), { signal: abort.signal });
    abort.abort(new Error('never mind'));
    await expect(waiting).rejects.toThrow('never mind');
    held.release();
    await writing;
    await server.close(uploadRef());
    expect(await server.read(uploadRef().storageIndex, 0, 0, 50)).toEqual(DATA);
  });

  it('the idle time does not run out', async () => {
    const { VirtualClock } = await import('../../src/sim/clock.ts');
    const clock = new VirtualClock();
    const files = memoryDisk();
    const server = await openServer({ files }, { clock, idleUploadMs: 1000 });
    await allocate(server, uploadRef(), DATA.length);
    const held = hold(files, ({ kind }) => kind === 'file.write');
    const writing = server.write(uploadRef(), 0, DATA);
    await held.reached;
    await clock.run({ forMs: 2500 });
    held.release();
    await writing;
    await server.close(uploadRef());
    expect(await server.list(uploadRef().storageIndex)).toEqual([0]);
  });
});

describe('while an upload is being removed', () => {
  it('its own writer is not told that it may go on', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await allocate(server, uploadRef(), DATA.length);
    const held = hold(files, ({ kind }) => kind === 'list');
    const allocating = allocate(server, uploadRef(), DATA.length);
    await held.reached;
    const aborting = server.abort(uploadRef());
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    held.release();
    expect(await refusal(allocating)).toBe('SHARE_BUSY');
    await aborting;
    await put(server, uploadRef(), DATA);
  });
});

describe('while an upload is being made', () => {
  it('a client that turns away leaves nothing behind', async () => {
    const files = memoryDisk(1, 10_000);
    const server = await openServer({ files });
    const held = hold(files, ({ kind }) => kind === 'open');
    const abort = new AbortController();
    const request = { ...uploadRef(), shareNumbers: [0, 1], allocatedSize: 1000 };
    const allocating = server.allocate(request, { signal: abort.signal });
    await held.reached;
    abort.abort(new Error('never mind'));
    held.release();
    await expect(allocating).rejects.toThrow('never mind');
    expect(server.uploadsUnderWay).toBe(0);
    expect(files.paths()).toEqual([]);
    expect((await server.version()).availableSpace).toBe(10_000);
  });

  it('the end of another one of the same file does not take its folder away', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await allocate(server, uploadRef(1, 0), DATA.length);
    await allocate(server, uploadRef(1, 1), DATA.length);
    await server.write(uploadRef(1, 1), 0, DATA);
    const held = hold(files, ({ kind }) => kind === 'open');
    const putting = put(server, uploadRef(1, 2), DATA);
    await held.reached;
    const ending = Promise.all([server.abort(uploadRef(1, 0)), server.close(uploadRef(1, 1))]);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    held.release();
    await Promise.all([putting, ending]);
    expect(await server.list(uploadRef(1).storageIndex)).toEqual([1, 2]);
  });

  it('clients that come together never both get a share, and all shares end whole', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    const writers = Array.from({ length: 30 }, (_, index) => uploadRef(index % 3, 0, `writer ${index}`));
    const results = await Promise.allSettled(writers.map((upload) => put(server, upload, DATA)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    for (const { storageIndex } of writers) expect(await server.read(storageIndex, 0, 0, 50)).toEqual(DATA);
    expect(files.paths()).toHaveLength(3);
  });
});

/** Holds the first operation that `matches` until `release` is called; `reached` resolves when it is there. */
function hold(
  files: MemoryFiles,
  matches: (operation: FileOperation) => boolean,
): { reached: Promise<void>; release: () => void } {
  let release = (): void => {};
  const released = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined);
  });
  const reached = new Promise<void>((resolve) => {
    files.fault = (operation) => {
      if (!matches(operation)) return undefined;
      files.fault = undefined;
      resolve();
      return released;
    };
  });
  return { reached, release };
}
