// A StorageServer somewhere else: each operation is one call to a peer that runs serveStorage (rpc-methods.ts,
// which has the bodies). The peer is not trusted: what it answers is checked before anybody uses it. Retrying
// and choosing another server is left to the grid client.

import { createHash } from 'node:crypto';
import { RpcError } from '../transport/error.ts';
import type { CallOptions, Peer } from '../transport/transport.ts';
import { nodeIdOf } from './node-id.ts';
import { isShareNumber } from './request-checks.ts';
import { STORAGE_METHODS } from './rpc-methods.ts';
import {
  type AllocateRequest,
  type AllocateResult,
  type LeaseSecretsFor,
  type OperationOptions,
  type ServerVersion,
  StorageError,
  type StorageErrorCode,
  type StorageServer,
  type UploadRef,
} from './storage-server.ts';

/** What a grid knows of a server besides its address. */
export interface RemoteServerOptions {
  readonly permutationSeed?: Uint8Array | undefined;
  readonly isPreferred?: boolean | undefined;
}

/** {@link StorageServer} over a peer. */
export class RemoteStorageServer implements StorageServer {
  readonly name: string;
  readonly permutationSeed: Uint8Array;
  readonly isPreferred: boolean;
  readonly #peer: Peer;
  readonly #nodeId: Uint8Array;

  /**
   * Without a permutation seed, it is the SHA-256 of the peer's address. The node id that this server's lease secrets
   * are made for is the SHA-1 of the permutation seed.
   */
  constructor(peer: Peer, options: RemoteServerOptions = {}) {
    this.#peer = peer;
    this.name = peer.address;
    this.permutationSeed = options.permutationSeed ?? createHash('sha256').update(peer.address).digest();
    this.isPreferred = options.isPreferred ?? false;
    this.#nodeId = nodeIdOf(this.permutationSeed);
  }

  async version(options?: OperationOptions): Promise<ServerVersion> {
    const answer = await this.#call('version', null, options);
    if (!Array.isArray(answer) || answer.length !== 3) this.#malformed('version', 'it is no list of 3');
    const [applicationVersion, maximumImmutableShareSize, availableSpace]: unknown[] = answer;
    if (typeof applicationVersion !== 'string') this.#malformed('version', 'the version is no text');
    if (!isSize(maximumImmutableShareSize) || !isSize(availableSpace)) {
      this.#malformed('version', 'a size is no whole number from 0 to 2^53 - 1');
    }
    return { applicationVersion, maximumImmutableShareSize, availableSpace };
  }

  async allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult> {
    const { storageIndex, shareNumbers, allocatedSize, uploadSecret, lease } = request;
    const body: unknown[] = [storageIndex, shareNumbers, allocatedSize, uploadSecret];
    if (lease !== undefined) body.push(...this.#leaseFields(lease));
    const answer = await this.#call('allocate', body, options);
    if (!Array.isArray(answer) || answer.length !== 2) this.#malformed('allocate', 'it is no list of 2');
    const alreadyHave = this.#shareNumbers('allocate', answer[0]);
    const allocated = this.#shareNumbers('allocate', answer[1]);
    const named = [...alreadyHave, ...allocated];
    if (new Set(named).size < named.length || !named.every((number) => shareNumbers.includes(number))) {
      this.#malformed('allocate', 'it names shares that were not asked for, or one twice');
    }
    return { alreadyHave, allocated };
  }

  async write(
    upload: UploadRef,
    offset: number,
    bytes: Uint8Array,
    options?: OperationOptions,
  ): Promise<void> {
    await this.#call('write', [...uploadFields(upload), offset, bytes], options);
  }

  async close(upload: UploadRef, options?: OperationOptions): Promise<void> {
    await this.#call('close', uploadFields(upload), options);
  }

  async abort(upload: UploadRef, options?: OperationOptions): Promise<void> {
    await this.#call('abort', uploadFields(upload), options);
  }

  async list(storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]> {
    return this.#shareNumbers('list', await this.#call('list', [storageIndex], options));
  }

  async read(
    storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    const body = [storageIndex, shareNumber, offset, length];
    const answer = await this.#call('read', body, { ...options, expectedBytes: length });
    if (!(answer instanceof Uint8Array)) this.#malformed('read', 'it is no bytes');
    if (answer.length > length) {
      this.#malformed('read', `it has ${answer.length} bytes where ${length} were asked for`);
    }
    return answer;
  }

  async addLease(
    storageIndex: Uint8Array,
    lease: LeaseSecretsFor,
    options?: OperationOptions,
  ): Promise<void> {
    await this.#call('addLease', [storageIndex, ...this.#leaseFields(lease)], options);
  }

  async adviseCorrupt(
    storageIndex: Uint8Array,
    shareNumber: number,
    reason: string,
    options?: OperationOptions,
  ): Promise<void> {
    await this.#call('adviseCorrupt', [storageIndex, shareNumber, reason], options);
  }

  #leaseFields(lease: LeaseSecretsFor): unknown[] {
    const { renewSecret, cancelSecret } = lease(this.#nodeId);
    return [renewSecret, cancelSecret];
  }

  async #call(
    operation: keyof typeof STORAGE_METHODS,
    body: unknown,
    options: CallOptions | undefined,
  ): Promise<unknown> {
    try {
      return await this.#peer.call(STORAGE_METHODS[operation], body, {
        signal: options?.signal,
        onOverdue: options?.onOverdue,
        expectedBytes: options?.expectedBytes,
        idempotent: true,
      });
    } catch (error) {
      throw this.#storageError(error) ?? error;
    }
  }

  /** What the server's own StorageError was, when the call failed with one. */
  #storageError(error: unknown): StorageError | undefined {
    if (!(error instanceof RpcError) || error.code !== 'HANDLER_FAILED') return undefined;
    const { detail } = error;
    if (detail === undefined || !isStorageErrorCode(detail.code)) return undefined;
    return new StorageError(detail.code, `${this.name}: ${detail.message}`, { cause: error });
  }

  /** Ascending, each once. */
  #shareNumbers(operation: keyof typeof STORAGE_METHODS, value: unknown): number[] {
    if (!Array.isArray(value) || !value.every(isShareNumber) || new Set(value).size < value.length) {
      this.#malformed(operation, 'it has something else than distinct share numbers');
    }
    return value.sort((a, b) => a - b);
  }

  #malformed(operation: keyof typeof STORAGE_METHODS, reason: string): never {
    const method = STORAGE_METHODS[operation];
    throw new RpcError('BAD_MESSAGE', `${this.name} gave no valid answer to ${method}: ${reason}`, {
      peer: this.#peer.address,
      method,
      executed: 'yes',
    });
  }
}

const STORAGE_ERROR_CODES: Readonly<Record<StorageErrorCode, true>> = {
  NO_SPACE: true,
  READ_ONLY: true,
  TOO_LARGE: true,
  UNKNOWN_SHARE: true,
  SHARE_BUSY: true,
  INCOMPLETE: true,
  IO_ERROR: true,
  STOPPED: true,
  BAD_REQUEST: true,
};

function isStorageErrorCode(code: string): code is StorageErrorCode {
  return Object.hasOwn(STORAGE_ERROR_CODES, code);
}

function uploadFields({ storageIndex, shareNumber, uploadSecret }: UploadRef): unknown[] {
  return [storageIndex, shareNumber, uploadSecret];
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
