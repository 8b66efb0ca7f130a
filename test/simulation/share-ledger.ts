// The account of all shares that a storage server has acknowledged, or shown: after whatever happened to it, each of
// them must be there, as it was written. watched-server.ts keeps it.

import type { AllocateRequest, StorageServer, UploadRef } from '../../src/storage/storage-server.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import type { Findings } from './violations.ts';

interface PromisedShare {
  readonly storageIndex: Uint8Array;
  readonly shareNumber: number;
  readonly bytes: Uint8Array;
}

/** What one server has acknowledged, over all of its processes. */
export class ShareLedger {
  readonly acknowledged: Map<string, PromisedShare> = new Map();
  /** Seen before their `close` was acknowledged, or could be. */
  readonly #shown = new Map<string, PromisedShare>();
  /** What was written to uploads that are not finished, by the same key. */
  readonly #written = new Map<string, PromisedShare>();
  readonly #findings: Findings;
  readonly #name: string;

  constructor(name: string, findings: Findings) {
    this.#name = name;
    this.#findings = findings;
  }

  get size(): number {
    return this.acknowledged.size;
  }

  allocated(request: AllocateRequest, allocated: readonly number[]): void {
    for (const shareNumber of allocated) {
      const key = keyOf(request.storageIndex, shareNumber);
      if (this.#written.get(key)?.bytes.length === request.allocatedSize) continue;
      const { storageIndex, allocatedSize } = request;
      this.#written.set(key, { storageIndex, shareNumber, bytes: new Uint8Array(allocatedSize) });
    }
  }

  wrote(upload: UploadRef, offset: number, bytes: Uint8Array): void {
    this.#written.get(keyOf(upload.storageIndex, upload.shareNumber))?.bytes.set(bytes, offset);
  }

  closed({ storageIndex, shareNumber }: UploadRef): void {
    const key = keyOf(storageIndex, shareNumber);
    const share = this.#written.get(key) ?? this.#shown.get(key);
    if (share === undefined || this.acknowledged.has(key)) return;
    this.acknowledged.set(key, share);
    this.#written.delete(key);
    this.#shown.delete(key);
  }

  /** A share has been listed: from now on it may be counted on. */
  showed(storageIndex: Uint8Array, shareNumbers: readonly number[]): void {
    for (const shareNumber of shareNumbers) {
      const key = keyOf(storageIndex, shareNumber);
      const share = this.#written.get(key);
      if (share === undefined) continue;
      this.#shown.set(key, share);
      this.#written.delete(key);
    }
  }

  failed(error: unknown): void {
    if (!(error instanceof StorageError)) return;
    if (error.code === 'NO_SPACE') this.#findings.saw('disk was full');
    if (error.code === 'IO_ERROR') this.#findings.saw('disk failed');
  }

  /** Reads every share back that was acknowledged or shown; others must be whole, if they are there. */
  async check(server: StorageServer): Promise<void> {
    for (const [key, share] of this.acknowledged) {
      const problem = await this.#problemWith(server, share);
      if (problem !== undefined) {
        this.#findings.violated('acknowledged-share', `${this.#name} acknowledged share ${key}: ${problem}`);
      }
    }
    for (const [key, share] of this.#shown) {
      const problem = await this.#problemWith(server, share);
      if (problem !== undefined)
        this.#findings.violated('shown-share', `${this.#name} has shown share ${key}: ${problem}`);
    }
    for (const [key, share] of this.#written) {
      if (!(await server.list(share.storageIndex)).includes(share.shareNumber)) continue;
      const problem = await this.#problemWith(server, share);
      if (problem !== undefined)
        this.#findings.violated('half-share', `${this.#name} shows share ${key}: ${problem}`);
    }
  }

  async #problemWith(
    server: StorageServer,
    { storageIndex, shareNumber, bytes }: PromisedShare,
  ): Promise<string | undefined> {
    try {
      const listed = await server.list(storageIndex);
      if (!listed.includes(shareNumber)) return 'it is not listed';
      const read = await server.read(storageIndex, shareNumber, 0, bytes.length + 1);
      return Buffer.compare(read, bytes) === 0 ? undefined : 'its bytes are others';
    } catch (error) {
      return `${error}`;
    }
  }
}

function keyOf(storageIndex: Uint8Array, shareNumber: number): string {
  return `${Buffer.from(storageIndex).toString('hex')}/${shareNumber}`;
}
