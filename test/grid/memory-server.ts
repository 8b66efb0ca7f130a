// A storage server in memory, on virtual time, that can be slow, silent, full, broken or corrupt as a test wants,
// and that keeps account of what it was asked and of what it was told to forget.

import { createHash } from 'node:crypto';
import { concatBytes } from '../../src/base/bytes.ts';
import type { Clock } from '../../src/base/clock.ts';
import {
  type AllocateRequest,
  type AllocateResult,
  type LeaseSecrets,
  type LeaseSecretsFor,
  type OperationOptions,
  type ServerVersion,
  StorageError,
  type StorageServer,
  type UploadRef,
} from '../../src/storage/storage-server.ts';

export type Operation =
  | 'allocate'
  | 'write'
  | 'close'
  | 'abort'
  | 'list'
  | 'read'
  | 'addLease'
  | 'adviseCorrupt';

/** What happens to one operation; `nth` counts this server's operations of the kind, from 0. */
export interface Asked {
  readonly operation: Operation;
  readonly nth: number;
  readonly shareNumber: number | undefined;
  readonly sizeBytes: number;
}

interface Unfinished {
  readonly bytes: Uint8Array;
  readonly secret: string;
  written: [number, number][];
}

export class MemoryServer implements StorageServer {
  readonly name: string;
  readonly permutationSeed: Uint8Array;
  readonly shares: Map<number, Uint8Array> = new Map();
  readonly unfinished: Map<number, Unfinished> = new Map();
  readonly nodeId: Uint8Array;
  readonly asked: Asked[] = [];
  readonly leases: LeaseSecrets[] = [];
  readonly advice: { readonly shareNumber: number; readonly reason: string }[] = [];
  readonly #clock: Clock;
  /** Operations that were begun and neither answered nor cancelled. */
  open: number = 0;
  /** Operations that their caller cancelled. */
  cancelled = 0;
  /** Bytes of writes on their way, and the most there ever were. */
  writingBytes = 0;
  /** Milliseconds until the answer; `Infinity` never comes. */
  latencyMs: (asked: Asked) => number = (_asked: Asked): number => 5;
  /** Answers with what this returns as an error. */
  fails: (asked: Asked) => Error | undefined = (_asked: Asked): Error | undefined => undefined;
  /** Calls `onOverdue` after this time. */
  overdueMs: number = Number.POSITIVE_INFINITY;
  /** Nothing is answered, nothing is done, until it is false again: SIGSTOP. */
  #frozen = false;
  #thawed: (() => void)[] = [];
  /** Called at the beginning of each operation. */
  onAsked: (asked: Asked) => void = () => {};
  readOnly: boolean = false;
  isPreferred: boolean = false;
  /** It may have missed that it was told to forget something. */
  wasFrozen: boolean = false;

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.permutationSeed = Buffer.from(name);
    this.nodeId = createHash('sha1').update(name).digest();
    this.#clock = clock;
  }

  freeze(): void {
    this.#frozen = true;
    this.wasFrozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const go of this.#thawed.splice(0)) go();
  }

  count(operation: Operation): number {
    return this.asked.filter((asked) => asked.operation === operation).length;
  }

  version(): Promise<ServerVersion> {
    throw new Error('nobody asks this');
  }

  allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult> {
    return this.#answer('allocate', undefined, 0, options, () => {
      if (this.readOnly) throw new StorageError('READ_ONLY', 'read-only');
      const alreadyHave = request.shareNumbers.filter((share) => this.shares.has(share));
      const allocated: number[] = [];
      const secret = Buffer.from(request.uploadSecret).toString('hex');
      const isBusy = (share: number) => {
        const other = this.unfinished.get(share);
        return other !== undefined && other.secret !== secret;
      };
      if (alreadyHave.length === 0 && request.shareNumbers.every(isBusy)) {
        throw new StorageError('SHARE_BUSY', 'another upload');
      }
      for (const share of request.shareNumbers) {
        const other = this.unfinished.get(share);
        if (this.shares.has(share) || (other !== undefined && other.secret !== secret)) continue;
        allocated.push(share);
        if (other === undefined) {
          this.unfinished.set(share, {
            bytes: new Uint8Array(request.allocatedSize),
            secret,
            written: [],
          });
        }
      }
      return { alreadyHave, allocated };
    });
  }

  write(upload: UploadRef, offset: number, bytes: Uint8Array, options?: OperationOptions): Promise<void> {
    this.writingBytes += bytes.length;
    return this.#answer('write', upload.shareNumber, bytes.length, options, () => {
      const unfinished = this.#unfinished(upload);
      if (offset + bytes.length > unfinished.bytes.length) throw new StorageError('TOO_LARGE', 'too large');
      unfinished.bytes.set(bytes, offset);
      unfinished.written.push([offset, offset + bytes.length]);
    }).finally(() => {
      this.writingBytes -= bytes.length;
    });
  }

  close(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#answer('close', upload.shareNumber, 0, options, () => {
      const unfinished = this.#unfinished(upload);
      let end = 0;
      for (const [from, to] of unfinished.written.sort(([a], [b]) => a - b)) {
        if (from > end) throw new StorageError('INCOMPLETE', `nothing was written from ${end} to ${from}`);
        end = Math.max(end, to);
      }
      if (end < unfinished.bytes.length)
        throw new StorageError('INCOMPLETE', `nothing was written from ${end}`);
      this.shares.set(upload.shareNumber, unfinished.bytes);
      this.unfinished.delete(upload.shareNumber);
    });
  }

  abort(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#answer('abort', upload.shareNumber, 0, options, () => {
      const unfinished = this.unfinished.get(upload.shareNumber);
      if (unfinished?.secret === Buffer.from(upload.uploadSecret).toString('hex')) {
        this.unfinished.delete(upload.shareNumber);
      }
    });
  }

  list(_storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]> {
    return this.#answer('list', undefined, 0, options, () => [...this.shares.keys()].sort((a, b) => a - b));
  }

  read(
    _storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    return this.#answer('read', shareNumber, length, options, () => {
      const share = this.shares.get(shareNumber);
      if (share === undefined) throw new StorageError('UNKNOWN_SHARE', 'no such share');
      return concatBytes([share.subarray(offset, offset + length)]);
    });
  }

  addLease(_storageIndex: Uint8Array, lease: LeaseSecretsFor, options?: OperationOptions): Promise<void> {
    return this.#answer('addLease', undefined, 0, options, () => {
      this.leases.push(lease(this.nodeId));
    });
  }

  adviseCorrupt(
    _storageIndex: Uint8Array,
    shareNumber: number,
    reason: string,
    options?: OperationOptions,
  ): Promise<void> {
    return this.#answer('adviseCorrupt', shareNumber, 0, options, () => {
      this.advice.push({ shareNumber, reason });
    });
  }

  /** Changes the byte at `offset` of a share. */
  corrupt(shareNumber: number, offset: number): void {
    this.shares.get(shareNumber)![offset]! ^= 1;
  }

  #unfinished(upload: UploadRef): Unfinished {
    const unfinished = this.unfinished.get(upload.shareNumber);
    if (unfinished === undefined) throw new StorageError('UNKNOWN_SHARE', 'no such upload');
    if (unfinished.secret !== Buffer.from(upload.uploadSecret).toString('hex')) {
      throw new StorageError('SHARE_BUSY', 'another upload');
    }
    return unfinished;
  }

  /** Does `work` after the latency, as a remote server would: also when the answer does not matter any more. */
  #answer<T>(
    operation: Operation,
    shareNumber: number | undefined,
    sizeBytes: number,
    options: OperationOptions = {},
    work: () => T,
  ): Promise<T> {
    const { signal, onOverdue } = options;
    const asked: Asked = { operation, nth: this.count(operation), shareNumber, sizeBytes };
    this.asked.push(asked);
    this.onAsked(asked);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      this.open++;
      const overdue = this.#clock.setTimer(this.overdueMs, () => onOverdue?.());
      const settle = () => {
        this.open--;
        overdue.cancel();
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        this.cancelled++;
        settle();
        reject(signal!.reason);
      };
      signal?.addEventListener('abort', onAbort);
      const go = () => {
        if (signal?.aborted) return;
        if (this.#frozen) {
          this.#thawed.push(go);
          return;
        }
        settle();
        try {
          const error = this.fails(asked);
          if (error !== undefined) throw error;
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      const timer = this.#clock.setTimer(this.latencyMs(asked), go);
    });
  }
}
