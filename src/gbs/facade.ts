// A StorageServer, whichever it is, for clients that speak Tahoe-LAFS's HTTP storage protocol: which operation a request
// asks for, and how its outcome is told. The protocol has no `close`; a share is closed here with its last byte.
// Sockets and TLS are https-facade.ts's business, the anatomy of requests is facade-request.ts's.

import { LRUCache } from 'lru-cache';
import { base32Decode, base32Encode } from '../base/base32.ts';
import { Intervals } from '../base/intervals.ts';
import { isShareNumber, READ_BYTES_MAX, REASON_BYTES_MAX } from '../storage/request-checks.ts';
import { StorageError, type StorageServer, type UploadRef } from '../storage/storage-server.ts';
import { decodeCbor, encodeCbor, field, integer } from './cbor.ts';
import {
  bodyInPieces,
  checkSwissnum,
  contentRangeOf,
  type FacadeAnswer,
  type FacadeRequest,
  Refused,
  rangeOf,
  secretsOf,
  wholeBody,
} from './facade-request.ts';

/** What is served, and to whom. */
export interface FacadeOptions {
  readonly server: StorageServer;
  /** Who shows it is let in. */
  readonly swissnum: string;
}

/** Answers requests. */
export class Facade {
  readonly #server: StorageServer;
  readonly #swissnum: string;
  /** By {@link uploadId}: which bytes of it have come. The server drops uploads that are idle for long. */
  readonly #uploads = new LRUCache<string, UploadState>({ max: UPLOADS_MAX });

  constructor({ server, swissnum }: FacadeOptions) {
    this.#server = server;
    this.#swissnum = swissnum;
  }

  /** Never throws: what goes wrong is an answer, too. */
  async answer(request: FacadeRequest): Promise<FacadeAnswer> {
    try {
      // Before anything of the body is read: strangers cost no memory.
      checkSwissnum(request, this.#swissnum);
      return await this.#route(request);
    } catch (error) {
      const { status, message } = refusalOf(error);
      return { status, headers: { 'Content-Type': 'text/plain' }, body: Buffer.from(`${message}\n`) };
    }
  }

  async #route(request: FacadeRequest): Promise<FacadeAnswer> {
    const { method, path } = request;
    if (!path.startsWith(PREFIX)) throw notFound();
    const steps = path.slice(PREFIX.length).split('/');
    const operation = `${method} ${patternOf(steps)}`;
    if (operation === 'GET version') return this.#version(request);
    if (steps[0] === 'mutable') {
      throw new Refused(
        501,
        'this server keeps immutable files only; mutable ones have to go to other servers',
      );
    }
    const storageIndex = storageIndexOf(steps[1]);
    const shareNumber = () => shareNumberOf(steps[2]);
    switch (operation) {
      case 'PUT lease/SI':
        return this.#lease(request, storageIndex);
      case 'POST immutable/SI':
        return this.#allocate(request, storageIndex);
      case 'GET immutable/SI/shares':
        return this.#shares(request, storageIndex);
      case 'PATCH immutable/SI/N':
        return this.#write(request, storageIndex, shareNumber());
      case 'PUT immutable/SI/N/abort':
        return this.#abort(request, storageIndex, shareNumber());
      case 'GET immutable/SI/N':
        return this.#read(request, storageIndex, shareNumber());
      case 'POST immutable/SI/N/corrupt':
        return this.#corrupt(request, storageIndex, shareNumber());
      default:
        throw notFound();
    }
  }

