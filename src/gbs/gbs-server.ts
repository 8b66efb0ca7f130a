// A StorageServer that speaks Tahoe-LAFS's HTTP storage protocol: what each operation sends, and what its answer may
// be. Where the protocol has no such operation (close), what is known of the others stands in for it.
// Connections, time limits and failures on the way are server-calls.ts's business.

import { LRUCache } from 'lru-cache';
import { base32Encode } from '../base/base32.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { ResponseTimes } from '../base/response-times.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import { isShareNumber } from '../storage/request-checks.ts';
import {
  type AllocateRequest,
  type AllocateResult,
  type LeaseSecretsFor,
  type OperationOptions,
  type ServerVersion,
  StorageError,
  type StorageServer,
  type UploadRef,
} from '../storage/storage-server.ts';
import { RpcError } from '../transport/error.ts';
import { decodeCbor, encodeCbor, field, integer } from './cbor.ts';
import { type Nurl, nurlName } from './nurl.ts';
import { type HttpAnswer, type HttpRequest, PinnedHttps } from './pinned-https.ts';
import { ServerCalls, type ServerCallsOptions } from './server-calls.ts';

/** What all servers over HTTP share. */
export interface GbsContext {
  readonly clock: Clock;
  /** For the secrets of leases that nobody asked for: the protocol wants some. */
  readonly random: Random;
  /** Response times of all servers together. */
  readonly cohort: ResponseTimes;
  /** Pays for hedges and retries of whoever calls these servers. */
  readonly retries: RetryBudget;
  /** Makes the way to a server: HTTPS, if nothing else is given. */
  readonly connect?: ServerCallsOptions['connect'] | undefined;
}

/** {@link StorageServer} at an address of Tahoe-LAFS. Nothing is sent before something is asked of it. */
export class GbsStorageServer implements StorageServer, Disposable {
  readonly name: string;
  readonly permutationSeed: Uint8Array;
  readonly isPreferred: boolean;
  readonly #context: GbsContext;
  readonly #calls: ServerCalls;
  readonly #authorization: string;
  /** Uploads by {@link uploadId}: those whose allocation or end is not certain, and those that are complete. */
  readonly #uploads = new LRUCache<string, 'perhaps' | 'complete'>({ max: UPLOADS_REMEMBERED_MAX });

