// A storage server on a disk: who may write which share, how much space there is, what is seen of it and
// when an upload is given up. The layout of folders is in share-folder.ts, the steps of one upload in upload.ts.
//
// A share is seen (listed, read, counted as had) only once it is durable: from the moment its `close`
// is acknowledged.

import { createHash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock, Timer } from '../base/clock.ts';
import { CorruptionAdvisories } from './corruption-advisories.ts';
import { diskError, startError } from './disk-error.ts';
import { type Files, fileErrorCode, type OpenFile } from './files.ts';
import { type ExpiryWalk, LeaseExpiry } from './lease-expiry.ts';
import { nodeFiles } from './node-files.ts';
import { nodeIdOf } from './node-id.ts';
import { OpenFiles } from './open-files.ts';
import { TaskQueue } from './queues.ts';
import {
  checkAllocateRequest,
  checkLease,
  checkOffset,
  checkReadLength,
  checkReason,
  checkShareNumber,
  checkStorageIndex,
  checkUploadRef,
  checkWrittenBytes,
} from './request-checks.ts';
import { LEASE_DURATION_SECONDS } from './share-container.ts';
import { readShareData } from './share-file.ts';
import { ShareFolder, type ShareName, shareName } from './share-folder.ts';
import { leaseShare } from './share-leases.ts';
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
} from './storage-server.ts';
import { fileBytes, Upload, type UploadHost, type UploadTerms, unknownUpload } from './upload.ts';

/** How a storage server on a disk is set up. */
export interface DiskStorageServerOptions {
  /** Holds `shares`: what is NODEDIR/storage in Tahoe-LAFS. Made when it is not there. */
  readonly folder: string;
  readonly clock: Clock;
  /** The wall clock, for leases. */
  readonly unixSeconds: () => number;
  /** Default: the real disk. */
  readonly files?: Files | undefined;
  /** Default: the folder. */
  readonly name?: string | undefined;
  /** Default: SHA-256 of the name. */
  readonly permutationSeed?: Uint8Array | undefined;
  readonly applicationVersion?: string | undefined;
  /** Takes no new shares and changes nothing on the disk. */
  readonly readOnly?: boolean | undefined;
  /** Bytes of the disk's free space that are left to others. Default 0. */
  readonly reservedBytes?: number | undefined;
  /** Default 2^44, the largest file of ext4. */
  readonly shareBytesMax?: number | undefined;
  /** An upload that nothing is heard of is dropped. Default 30 minutes, as Tahoe-LAFS. */
  readonly idleUploadMs?: number | undefined;
  /** Default 4096. */
  readonly uploadsMax?: number | undefined;
  /** Removes shares whose last lease has ended; is told of each walk. Default: every share stays. */
  readonly expireLeases?: ((walk: ExpiryWalk) => void) | undefined;
  /** Files that uploads keep open. Default 256. */
  readonly openFilesMax?: number | undefined;
}

const IDLE_UPLOAD_MS = 30 * 60 * 1000;
/** Idle so long, an upload yields to another client: its own was killed, or is gone for longer than it would retry. */
const TAKEOVER_MS = 60 * 1000;
/** Reads under way at a time: each opens a file and may hold 16 MiB. Node has 4 threads for files anyway. */
const READS_MAX = 16;
/** Finished uploads whose secrets are remembered, so that a repeated `close` succeeds. */
/** As a size, since what a cache has as its `max` it takes the memory for when it begins. */
const FINISHED = { maxSize: 10_000, sizeCalculation: () => 1 };

/** {@link StorageServer} on this machine's disk. Dispose of it to stop it. */
export class DiskStorageServer implements StorageServer, AsyncDisposable {
  readonly name: string;
  readonly permutationSeed: Uint8Array;
  readonly #options: DiskStorageServerOptions;
  readonly #folder: ShareFolder;
  readonly #host: UploadHost;
  readonly #advisories: CorruptionAdvisories;
  readonly #expiry: LeaseExpiry | undefined;
  readonly #uploads = new Map<string, { readonly upload: Upload; idle: Timer; usedAtMs: number }>();
  /** Upload secret of what was finished lately, by share. */
  readonly #finished = new LRUCache<string, Uint8Array>(FINISHED);
  readonly #reads = new TaskQueue(READS_MAX);
  readonly #running = new Set<Promise<unknown>>();
  #stopped = false;

  /**
   * Starts a server: makes its folders and removes unfinished uploads of an earlier run. Only one server may
   * use a folder at a time.
   * @throws Error that names the folder and says what to do.
   */
  static async open(options: DiskStorageServerOptions): Promise<DiskStorageServer> {
    const files = options.files ?? nodeFiles;
    const folder = new ShareFolder(files, options.folder);
    try {
      if (options.readOnly) await folder.checkReadable();
      else await folder.prepare();
    } catch (error) {
      throw startError(options.folder, error);
    }
    return new DiskStorageServer(options, folder, files);
  }