  async #version({ signal }: FacadeRequest): Promise<FacadeAnswer> {
    const version = await this.#server.version({ signal });
    const { applicationVersion, maximumImmutableShareSize, availableSpace } = version;
    const sizes = {
      'maximum-immutable-share-size': maximumImmutableShareSize,
      'maximum-mutable-share-size': maximumImmutableShareSize,
      'available-space': availableSpace,
    };
    return cborAnswer(
      new Map<Uint8Array, unknown>([
        [
          Buffer.from('http://allmydata.org/tahoe/protocols/storage/v1'),
          new Map(Object.entries(sizes).map(([key, value]) => [Buffer.from(key), integer(value)])),
        ],
        [Buffer.from('application-version'), Buffer.from(applicationVersion)],
      ]),
    );
  }

  async #lease(request: FacadeRequest, storageIndex: Uint8Array): Promise<FacadeAnswer> {
    const { signal } = request;
    const [renewSecret, cancelSecret] = secretsOf(request, 'lease-renew-secret', 'lease-cancel-secret');
    if ((await this.#server.list(storageIndex, { signal })).length === 0) throw notFound();
    const lease = { renewSecret: renewSecret!, cancelSecret: cancelSecret! };
    await this.#server.addLease(storageIndex, () => lease, { signal });
    return { status: 204 };
  }

  async #allocate(request: FacadeRequest, storageIndex: Uint8Array): Promise<FacadeAnswer> {
    const { signal } = request;
    const [renewSecret, cancelSecret, uploadSecret] = secretsOf(
      request,
      'lease-renew-secret',
      'lease-cancel-secret',
      'upload-secret',
    );
    const body = decodeBody(await wholeBody(request, ALLOCATE_BODY_BYTES_MAX));
    const wanted = field(body, 'share-numbers');
    const allocatedSize = field(body, 'allocated-size');
    if (!(wanted instanceof Set) || typeof allocatedSize !== 'number') {
      throw new Refused(400, 'a set "share-numbers" and an integer "allocated-size" are wanted');
    }
    const lease = { renewSecret: renewSecret!, cancelSecret: cancelSecret! };
    const result = await this.#server
      .allocate(
        {
          storageIndex,
          shareNumbers: [...wanted] as number[],
          allocatedSize,
          uploadSecret: uploadSecret!,
          lease: () => lease,
        },
        { signal },
      )
      .catch((error: unknown) => {
        // The protocol says this by giving nothing.
        if (error instanceof StorageError && GIVES_NOTHING.has(error.code)) return { allocated: [] };
        throw error;
      });
    for (const shareNumber of result.allocated) {
      const id = uploadId({ storageIndex, shareNumber, uploadSecret: uploadSecret! });
      if (this.#uploads.get(id)?.allocatedSize !== allocatedSize) {
        this.#uploads.set(id, { allocatedSize, written: new Intervals() });
      }
    }
    // Tahoe-LAFS names every share that it has, also those that were not asked for.
    const had = await this.#server.list(storageIndex, { signal });
    return cborAnswer({ 'already-have': new Set(had), allocated: new Set(result.allocated) });
  }

  async #write(request: FacadeRequest, storageIndex: Uint8Array, shareNumber: number): Promise<FacadeAnswer> {
    const { signal } = request;
    const [uploadSecret] = secretsOf(request, 'upload-secret');
    const upload = { storageIndex, shareNumber, uploadSecret: uploadSecret! };
    const { offset, length } = contentRangeOf(request);
    const state = this.#uploads.get(uploadId(upload));
    let at = offset;
    for await (const piece of bodyInPieces(request, PIECE_BYTES)) {
      if (at + piece.length > offset + length) {
        throw new Refused(400, 'the body is longer than its Content-Range says');
      }
      // Also without a state: whose upload it is, and whether it is there, the server says.
      await this.#server.write(upload, at, piece, { signal });
      state?.written.add(at, at + piece.length);
      at += piece.length;
    }
    if (at < offset + length) throw new Refused(400, 'the body is shorter than its Content-Range says');
    if (state === undefined) throw notFound();
    const gaps = state.written.gaps(0, state.allocatedSize, GAPS_NAMED_MAX);
    if (gaps.length === 0) {
      await this.#server.close(upload, { signal });
      this.#uploads.delete(uploadId(upload));
    }
    const required = gaps.map(([begin, end]) => ({ begin: integer(begin), end: integer(end) }));
    return cborAnswer({ required }, gaps.length === 0 ? 201 : 200);
  }

  async #abort(request: FacadeRequest, storageIndex: Uint8Array, shareNumber: number): Promise<FacadeAnswer> {
    const { signal } = request;
    const [uploadSecret] = secretsOf(request, 'upload-secret');
    const upload = { storageIndex, shareNumber, uploadSecret: uploadSecret! };
    await this.#server.abort(upload, { signal });
    if (this.#uploads.delete(uploadId(upload))) return { status: 200 };
    const isShare = (await this.#server.list(storageIndex, { signal })).includes(shareNumber);
    throw isShare ? new Refused(405, 'the share is complete already') : notFound();
  }

  async #shares({ signal }: FacadeRequest, storageIndex: Uint8Array): Promise<FacadeAnswer> {
    return cborAnswer(new Set(await this.#server.list(storageIndex, { signal })));
  }

  async #read(request: FacadeRequest, storageIndex: Uint8Array, shareNumber: number): Promise<FacadeAnswer> {
    const { signal } = request;
    const range = rangeOf(request);
    const headers = { 'Content-Type': 'application/octet-stream' };
    const read = (offset: number, length: number) =>
      this.#server.read(storageIndex, shareNumber, offset, length, { signal });
    if (range === undefined) {
      const first = await read(0, PIECE_BYTES);
      return { status: 200, headers, body: wholeShare(first, read) };
    }
    const { offset, length } = range;
    // A part of what was asked for is an answer, too (RFC 9110, 15.3.7).
    const bytes = await read(offset, Math.min(length, READ_BYTES_MAX));
    if (bytes.length === 0) return { status: 204, headers };
    const contentRange = `bytes ${offset}-${offset + bytes.length - 1}/*`;
    return { status: 206, headers: { ...headers, 'Content-Range': contentRange }, body: bytes };
  }

  async #corrupt(
    request: FacadeRequest,
    storageIndex: Uint8Array,
    shareNumber: number,
  ): Promise<FacadeAnswer> {
    const reason = field(decodeBody(await wholeBody(request, CORRUPT_BODY_BYTES_MAX)), 'reason');
    if (typeof reason !== 'string') throw new Refused(400, 'a text "reason" is wanted');
    const { signal } = request;
    if (!(await this.#server.list(storageIndex, { signal })).includes(shareNumber)) throw notFound();
    await this.#server.adviseCorrupt(storageIndex, shareNumber, reason, { signal });
    return { status: 200 };
  }
}

interface UploadState {
  readonly allocatedSize: number;
  readonly written: Intervals;
}

async function* wholeShare(
  first: Uint8Array,
  read: (offset: number, length: number) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  for (let piece = first; piece.length > 0; piece = await read(at, PIECE_BYTES)) {
    yield piece;
    at += piece.length;
  }
}

function cborAnswer(value: unknown, status = 200): FacadeAnswer {
  return { status, headers: { 'Content-Type': 'application/cbor' }, body: encodeCbor(value) };
}

function decodeBody(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes);
  } catch (error) {
    throw new Refused(400, (error as Error).message);
  }
}

