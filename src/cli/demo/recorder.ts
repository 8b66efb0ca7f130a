// Writes down what is asked of a storage server and when it answered, for the chart; and tells of each request
// before it is sent, so that a demonstration can take a server away at a chosen moment.

import type { Clock } from '../../base/clock.ts';
import type {
  AllocateRequest,
  AllocateResult,
  LeaseSecretsFor,
  OperationOptions,
  ServerVersion,
  StorageServer,
  UploadRef,
} from '../../storage/storage-server.ts';

/** What a request was for. */
export type Operation =
  | 'version'
  | 'allocate'
  | 'write'
  | 'close'
  | 'abort'
  | 'list'
  | 'read'
  | 'addLease'
  | 'adviseCorrupt';

/** One request to a server. */
export interface RecordedRequest {
  readonly operation: Operation;
  readonly startedAtMs: number;
  /** When it was answered, failed or was cancelled; Infinity as long as it is open. */
  endedAtMs: number;
  answered: boolean;
}

/** A storage server that keeps a record. It changes nothing of what the server does. */
export class RecordingServer implements StorageServer {
  readonly name: string;
  readonly permutationSeed: Uint8Array;
  /** In the order in which they were asked. */
  readonly requests: RecordedRequest[] = [];
  readonly #server: StorageServer;
  readonly #clock: Clock;
  readonly #beforeRequest: (operation: Operation) => void;

  constructor(server: StorageServer, clock: Clock, beforeRequest: (operation: Operation) => void) {
    this.name = server.name;
    this.permutationSeed = server.permutationSeed;
    this.#server = server;
    this.#clock = clock;
    this.#beforeRequest = beforeRequest;
  }

  version(options?: OperationOptions): Promise<ServerVersion> {
    return this.#record('version', () => this.#server.version(options));
  }

  allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult> {
    return this.#record('allocate', () => this.#server.allocate(request, options));
  }

  write(upload: UploadRef, offset: number, bytes: Uint8Array, options?: OperationOptions): Promise<void> {
    return this.#record('write', () => this.#server.write(upload, offset, bytes, options));
  }

  close(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#record('close', () => this.#server.close(upload, options));
  }

  abort(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#record('abort', () => this.#server.abort(upload, options));
  }

  list(storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]> {
    return this.#record('list', () => this.#server.list(storageIndex, options));
  }

  read(
    storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    return this.#record('read', () => this.#server.read(storageIndex, shareNumber, offset, length, options));
  }

  addLease(storageIndex: Uint8Array, lease: LeaseSecretsFor, options?: OperationOptions): Promise<void> {
    return this.#record('addLease', () => this.#server.addLease(storageIndex, lease, options));
  }

  adviseCorrupt(
    storageIndex: Uint8Array,
    shareNumber: number,
    reason: string,
    options?: OperationOptions,
  ): Promise<void> {
    return this.#record('adviseCorrupt', () =>
      this.#server.adviseCorrupt(storageIndex, shareNumber, reason, options),
    );
  }

  async #record<T>(operation: Operation, ask: () => Promise<T>): Promise<T> {
    this.#beforeRequest(operation);
    const request: RecordedRequest = {
      operation,
      startedAtMs: this.#clock.now(),
      endedAtMs: Infinity,
      answered: false,
    };
    this.requests.push(request);
    try {
      const answer = await ask();
      request.answered = true;
      return answer;
    } finally {
      request.endedAtMs = this.#clock.now();
    }
  }
}
