// One share on its way onto the disk: its file below incoming, which of its bytes have come, and the steps
// that make it a finished share. Who may do this, and what becomes of the upload afterwards, the server says.

import { timingSafeEqual } from 'node:crypto';
import { Intervals } from '../base/intervals.ts';
import { diskError } from './disk-error.ts';
import type { OpenFiles } from './open-files.ts';
import { TaskQueue } from './queues.ts';
import {
  encodeHeader,
  encodeLease,
  HEADER_BYTES,
  LEASE_BYTES,
  type Lease,
  WRITTEN_VERSION,
} from './share-container.ts';
import type { ShareFolder, ShareName } from './share-folder.ts';
import { type LeaseSecrets, StorageError } from './storage-server.ts';

/** An ordinary upload is written from front to back, a lossy network makes a few gaps; this bounds memory. */
const SEPARATE_RANGES_MAX = 16_384;

/** What an upload needs of its server. */
export interface UploadHost {
  readonly folder: ShareFolder;
  readonly openFiles: OpenFiles;
  /** The upload is over; its share is there (`finished`) or nothing is left of it. Called once. */
  ended(upload: Upload, finished: boolean): void;
}

/** What the client asked for, checked. */
export interface UploadTerms {
  readonly share: ShareName;
  /** Bytes of share data. */
  readonly allocatedSize: number;
  readonly secret: Uint8Array;
  readonly leaseSecrets: LeaseSecrets | undefined;
}

/** One share under upload. Its operations run one after another. */
export class Upload {
  readonly share: ShareName;
  readonly #terms: UploadTerms;
  readonly #host: UploadHost;
  readonly #path: string;
  readonly #queue = new TaskQueue(1);
  readonly #written = new Intervals();
  #state: 'open' | 'finished' | 'gone' = 'open';