/** `immutable/SI/N/abort`: a path with names in the place of values. */
function patternOf(steps: readonly string[]): string {
  const names = steps.map((step, i) => {
    if (i === 1) return 'SI';
    return i === 2 && step !== 'shares' ? 'N' : step;
  });
  return names.join('/');
}

function storageIndexOf(text: string | undefined): Uint8Array {
  const storageIndex = base32Decode(text ?? '');
  if (storageIndex?.length !== STORAGE_INDEX_BYTES) throw notFound();
  return storageIndex;
}

function shareNumberOf(text: string | undefined): number {
  const number = /^(?:0|[1-9]\d{0,2})$/.test(text ?? '') ? Number(text) : undefined;
  if (!isShareNumber(number)) throw notFound();
  return number;
}

function notFound(): Refused {
  return new Refused(404, 'there is nothing here');
}

/** Whatever was thrown, as a status and a sentence for the client. */
function refusalOf(error: unknown): { status: number; message: string } {
  if (error instanceof Refused) return error;
  if (error instanceof StorageError) return { status: STATUSES[error.code], message: error.message };
  // What the way to a server behind this one says; or a mistake here, of which strangers learn nothing.
  return { status: 502, message: 'the storage behind this server did not do it' };
}

const STATUSES: Readonly<Record<StorageError['code'], number>> = {
  UNKNOWN_SHARE: 404,
  // The secret of the request is not the one that the upload began with.
  SHARE_BUSY: 401,
  BAD_REQUEST: 400,
  TOO_LARGE: 413,
  READ_ONLY: 403,
  INCOMPLETE: 409,
  NO_SPACE: 507,
  IO_ERROR: 500,
  STOPPED: 503,
};

const GIVES_NOTHING: ReadonlySet<StorageError['code']> = new Set([
  'NO_SPACE',
  'READ_ONLY',
  'TOO_LARGE',
  'SHARE_BUSY',
]);

function uploadId({ storageIndex, shareNumber, uploadSecret }: UploadRef): string {
  return `${base32Encode(storageIndex)}/${shareNumber}/${Buffer.from(uploadSecret).toString('base64')}`;
}

const PREFIX = '/storage/v1/';
const STORAGE_INDEX_BYTES = 16;
/** More than a disk server has under way at a time. */
const UPLOADS_MAX = 8192;
/** 256 share numbers and a size take a tenth of it. */
const ALLOCATE_BODY_BYTES_MAX = 8 * 1024;
const CORRUPT_BODY_BYTES_MAX = REASON_BYTES_MAX + 64;
/** What of a body, or of a share that is read whole, is in memory at a time. */
const PIECE_BYTES = 1024 * 1024;
/** A client that has left more gaps than this learns of the others when these are filled. */
const GAPS_NAMED_MAX = 1000;
