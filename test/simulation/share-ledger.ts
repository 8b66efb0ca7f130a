// The account of all shares that a storage server has acknowledged: after whatever happened to it, each of them must
// be there, as it was written. It stands between server and transport, as a StorageServer.

import type {
  AllocateRequest,
  AllocateResult,
  LeaseSecretsFor,
  OperationOptions,
  ServerVersion,
  StorageServer,
  UploadRef,
} from '../../src/storage/storage-server.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import type { Findings } from './violations.ts';

interface AcknowledgedShare {
  readonly storageIndex: Uint8Array;
  readonly shareNumber: number;
  readonly bytes: Uint8Array;
}

/** What one server has acknowledged, over all of its processes. */
export class ShareLedger {
  readonly acknowledged: Map<string, AcknowledgedShare> = new Map();
  /** What was written to uploads that are not finished, by the same key. */
  readonly #written = new Map<string, Uint8Array>();
  readonly #findings: Findings;
  readonly #name: string;

  constructor(name: string, findings: Findings) {
    this.#name = name;
    this.#findings = findings;
  }

  get size(): number {
    return this.acknowledged.size;
  }

  /** The server, with everything that it promises written down. */
  watch(server: StorageServer): StorageServer {
    return new WatchedServer(server, this);
  }

  allocated(request: AllocateRequest, allocated: readonly number[]): void {
    for (const shareNumber of allocated) {
      const key = keyOf(request.storageIndex, shareNumber);
      const known = this.#written.get(key);
      if (known?.length !== request.allocatedSize)
        this.#written.set(key, new Uint8Array(request.allocatedSize));
    }
  }

  wrote(upload: UploadRef, offset: number, bytes: Uint8Array): void {
    this.#written.get(keyOf(upload.storageIndex, upload.shareNumber))?.set(bytes, offset);
  }

  closed({ storageIndex, shareNumber }: UploadRef): void {
    const key = keyOf(storageIndex, shareNumber);
    const bytes = this.#written.get(key);
    if (bytes === undefined || this.acknowledged.has(key)) return;
    this.acknowledged.set(key, { storageIndex, shareNumber, bytes });
    this.#written.delete(key);
  }

  failed(error: unknown): void {
    if (!(error instanceof StorageError)) return;
    if (error.code === 'NO_SPACE') this.#findings.saw('disk was full');
    if (error.code === 'IO_ERROR') this.#findings.saw('disk failed');
  }

  /** Reads every acknowledged share back. */
  async check(server: StorageServer): Promise<void> {
    for (const [key, { storageIndex, shareNumber, bytes }] of this.acknowledged) {
      const problem = await this.#problemWith(server, storageIndex, shareNumber, bytes);
      if (problem !== undefined) {
        this.#findings.violated('acknowledged-share', `${this.#name} acknowledged share ${key}: ${problem}`);
      }
    }
  }

  async #problemWith(
    server: StorageServer,
    storageIndex: Uint8Array,
    shareNumber: number,
    bytes: Uint8Array,
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

class WatchedServer implements StorageServer {
  readonly name: string;
  readonly permutationSeed: Uint8Array;
  readonly #server: StorageServer;
  readonly #ledger: ShareLedger;

  constructor(server: StorageServer, ledger: ShareLedger) {
    this.name = server.name;
    this.permutationSeed = server.permutationSeed;
    this.#server = server;
    this.#ledger = ledger;
  }

  version(options?: OperationOptions): Promise<ServerVersion> {
    return this.#server.version(options);
  }

  async allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult> {
    const result = await this.#note(this.#server.allocate(request, options));
    this.#ledger.allocated(request, result.allocated);
    return result;
  }

  async write(
    upload: UploadRef,
    offset: number,
    bytes: Uint8Array,
    options?: OperationOptions,
  ): Promise<void> {
    const copy = bytes.slice();
    await this.#note(this.#server.write(upload, offset, bytes, options));
    this.#ledger.wrote(upload, offset, copy);
  }

  async close(upload: UploadRef, options?: OperationOptions): Promise<void> {
    await this.#note(this.#server.close(upload, options));
    this.#ledger.closed(upload);
  }

  abort(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#note(this.#server.abort(upload, options));
  }

  list(storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]> {
    return this.#note(this.#server.list(storageIndex, options));
  }

  read(
    storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    return this.#note(this.#server.read(storageIndex, shareNumber, offset, length, options));
  }

  addLease(storageIndex: Uint8Array, lease: LeaseSecretsFor, options?: OperationOptions): Promise<void> {
    return this.#note(this.#server.addLease(storageIndex, lease, options));
  }

  adviseCorrupt(
    storageIndex: Uint8Array,
    shareNumber: number,
    reason: string,
    options?: OperationOptions,
  ): Promise<void> {
    return this.#note(this.#server.adviseCorrupt(storageIndex, shareNumber, reason, options));
  }

  async #note<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (error) {
      this.#ledger.failed(error);
      throw error;
    }
  }
}

function keyOf(storageIndex: Uint8Array, shareNumber: number): string {
  return `${Buffer.from(storageIndex).toString('hex')}/${shareNumber}`;
}