  /** Without a permutation seed, it is the hash of the server's key. */
  constructor(
    nurl: Nurl,
    context: GbsContext,
    options: {
      readonly permutationSeed?: Uint8Array | undefined;
      readonly isPreferred?: boolean | undefined;
    } = {},
  ) {
    this.name = nurlName(nurl);
    this.permutationSeed = options.permutationSeed ?? nurl.spkiHash;
    this.isPreferred = options.isPreferred ?? false;
    this.#context = context;
    const { clock, cohort, retries } = context;
    const connect: ServerCallsOptions['connect'] = (watcher) => new PinnedHttps(nurl, clock, watcher);
    this.#authorization = `Tahoe-LAFS ${base64(Buffer.from(nurl.swissnum))}`;
    this.#calls = new ServerCalls({
      name: this.name,
      clock,
      times: new ResponseTimes(cohort),
      retries,
      connect: context.connect ?? connect,
      probe: this.#request({ method: 'GET', path: '/version' }),
    });
  }

  async version(options?: OperationOptions): Promise<ServerVersion> {
    const answer = await this.#call('storage/version', { method: 'GET', path: '/version' }, options);
    const body = this.#decode('storage/version', answer, 200);
    const v1 = field(body, 'http://allmydata.org/tahoe/protocols/storage/v1');
    const application = field(body, 'application-version');
    return {
      applicationVersion:
        application instanceof Uint8Array ? Buffer.from(application).toString('latin1') : 'unknown',
      maximumImmutableShareSize: this.#size(field(v1, 'maximum-immutable-share-size')),
      availableSpace: this.#size(field(v1, 'available-space')),
    };
  }

  async allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult> {
    const { storageIndex, shareNumbers, allocatedSize, uploadSecret, lease } = request;
    const ids = new Map(
      shareNumbers.map((shareNumber) => [shareNumber, uploadId({ storageIndex, shareNumber, uploadSecret })]),
    );
    const askedBefore = new Set([...ids.values()].filter((id) => this.#uploads.has(id)));
    for (const id of ids.values()) this.#uploads.set(id, 'perhaps');
    const answer = await this.#call(
      'storage/allocate',
      {
        method: 'POST',
        path: `/immutable/${base32Encode(storageIndex)}`,
        secrets: { ...(await this.#leaseSecrets(lease, options)), 'upload-secret': uploadSecret },
        cbor: { 'share-numbers': new Set(shareNumbers), 'allocated-size': integer(allocatedSize) },
      },
      options,
    );
    const body = this.#decode('storage/allocate', answer, 200);
    // The server names every share of the file that it has, also those that were not asked for.
    const had = new Set(this.#shareNumbers('storage/allocate', field(body, 'already-have')));
    const granted = new Set(this.#shareNumbers('storage/allocate', field(body, 'allocated')));
    for (const [shareNumber, id] of ids) {
      // Asked a second time with the same secret, it does not name what it has granted the first time.
      if (askedBefore.has(id) && !had.has(shareNumber)) granted.add(shareNumber);
      if (!granted.has(shareNumber)) this.#uploads.delete(id);
    }
    const alreadyHave = shareNumbers.filter((shareNumber) => had.has(shareNumber));
    const allocated = shareNumbers.filter((shareNumber) => granted.has(shareNumber));
    if (alreadyHave.length + allocated.length === 0) throw await this.#whyNothing(allocatedSize, options);
    return { alreadyHave, allocated };
  }

  /** A server that is full and one that is busy with the share both answer with nothing; its free space tells them apart. */
  async #whyNothing(allocatedSize: number, options: OperationOptions | undefined): Promise<StorageError> {
    const { availableSpace } = await this.version(options);
    return availableSpace < allocatedSize
      ? this.#storageError('NO_SPACE', `it has ${availableSpace} bytes left, or is read-only`)
      : this.#storageError('SHARE_BUSY', 'another writer holds what was asked for');
  }

  async write(
    upload: UploadRef,
    offset: number,
    bytes: Uint8Array,
    options?: OperationOptions,
  ): Promise<void> {
    if (bytes.length === 0) return;
    const id = uploadId(upload);
    const answer = await this.#call(
      'storage/write',
      {
        method: 'PATCH',
        path: sharePath(upload),
        secrets: { 'upload-secret': upload.uploadSecret },
        headers: {
          'Content-Range': `bytes ${offset}-${offset + bytes.length - 1}/*`,
          'Content-Type': 'application/octet-stream',
        },
        bytes,
      },
      options,
    );
    switch (answer.status) {
      case 200:
        return;
      case 201:
        // With the last byte the share is complete, and seen by others.
        this.#uploads.set(id, 'complete');
        return;
      case 404:
        // Also what a write gets that is repeated after the share has become complete.
        if (await this.#isThere(upload, options)) {
          this.#uploads.set(id, 'complete');
          return;
        }
        throw this.#storageError('UNKNOWN_SHARE', `no upload of share ${upload.shareNumber} is under way`);
      case 401:
        throw this.#storageError('SHARE_BUSY', `another writer holds share ${upload.shareNumber}`);
      case 409:
        throw this.#storageError('BAD_REQUEST', 'other bytes were written at the same place before');
      default:
        throw this.#refusal('storage/write', answer);
    }
  }

  /** The protocol has no such operation: a share is complete with its last byte. */
  async close(upload: UploadRef, options?: OperationOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    if (this.#uploads.get(uploadId(upload)) === 'complete' || (await this.#isThere(upload, options))) return;
    throw this.#storageError('INCOMPLETE', `share ${upload.shareNumber} does not have all of its bytes yet`);
  }

  async abort(upload: UploadRef, options?: OperationOptions): Promise<void> {
    const secrets = { 'upload-secret': upload.uploadSecret };
    const path = `${sharePath(upload)}/abort`;
    const answer = await this.#call('storage/abort', { method: 'PUT', path, secrets }, options);
    this.#uploads.delete(uploadId(upload));
    // 404: there is no such upload; 405: it is a share by now; 401: it is somebody else's.
    if (![200, 404, 405, 401].includes(answer.status)) throw this.#refusal('storage/abort', answer);
  }

  async list(storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]> {
    const path = `/immutable/${base32Encode(storageIndex)}/shares`;
    const answer = await this.#call('storage/list', { method: 'GET', path }, options);
    return this.#shareNumbers('storage/list', this.#decode('storage/list', answer, 200));
  }

  async read(
    storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0);
    const answer = await this.#call(
      'storage/read',
      {
        method: 'GET',
        path: sharePath({ storageIndex, shareNumber }),
        headers: { Range: `bytes=${offset}-${offset + length - 1}` },
        // What comes with an error is not read beyond what such a page takes.
        answerBytesMax: Math.max(length, SMALL_ANSWER_BYTES_MAX),
      },
      options,
      length,
    );
    switch (answer.status) {
      case 204:
        return new Uint8Array(0);
      case 206: {
        const range = /^bytes (\d+)-/.exec(answer.contentRange ?? '');
        if (range !== null && Number(range[1]) !== offset) {
          throw this.#malformed('storage/read', `it begins at ${range[1]} where ${offset} was asked for`);
        }
        if (answer.body.length > length) {
          throw this.#malformed(
            'storage/read',
            `it has ${answer.body.length} bytes where ${length} were asked for`,
          );
        }
        return answer.body;
      }
      case 404:
        throw this.#storageError('UNKNOWN_SHARE', `share ${shareNumber} is not there`);
      default:
        throw this.#refusal('storage/read', answer);
    }
  }

  async addLease(
    storageIndex: Uint8Array,
    lease: LeaseSecretsFor,
    options?: OperationOptions,
  ): Promise<void> {
    const answer = await this.#call(
      'storage/lease',
      {
        method: 'PUT',
        path: `/lease/${base32Encode(storageIndex)}`,
        secrets: await this.#leaseSecrets(lease, options),
      },
      options,
    );
    // 404: there are no shares that could have a lease.
    if (answer.status !== 204 && answer.status !== 404) throw this.#refusal('storage/lease', answer);
  }

  async adviseCorrupt(
    storageIndex: Uint8Array,
    shareNumber: number,
    reason: string,
    options?: OperationOptions,
  ): Promise<void> {
    const path = `${sharePath({ storageIndex, shareNumber })}/corrupt`;
    const answer = await this.#call('storage/corrupt', { method: 'POST', path, cbor: { reason } }, options);
    if (answer.status !== 200) throw this.#refusal('storage/corrupt', answer);
  }

  /** Fails what is open, and closes all connections. */
  [Symbol.dispose](): void {
    this.#calls.close();
  }

  async #isThere({ storageIndex, shareNumber }: UploadRef, options?: OperationOptions): Promise<boolean> {
    return (await this.list(storageIndex, options)).includes(shareNumber);
  }

  /** The pair for this server. Its node id is known after a first handshake: if need be, it is asked something. */
  async #leaseSecrets(
    lease: LeaseSecretsFor | undefined,
    options: OperationOptions | undefined,
  ): Promise<Readonly<Record<string, Uint8Array>>> {
    if (lease === undefined) {
      const { random } = this.#context;
      const [renew, cancel] = [random.bytes(SECRET_BYTES), random.bytes(SECRET_BYTES)];
      return { 'lease-renew-secret': renew, 'lease-cancel-secret': cancel };
    }
    if (this.#calls.nodeId === undefined) await this.version(options);
    const { renewSecret, cancelSecret } = lease(this.#calls.nodeId!);
    return { 'lease-renew-secret': renewSecret, 'lease-cancel-secret': cancelSecret };
  }

  #call(
    method: string,
    parts: RequestParts,
    options: OperationOptions | undefined,
    expectedBytes = 0,
  ): Promise<HttpAnswer> {
    return this.#calls.call(method, this.#request(parts), expectedBytes, options);
  }

  #request({
    method,
    path,
    secrets = {},
    headers = {},
    cbor,
    bytes,
    answerBytesMax,
  }: RequestParts): HttpRequest {
    return {
      method,
      path: `/storage/v1${path}`,
      headers: {
        Authorization: this.#authorization,
        // Each in a line of its own: joined by commas they are refused.
        'X-Tahoe-Authorization': Object.entries(secrets).map(([kind, secret]) => `${kind} ${base64(secret)}`),
        ...(cbor !== undefined && { 'Content-Type': 'application/cbor' }),
        ...headers,
      },
      body: cbor === undefined ? bytes : encodeCbor(cbor),
      answerBytesMax: answerBytesMax ?? SMALL_ANSWER_BYTES_MAX,
    };
  }

  #decode(method: string, answer: HttpAnswer, status: number): unknown {
    if (answer.status !== status) throw this.#refusal(method, answer);
    try {
      return decodeCbor(answer.body);
    } catch (error) {
      throw this.#malformed(method, (error as Error).message);
    }
  }

  /** Of the size of a share or a disk; what is beyond a number's precision is cut to it. */
  #size(value: unknown): number {
    if (typeof value === 'bigint' && value >= 0n) return Number.MAX_SAFE_INTEGER;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0) {
      return Math.min(value, Number.MAX_SAFE_INTEGER);
    }
    throw this.#malformed('storage/version', 'a size is no whole number');
  }

  /** Ascending. */
  #shareNumbers(method: string, value: unknown): number[] {
    if (!(value instanceof Set)) throw this.#malformed(method, 'its share numbers are no set');
    const numbers: unknown[] = [...value];
    if (!numbers.every(isShareNumber)) throw this.#malformed(method, 'it names what is no share number');
    return numbers.sort((a, b) => a - b);
  }

  /** An answer that is no success, in the terms of storage servers. */
  #refusal(method: string, { status }: HttpAnswer): Error {
    switch (status) {
      case 400:
        return this.#storageError('BAD_REQUEST', `it refused ${method} as malformed`);
      case 401:
        return new RpcError(
          'UNAUTHORIZED',
          `${this.name} refused ${method}: the secret in its address is not, or no more, the right one`,
          { peer: this.name, method },
        );
      case 404:
        return this.#storageError('UNKNOWN_SHARE', 'it has no such share');
      case 413:
        return this.#storageError('TOO_LARGE', `${method} was too large for it`);
      case 503:
        return this.#storageError('STOPPED', 'it is being stopped');
      case 507:
        return this.#storageError('NO_SPACE', 'it has no space left');
      default:
        if (status >= 500)
          return this.#storageError('IO_ERROR', `it failed at ${method} (HTTP status ${status})`);
        return this.#malformed(method, `its HTTP status is ${status}`);
    }
  }

  #storageError(code: StorageError['code'], problem: string): StorageError {
    return new StorageError(code, `${this.name}: ${problem}`);
  }

  #malformed(method: string, reason: string): RpcError {
    return new RpcError('BAD_MESSAGE', `${this.name} gave no valid answer to ${method}: ${reason}`, {
      peer: this.name,
      method,
      executed: 'yes',
    });
  }
}

interface RequestParts {
  readonly method: HttpRequest['method'];
  /** Behind `/storage/v1`. */
  readonly path: string;
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cbor?: unknown;
  readonly bytes?: Uint8Array;
  readonly answerBytesMax?: number;
}

function sharePath({ storageIndex, shareNumber }: Pick<UploadRef, 'storageIndex' | 'shareNumber'>): string {
  return `/immutable/${base32Encode(storageIndex)}/${shareNumber}`;
}

function uploadId({ storageIndex, shareNumber, uploadSecret }: UploadRef): string {
  return `${base32Encode(storageIndex)}/${shareNumber}/${base64(uploadSecret)}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

const SECRET_BYTES = 32;
const UPLOADS_REMEMBERED_MAX = 10_000;
/** Everything but the bytes of shares. */
const SMALL_ANSWER_BYTES_MAX = 64 * 1024;