  constructor(terms: UploadTerms, host: UploadHost) {
    // Copies: the secrets may be views of a large message, which must not live as long as the upload.
    const { secret, leaseSecrets } = terms;
    this.#terms = {
      ...terms,
      secret: Uint8Array.from(secret),
      leaseSecrets: leaseSecrets && copyOf(leaseSecrets),
    };
    this.share = terms.share;
    this.#host = host;
    this.#path = host.folder.incomingPath(terms.share);
  }

  /** Compares in constant time. */
  isHeldBy(secret: Uint8Array): boolean {
    return timingSafeEqual(this.#terms.secret, secret);
  }

  get secret(): Uint8Array {
    return this.#terms.secret;
  }

  /** False as soon as it is neither to be written nor closed, though its file may still be on its way out. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether an operation runs or waits. */
  get busy(): boolean {
    return !this.#queue.idle;
  }

  /** Bytes of the disk that it may still take, over what it has taken. */
  get outstandingBytes(): number {
    return fileBytes(this.#terms) - this.#written.total;
  }

  /** Makes the empty file. Called first and once, inside {@link ShareFolder.exclusively}. */
  create(): Promise<void> {
    return this.#queue.run(async () => {
      try {
        await this.#host.folder.makeIncomingFolder(this.share);
        await this.#host.openFiles.use(this.#path, 'create', async () => {});
      } catch (error) {
        this.#state = 'gone';
        await this.#removeFile().catch(() => {});
        this.#host.ended(this, false);
        throw diskError(error, `allocating share ${this.share.id}`);
      }
    });
  }

  /** @throws StorageError TOO_LARGE, UNKNOWN_SHARE, or what {@link diskError} makes: then the upload is over. */
  write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#state !== 'open') throw unknownUpload(this.share);
      const end = offset + bytes.length;
      if (end > this.#terms.allocatedSize) {
        throw new StorageError(
          'TOO_LARGE',
          `bytes up to ${end} do not fit into share ${this.share.id}, allocated with ${this.#terms.allocatedSize}`,
        );
      }
      if (bytes.length === 0) return;
      if (this.#written.rangeCount >= SEPARATE_RANGES_MAX) {
        throw new StorageError(
          'BAD_REQUEST',
          `share ${this.share.id} is written in too many separate pieces`,
        );
      }
      await this.#orEnd('writing', () =>
        this.#host.openFiles.use(this.#path, 'read-write', (file) =>
          file.write(bytes, HEADER_BYTES + offset),
        ),
      );
      this.#written.add(offset, end);
    }, signal);
  }

  /**
   * Resolves when the share is on the disk under its final name; at once when it is there already. A failed
   * sync is never tried again: the system may have dropped what it could not write, and would not say so twice.
   * @throws StorageError INCOMPLETE, UNKNOWN_SHARE, or what {@link diskError} makes: then the upload is over.
   */
  close(expiresAtUnixSeconds: number, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#state === 'finished') return;
      if (this.#state === 'gone') throw unknownUpload(this.share);
      const { allocatedSize, leaseSecrets } = this.#terms;
      const [gap] = this.#written.gaps(0, allocatedSize);
      if (gap !== undefined) {
        throw new StorageError(
          'INCOMPLETE',
          `share ${this.share.id} has ${this.#written.total} of ${allocatedSize} bytes, none from ${gap[0]} to ${gap[1]}`,
        );
      }
      const lease = leaseSecrets && { ...leaseSecrets, expiresAtUnixSeconds };
      await this.#orEnd('finishing', () => this.#writeContainer(lease));
      // The last moment at which the client may turn away: the upload stays as it was, to be closed or aborted.
      signal?.throwIfAborted();
      await this.#orEnd('finishing', () => this.#host.folder.finish(this.share));
      this.#state = 'finished';
      this.#host.ended(this, true);
    }, signal);
  }

  /** Removes the upload once what runs has ended; of one that is over, does nothing. */
  abort(signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#state === 'open') await this.#end();
    }, signal);
  }

  async #writeContainer(lease: Lease | undefined): Promise<void> {
    const { allocatedSize } = this.#terms;
    await this.#host.openFiles.use(this.#path, 'read-write', async (file) => {
      await file.write(encodeHeader(allocatedSize, lease === undefined ? 0 : 1), 0);
      if (lease !== undefined) {
        await file.write(encodeLease(lease, WRITTEN_VERSION), HEADER_BYTES + allocatedSize);
      }
      await file.sync();
    });
    await this.#host.openFiles.release(this.#path);
  }

  /** Runs `step`; when the disk fails, the upload is over and nothing of it stays. */
  async #orEnd(doing: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      await this.#end().catch(() => {});
      throw diskError(error, `${doing} share ${this.share.id}`);
    }
  }

  async #end(): Promise<void> {
    this.#state = 'gone';
    try {
      await this.#host.folder.exclusively(this.share, () => this.#removeFile());
    } catch (error) {
      throw diskError(error, `removing share ${this.share.id}`);
    } finally {
      this.#host.ended(this, false);
    }
  }

  async #removeFile(): Promise<void> {
    await this.#host.openFiles.release(this.#path).catch(() => {});
    await this.#host.folder.removeIncoming(this.share);
  }
}

/** Bytes of the whole file that an upload becomes. */
export function fileBytes(terms: Pick<UploadTerms, 'allocatedSize' | 'leaseSecrets'>): number {
  return HEADER_BYTES + terms.allocatedSize + (terms.leaseSecrets === undefined ? 0 : LEASE_BYTES);
}

export function unknownUpload(share: ShareName): StorageError {
  return new StorageError(
    'UNKNOWN_SHARE',
    `no upload of share ${share.id} is under way: finished, aborted, or lost in a restart`,
  );
}

function copyOf(secrets: LeaseSecrets): LeaseSecrets {
  return {
    renewSecret: Uint8Array.from(secrets.renewSecret),
    cancelSecret: Uint8Array.from(secrets.cancelSecret),
  };
}
