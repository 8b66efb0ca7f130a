// A storage server as the simulation serves it: the real one, with everything that it promises written down, with
// intruders who want to write into the uploads of others and, when it is told to, with wrong answers.

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
import type { ShareLedger } from './share-ledger.ts';
import type { Findings } from './violations.ts';

/** The server, with everything that it promises written down. */
export class WatchedServer implements StorageServer {
  readonly name: string;
  readonly permutationSeed: Uint8Array;
  readonly #server: StorageServer;
  readonly #ledger: ShareLedger;
  readonly #findings: Findings;
  /** True: it sends other bytes than it has. */
  readonly #isLying: () => boolean;
  #writes = 0;

  constructor(server: StorageServer, ledger: ShareLedger, findings: Findings, isLying: () => boolean) {
    this.name = server.name;
    this.permutationSeed = server.permutationSeed;
    this.#server = server;
    this.#ledger = ledger;
    this.#findings = findings;
    this.#isLying = isLying;
  }

  version(options?: OperationOptions): Promise<ServerVersion> {
    return this.#server.version(options);
  }

  async allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult> {
    const result = await this.#note(this.#server.allocate(request, options));
    this.#ledger.allocated(request, result.allocated);
    this.#ledger.showed(request.storageIndex, result.alreadyHave);
    return result;
  }

  async write(
    upload: UploadRef,
    offset: number,
    bytes: Uint8Array,
    options?: OperationOptions,
  ): Promise<void> {
    if (this.#writes++ % WRITES_PER_INTRUSION === 0) await this.#intrude(upload, offset, bytes.length);
    this.#ledger.wrote(upload, offset, bytes.slice());
    await this.#note(this.#server.write(upload, offset, bytes, options));
  }

  /** Somebody who does not know the upload's secret writes something else. */
  async #intrude(upload: UploadRef, offset: number, sizeBytes: number): Promise<void> {
    const uploadSecret = upload.uploadSecret.map((byte) => byte ^ 1);
    try {
      await this.#server.write({ ...upload, uploadSecret }, offset, new Uint8Array(sizeBytes));
    } catch (error) {
      if (error instanceof StorageError) return;
      this.#findings.violated('nothing-thrown', `a write with another secret: ${error}`);
      return;
    }
    this.#findings.violated('upload-secret', `${this.name} took a write with another upload's secret`);
  }

  async close(upload: UploadRef, options?: OperationOptions): Promise<void> {
    await this.#note(this.#server.close(upload, options));
    this.#ledger.closed(upload);
  }

  abort(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#note(this.#server.abort(upload, options));
  }

  async list(storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]> {
    const listed = await this.#note(this.#server.list(storageIndex, options));
    this.#ledger.showed(storageIndex, listed);
    return listed;
  }

  async read(
    storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    const bytes = await this.#note(this.#server.read(storageIndex, shareNumber, offset, length, options));
    if (!this.#isLying() || bytes.length === 0) return bytes;
    const others = bytes.slice();
    others[(offset * 31 + shareNumber) % bytes.length]! ^= 0x10;
    return others;
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

const WRITES_PER_INTRUSION = 3;
