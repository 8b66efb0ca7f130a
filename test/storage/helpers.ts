// What the tests of storage/ share: servers on either disk, and uploads in one line.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { VirtualClock } from '../../src/sim/clock.ts';
import { MemoryFiles } from '../../src/sim/memory-files.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { DiskStorageServer, type DiskStorageServerOptions } from '../../src/storage/disk-server.ts';
import type { Files } from '../../src/storage/files.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import {
  type LeaseSecrets,
  StorageError,
  type StorageErrorCode,
  type UploadRef,
} from '../../src/storage/storage-server.ts';

export const NOW_UNIX_SECONDS = 1_700_000_000;
export const MEMORY_FOLDER = '/node/storage';

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-storage-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface Disk {
  readonly files: Files;
  readonly folder: string;
}

export const DISKS: readonly [name: string, make: () => Promise<Disk>][] = [
  ['a real disk', async () => ({ files: nodeFiles, folder: join(await temporaryFolder(), 'storage') })],
  ['a disk in memory', async () => ({ files: memoryDisk(), folder: MEMORY_FOLDER })],
];

export function memoryDisk(seed: string | number = 1, capacityBytes?: number): MemoryFiles {
  return new MemoryFiles({ random: new SeededRandom(seed), capacityBytes });
}

export async function openServer(
  disk: Partial<Disk>,
  options: Partial<DiskStorageServerOptions> = {},
): Promise<DiskStorageServer> {
  const server = await DiskStorageServer.open({
    folder: MEMORY_FOLDER,
    clock: new VirtualClock(),
    unixSeconds: () => NOW_UNIX_SECONDS,
    name: 'server',
    ...disk,
    ...options,
  });
  if (disk.files === nodeFiles) onTestFinished(() => server.stop());
  return server;
}

export function storageIndex(seed: string | number): Uint8Array {
  return new SeededRandom(`storage index ${seed}`).bytes(16);
}

export function secret(seed: string | number): Uint8Array {
  return new SeededRandom(`secret ${seed}`).bytes(32);
}

export function content(sizeBytes: number, seed: string | number = 'content'): Uint8Array {
  return new SeededRandom(seed).bytes(sizeBytes);
}

export function uploadRef(
  seed: string | number = 1,
  shareNumber = 0,
  secretSeed: string | number = seed,
): UploadRef {
  return { storageIndex: storageIndex(seed), shareNumber, uploadSecret: secret(secretSeed) };
}

/** Allocates one share. */
export async function allocate(
  server: DiskStorageServer,
  upload: UploadRef,
  allocatedSize: number,
  lease?: LeaseSecrets,
): Promise<boolean> {
  const { storageIndex, shareNumber, uploadSecret } = upload;
  const leaseFor = lease && (() => lease);
  const request = {
    storageIndex,
    shareNumbers: [shareNumber],
    allocatedSize,
    uploadSecret,
    lease: leaseFor,
  };
  return (await server.allocate(request)).allocated.includes(shareNumber);
}

/** Allocates, writes and closes one share. */
export async function put(server: DiskStorageServer, upload: UploadRef, data: Uint8Array): Promise<void> {
  if (!(await allocate(server, upload, data.length))) throw new Error('the share was not allocated');
  await server.write(upload, 0, data);
  await server.close(upload);
}

/** The code of the StorageError that `promise` must reject with. */
export async function refusal(promise: Promise<unknown>): Promise<StorageErrorCode> {
  const error = await promise.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (error instanceof StorageError) return error.code;
  throw error;
}

/** Paths of all files below a folder, relative to it, ascending; folders that are empty end in a slash. */
export async function tree(files: Files, folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await files.list(folder)) {
    if ((await files.stat(`${folder}/${name}`)).kind === 'file') {
      found.push(name);
      continue;
    }
    const below = await tree(files, `${folder}/${name}`);
    if (below.length === 0) found.push(`${name}/`);
    found.push(...below.map((path) => `${name}/${path}`));
  }
  return found.sort();
}

/** The whole content of a file. */
export async function contentOf(files: Files, path: string): Promise<Uint8Array> {
  const file = await files.open(path, 'read');
  const bytes = new Uint8Array(await file.sizeBytes());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}