  private constructor(options: DiskStorageServerOptions, folder: ShareFolder, files: Files) {
    this.#options = options;
    this.name = options.name ?? options.folder;
    this.permutationSeed = options.permutationSeed ?? createHash('sha256').update(this.name).digest();
    this.#folder = folder;
    this.#host = {
      folder,
      openFiles: new OpenFiles(files, options.openFilesMax ?? 256),
      ended: (upload, finished) => this.#uploadEnded(upload, finished),
    };
    this.#advisories = new CorruptionAdvisories(files, options.folder);
    const { clock, unixSeconds, expireLeases, readOnly } = options;
    if (expireLeases !== undefined && !readOnly) {
      this.#expiry = new LeaseExpiry({ folder, clock, unixSeconds, onWalked: expireLeases });
      this.#expiry.start();
    }
  }

  /** Uploads that are neither finished nor dropped. */
  get uploadsUnderWay(): number {
    return this.#uploads.size;
  }

  version(options?: OperationOptions): Promise<ServerVersion> {
    return this.#operation(options, async () => ({
      applicationVersion: this.#options.applicationVersion ?? 'nevermind',
      maximumImmutableShareSize: this.#shareBytesMax,
      availableSpace: await this.#folder.freeBytes().then(
        (freeBytes) => this.#availableBytes(freeBytes),
        (error: unknown) => {
          throw diskError(error, 'asking for free space');
        },
      ),
    }));
  }

  /**
   * Gives of the shares asked for those that are there and those that this client may now write. When there
   * are none of either, it says why:
   * @throws StorageError SHARE_BUSY, NO_SPACE, READ_ONLY, TOO_LARGE, BAD_REQUEST, IO_ERROR.
   */
  allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult> {
    return this.#operation(options, async (signal) => {
      const checked = checkAllocateRequest(request);
      const leaseSecrets = request.lease && this.#leaseSecrets(request.lease);
      if (checked.allocatedSize > this.#shareBytesMax) {
        throw new StorageError(
          'TOO_LARGE',
          `a share of ${checked.allocatedSize} bytes is larger than the ${this.#shareBytesMax} that this server takes`,
        );
      }
      await this.#dropDeserted(checked);
      const somewhere = shareName(checked.storageIndex, 0);
      const { result, created } = await this.#folder.exclusively(
        somewhere,
        () => this.#allocate(checked, leaseSecrets),
        signal,
      );
      if (leaseSecrets !== undefined) {
        await this.#leaseShares(checked.storageIndex, result.alreadyHave, leaseSecrets);
      }
      // Who turned away meanwhile will not hear of these uploads, and so will not end them.
      if (signal?.aborted) await Promise.allSettled(created.map((upload) => upload.abort()));
      return result;
    });
  }

  write(upload: UploadRef, offset: number, bytes: Uint8Array, options?: OperationOptions): Promise<void> {
    return this.#operation(options, async (signal) => {
      const { share, held } = this.#findUpload(upload);
      const checkedOffset = checkOffset(offset);
      const checkedBytes = checkWrittenBytes(bytes);
      if (held === undefined) throw unknownUpload(share);
      await held.write(checkedOffset, checkedBytes, signal);
    });
  }

  close(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#operation(options, async (signal) => {
      const { share, held } = this.#findUpload(upload);
      if (held !== undefined) {
        return held.close(this.#leaseEnd, signal);
      }
      if (!this.#wasFinishedWith(share, upload.uploadSecret)) throw unknownUpload(share);
    });
  }

  abort(upload: UploadRef, options?: OperationOptions): Promise<void> {
    return this.#operation(options, async (signal) => {
      await this.#findUpload(upload).held?.abort(signal);
    });
  }

  list(storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]> {
    return this.#operation(options, (signal) => {
      const { storageIndexText } = shareName(checkStorageIndex(storageIndex), 0);
      return this.#reads.run(async () => {
        const found = await this.#folder.list(storageIndexText).catch((error: unknown) => {
          throw diskError(error, `listing ${storageIndexText}`);
        });
        return found.filter((number) => !this.#uploads.has(`${storageIndexText}/${number}`));
      }, signal);
    });
  }

  read(
    storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    return this.#operation(options, (signal) => {
      const share = shareName(checkStorageIndex(storageIndex), checkShareNumber(shareNumber));
      const from = checkOffset(offset);
      const atMost = checkReadLength(length);
      return this.#reads.run(() => this.#read(share, from, atMost), signal);
    });
  }

  addLease(storageIndex: Uint8Array, lease: LeaseSecretsFor, options?: OperationOptions): Promise<void> {
    return this.#operation(options, async () => {
      const checked = checkStorageIndex(storageIndex);
      const secrets = this.#leaseSecrets(lease);
      if (this.#options.readOnly) throw new StorageError('READ_ONLY', 'this server changes no leases');
      await this.#leaseShares(checked, await this.list(checked), secrets);
    });
  }

  adviseCorrupt(
    storageIndex: Uint8Array,
    shareNumber: number,
    reason: string,
    options?: OperationOptions,
  ): Promise<void> {
    return this.#operation(options, async () => {
      const share = shareName(checkStorageIndex(storageIndex), checkShareNumber(shareNumber));
      const checked = checkReason(reason);
      const isHere = (await this.list(storageIndex)).includes(shareNumber);
      if (!isHere) throw unknownShare(share);
      if (!this.#options.readOnly) await this.#advisories.add(share, checked, this.#options.unixSeconds());
    });
  }

  /** Refuses what comes from now on, waits for what runs, and removes unfinished uploads. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#expiry?.stop();
    await Promise.allSettled(this.#running);
    await Promise.allSettled([...this.#uploads.values()].map(({ upload }) => upload.abort()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #shareBytesMax(): number {
    return this.#options.shareBytesMax ?? 2 ** 44;
  }

  /** Everything that a client asks for goes through here. */
  async #operation<T>(
    options: OperationOptions | undefined,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    if (this.#stopped) throw new StorageError('STOPPED', 'the storage server has been stopped');
    const running = run(signal);
    this.#running.add(running);
    try {
      const result = await running;
      signal?.throwIfAborted();
      return result;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Ends uploads of these shares that somebody else began and has not touched for a while. */
  async #dropDeserted({ storageIndex, shareNumbers, uploadSecret }: AllocateRequest): Promise<void> {
    const nowMs = this.#options.clock.now();
    const deserted = shareNumbers
      .map((shareNumber) => this.#uploads.get(shareName(storageIndex, shareNumber).id))
      .filter((entry) => entry !== undefined)
      .filter(({ upload, usedAtMs }) => !upload.busy && nowMs - usedAtMs >= TAKEOVER_MS)
      .filter(({ upload }) => !upload.isHeldBy(uploadSecret));
    // One that cannot be removed now is still in the way, and allocate says so.
    await Promise.allSettled(deserted.map(({ upload }) => upload.abort()));
  }

  /** `created` are the uploads that were not under way before. Inside {@link ShareFolder.exclusively}. */
  async #allocate(
    request: AllocateRequest,
    leaseSecrets: LeaseSecrets | undefined,
  ): Promise<{ result: AllocateResult; created: Upload[] }> {
    const { storageIndexText } = shareName(request.storageIndex, 0);
    const [present, freeBytes] = await Promise.all([
      this.#folder.list(storageIndexText),
      this.#folder.freeBytes(),
    ]).catch((error: unknown) => {
      throw diskError(error, `allocating shares of ${storageIndexText}`);
    });
    const alreadyHave: number[] = [];
    const allocated: number[] = [];
    const created: Upload[] = [];
    let refusal: StorageError | undefined;
    // Nothing is awaited in here: what one request has been promised, the next one sees as taken.
    for (const shareNumber of request.shareNumbers) {
      const share = shareName(request.storageIndex, shareNumber);
      const terms: UploadTerms = {
        share,
        allocatedSize: request.allocatedSize,
        secret: request.uploadSecret,
        leaseSecrets,
      };
      const underWay = this.#uploads.get(share.id);
      if (underWay !== undefined) {
        const { upload } = underWay;
        if (upload.isOpen && upload.isHeldBy(request.uploadSecret)) allocated.push(shareNumber);
        else refusal = busy(share);
      } else if (present.includes(shareNumber)) {
        alreadyHave.push(shareNumber);
      } else {
        refusal = this.#refusal(fileBytes(terms), this.#availableBytes(freeBytes));
        if (refusal === undefined) created.push(this.#startUpload(terms));
      }
    }
    const outcomes = await Promise.allSettled(created.map((upload) => upload.create()));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') allocated.push(created[index]!.share.shareNumber);
      else refusal = diskError(outcome.reason, 'allocating');
    }
    if (refusal !== undefined && alreadyHave.length + allocated.length === 0) throw refusal;
    return { result: { alreadyHave, allocated: allocated.sort((a, b) => a - b) }, created };
  }

  /** The secrets, made for this server and checked. @throws StorageError BAD_REQUEST */
  #leaseSecrets(lease: LeaseSecretsFor): LeaseSecrets {
    return checkLease(lease(nodeIdOf(this.permutationSeed)));
  }

  /** When a lease that is given or renewed now ends, in seconds since 1970. */
  get #leaseEnd(): number {
    return Math.floor(this.#options.unixSeconds()) + LEASE_DURATION_SECONDS;
  }

  async #leaseShares(
    storageIndex: Uint8Array,
    shareNumbers: readonly number[],
    secrets: LeaseSecrets,
  ): Promise<void> {
    if (this.#options.readOnly) return;
    const lease = { ...secrets, expiresAtUnixSeconds: this.#leaseEnd };
    for (const number of shareNumbers) await leaseShare(this.#folder, shareName(storageIndex, number), lease);
  }

  /** Why a new upload of that size is not taken, or undefined when it is. */
  #refusal(neededBytes: number, availableBytes: number): StorageError | undefined {
    if (this.#options.readOnly) return new StorageError('READ_ONLY', 'this server takes no new shares');
    if (neededBytes > availableBytes) {
      return new StorageError(
        'NO_SPACE',
        `a share takes ${neededBytes} bytes and the server has ${availableBytes} left`,
      );
    }
    if (this.#uploads.size >= (this.#options.uploadsMax ?? 4096)) {
      return new StorageError(
        'NO_SPACE',
        `${this.#uploads.size} uploads are under way, as many as are taken`,
      );
    }
    return undefined;
  }

  #startUpload(terms: UploadTerms): Upload {
    const upload = new Upload(terms, this.#host);
    const idleMs = this.#options.idleUploadMs ?? IDLE_UPLOAD_MS;
    this.#uploads.set(terms.share.id, {
      upload,
      idle: this.#options.clock.setTimer(idleMs, () => this.#dropIfIdle(upload)),
      usedAtMs: this.#options.clock.now(),
    });
    return upload;
  }

  /** The timer is not moved at each write; when it fires it looks, and is armed for the rest. */
  #dropIfIdle(upload: Upload): void {
    const entry = this.#uploads.get(upload.share.id);
    if (entry?.upload !== upload) return;
    const { clock, idleUploadMs = IDLE_UPLOAD_MS } = this.#options;
    const restMs = upload.busy ? idleUploadMs : entry.usedAtMs + idleUploadMs - clock.now();
    if (restMs > 0) {
      entry.idle = clock.setTimer(restMs, () => this.#dropIfIdle(upload));
      return;
    }
    // When the file cannot be removed now, the next start does it.
    upload.abort().catch(() => {});
  }

  #uploadEnded(upload: Upload, finished: boolean): void {
    this.#uploads.get(upload.share.id)?.idle.cancel();
    this.#uploads.delete(upload.share.id);
    if (finished) this.#finished.set(upload.share.id, upload.secret);
  }

  /** @throws StorageError BAD_REQUEST, or SHARE_BUSY when the upload is somebody else's. */
  #findUpload(upload: UploadRef): { share: ShareName; held: Upload | undefined } {
    const { storageIndex, shareNumber, uploadSecret } = checkUploadRef(upload);
    const share = shareName(storageIndex, shareNumber);
    const entry = this.#uploads.get(share.id);
    if (entry === undefined) return { share, held: undefined };
    if (!entry.upload.isHeldBy(uploadSecret)) {
      throw busy(share);
    }
    entry.usedAtMs = this.#options.clock.now();
    return { share, held: entry.upload };
  }

  #wasFinishedWith(share: ShareName, secret: Uint8Array): boolean {
    const finishedWith = this.#finished.get(share.id);
    return finishedWith !== undefined && timingSafeEqual(finishedWith, secret);
  }

  /** What of the disk's free bytes is promised to nobody yet. */
  #availableBytes(freeBytes: number): number {
    if (this.#options.readOnly) return 0;
    let promisedBytes = 0;
    for (const { upload } of this.#uploads.values()) promisedBytes += upload.outstandingBytes;
    return Math.max(0, freeBytes - (this.#options.reservedBytes ?? 0) - promisedBytes);
  }

  async #read(share: ShareName, offset: number, length: number): Promise<Uint8Array> {
    if (this.#uploads.has(share.id)) throw unknownShare(share);
    let file: OpenFile;
    try {
      file = await this.#folder.openFinished(share);
    } catch (error) {
      if (fileErrorCode(error) === 'ENOENT') throw unknownShare(share);
      throw diskError(error, `opening share ${share.id}`);
    }
    try {
      const data = await readShareData(file, offset, length);
      if (data === undefined) {
        throw new StorageError('IO_ERROR', `share ${share.id} is damaged: its file is no immutable share`);
      }
      return data;
    } catch (error) {
      throw diskError(error, `reading share ${share.id}`);
    } finally {
      await file.close().catch(() => {});
    }
  }
}

function busy(share: ShareName): StorageError {
  return new StorageError('SHARE_BUSY', `another writer holds share ${share.id}`);
}

function unknownShare(share: ShareName): StorageError {
  return new StorageError('UNKNOWN_SHARE', `share ${share.id} is not here`);
}
