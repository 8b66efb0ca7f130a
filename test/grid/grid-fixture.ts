// A whole grid of memory servers on virtual time, and the shortest ways to put a file on it and get it back.

import { concatBytes } from '../../src/base/bytes.ts';
import { type Download, download } from '../../src/grid/download.ts';
import type { DownloadOptions } from '../../src/grid/download-options.ts';
import { sourceOfBytes } from '../../src/grid/source.ts';
import { type UploadOptions, type UploadResult, upload } from '../../src/grid/upload.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { parseCapability, storageIndexOf } from '../../src/tahoe/capability.ts';
import { permuteServers } from '../../src/tahoe/permutation.ts';
import { MemoryServer } from './memory-server.ts';

export class GridFixture {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: SeededRandom;
  readonly servers: MemoryServer[];

  constructor(serverCount: number, seed: number | string = 1) {
    this.random = new SeededRandom(seed);
    this.servers = Array.from({ length: serverCount }, (_, i) => new MemoryServer(`s${i}`, this.clock));
  }

  /** Uploads `bytes`; 3 of 10, happy 7, segments of 3000 bytes unless told otherwise. */
  put(bytes: Uint8Array, options: Partial<UploadOptions> = {}): Promise<UploadResult> {
    return this.run(this.beginPut(bytes, options));
  }

  /** The same without letting time pass. */
  beginPut(bytes: Uint8Array, options: Partial<UploadOptions> = {}): Promise<UploadResult> {
    const result = upload(sourceOfBytes(bytes), this.servers, {
      clock: this.clock,
      random: this.random,
      segmentSizeBytes: 3000,
      ...options,
    });
    result.catch(() => {});
    return result;
  }

  /** Downloads a file whole. */
  async get(capability: string, options: Partial<DownloadOptions> = {}): Promise<Uint8Array> {
    return this.run(readAll(this.download(capability, options)));
  }

  download(capability: string, options: Partial<DownloadOptions> = {}): Download {
    return download(capability, this.servers, { clock: this.clock, random: this.random, ...options });
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntil(promise);
  }

  /** The servers in the order in which this file's operations ask them. */
  inOrder(capability: string): MemoryServer[] {
    const parsed = parseCapability(capability);
    if (parsed.kind === 'lit') return [];
    return permuteServers(storageIndexOf(parsed), this.servers);
  }

  /** Shares that are finished, as `server:share`. */
  get finishedShares(): string[] {
    return this.servers.flatMap(({ name, shares }) => [...shares.keys()].map((share) => `${name}:${share}`));
  }

  get unfinishedShares(): string[] {
    return this.servers.flatMap(({ name, unfinished }) =>
      [...unfinished.keys()].map((share) => `${name}:${share}`),
    );
  }

  /** Operations that nobody has answered or cancelled, over all servers. */
  get openOperations(): number {
    return this.servers.reduce((sum, { open }) => sum + open, 0);
  }
}

export async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return concatBytes(parts);
}

/** `length` bytes without a pattern, the same ones each time. */
export function fileOf(length: number, seed: number | string = 'file'): Uint8Array {
  return new SeededRandom(seed).bytes(length);
}
