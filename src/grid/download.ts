// Gets a file from the grid as a stream: locates shares, keeps some segments under way ahead of the reader, hands
// them out in order. Share-finder.ts locates, segment-fetch.ts chooses among servers, decode.ts proves and decodes.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { type Capability, CapabilityError, parseCapability, storageIndexOf } from '../tahoe/capability.ts';
import { permuteServers } from '../tahoe/permutation.ts';
import { InconsistentFileError } from './decode.ts';
import { GridError, type GridErrorCode, outcomeOf } from './error.ts';
import { LateWatch, type LateWatchOptions } from './late-watch.ts';
import { Notice } from './notice.ts';
import { type FetchPool, SegmentFetch } from './segment-fetch.ts';
import { ServerRecords } from './server-record.ts';
import { ShareFinder } from './share-finder.ts';
import { type SharedFile, ShareReader } from './share-reader.ts';

/** A part of a file. */
export interface ByteRange {
  readonly offset: number;
  /** What lies beyond the end of the file is left out; `Infinity`: to the end. */
  readonly length: number;
}

/** How to download. */
export interface DownloadOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Cancels the download: whoever waits for bytes gets the signal's reason at once. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the whole file. */
  readonly range?: ByteRange | undefined;
  /** Segments under way at once, the one that is waited for counted; default: as many as make 8 MiB. */
  readonly readAheadSegments?: number | undefined;
  /** What earlier downloads learnt of the servers; give the same one to each to have them learn together. */
  readonly records?: ServerRecords | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** How far a download is. */
export interface DownloadProgress {
  readonly stage: 'locating' | 'reading';
  /** Bytes that were handed out. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** A share that was not what its file has there. */
export interface Corruption {
  readonly shareNumber: number;
  readonly serverName: string;
  /** Which part of it, e.g. `its block of segment 3 does not fit its hash`. */
  readonly what: string;
}

/**
 * A file on its way. Iterate over it once; nothing is asked of any server before. Leaving the loop, an error and an
 * abort cancel all that is out.
 */
export interface Download extends AsyncIterable<Uint8Array> {
  /** The size of the whole file. */
  readonly sizeBytes: number;
  /** Bytes that this download gives: the range. */
  readonly rangeBytes: number;
  /** Corrupt shares met so far; the bytes handed out are not touched by them. */
  readonly corruptions: readonly Corruption[];
  /** How often another server was asked because one was late. */
  readonly hedges: number;
}

/**
 * Downloads the file that a capability (LIT or CHK) names.
 *
 * Iterating throws GridError NOT_FOUND, NOT_ENOUGH_SHARES or CORRUPT, or `signal.reason`.
 * @param servers in any order.
 * @throws GridError BAD_CAPABILITY, BAD_ARGUMENT
 */
export function download(
  capability: string,
  servers: readonly StorageServer[],
  options: DownloadOptions,
): Download {
  return new FileDownload(parse(capability), servers, options);
}

type ReadableCapability = Exclude<Capability, { kind: 'chk-verifier' }>;
type ChkCapability = Extract<Capability, { kind: 'chk' }>;

class FileDownload implements Download {
  readonly sizeBytes: number;
  readonly rangeBytes: number;
  readonly #offset: number;
  readonly #capability: ReadableCapability;
  readonly #servers: readonly StorageServer[];
  readonly #options: DownloadOptions;
  readonly #corruptions: Corruption[] = [];
  #pool: FetchPool | undefined;
  #isStarted = false;

  constructor(capability: ReadableCapability, servers: readonly StorageServer[], options: DownloadOptions) {
    this.#capability = capability;
    this.#servers = servers;
    this.#options = options;
    this.sizeBytes = capability.kind === 'lit' ? capability.bytes.length : capability.sizeBytes;
    const { offset, length } = options.range ?? { offset: 0, length: Number.POSITIVE_INFINITY };
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.sizeBytes || !(length >= 0)) {
      throw badArgument(
        `the range of ${length} bytes from ${offset} is not in the file of ${this.sizeBytes}`,
      );
    }
    this.#offset = offset;
    this.rangeBytes = Math.min(Math.floor(length), this.sizeBytes - offset);
  }

  get corruptions(): readonly Corruption[] {
    return this.#corruptions;
  }

  get hedges(): number {
    return this.#pool?.hedgesStarted ?? 0;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    if (this.#isStarted) throw badArgument('a download can be read once only');
    this.#isStarted = true;
    const { signal } = this.#options;
    const capability = this.#capability;
    if (capability.kind === 'lit') return this.#literal(capability.bytes);

    const run = new DownloadRun(capability, this.#servers, this.#options, this.#corruptions);
    this.#pool = run.pool;
    const bytes = run.read(this.#offset, this.rangeBytes);
    const onAbort = () => run.cancel(signal!.reason);
    let isOver = false;
    const end = () => {
      isOver = true;
      signal?.removeEventListener('abort', onAbort);
      run.cancel(new Error('the reader has gone away'));
    };
    signal?.addEventListener('abort', onAbort);
    return {
      next: async () => {
        try {
          if (!isOver) signal?.throwIfAborted();
          const result = await bytes.next();
          if (result.done) end();
          return result.done ? { done: true, value: undefined } : result;
        } catch (error) {
          const wasOver = isOver;
          end();
          // Who has left, with a `next` still open, is not told of an error.
          if (wasOver) return { done: true, value: undefined };
          throw error;
        }
      },
      return: async () => {
        end();
        await bytes.return(undefined);
        return { done: true, value: undefined };
      },
    };
  }

  async *#literal(bytes: Uint8Array): AsyncGenerator<Uint8Array, undefined> {
    this.#options.signal?.throwIfAborted();
    if (this.rangeBytes > 0) yield bytes.slice(this.#offset, this.#offset + this.rangeBytes);
  }
}

/** One pass over a file that is on servers. */
class DownloadRun {
  readonly pool: FetchPool;
  readonly #options: DownloadOptions;
  readonly #capability: ChkCapability;
  readonly #finder: ShareFinder;
  readonly #readers = new Set<ShareReader>();
  /** The last failure of each server that had been found to have shares. */
  readonly #failures = new Map<StorageServer, string>();
  readonly #corruptions: Corruption[];
  readonly #corruptShares = new Set<number>();
  readonly #fetches = new Set<SegmentFetch>();
  readonly #changed = new Notice();
  readonly #startedAtMs: number;
  #cancelled: { readonly reason: unknown } | undefined;

  constructor(
    capability: ChkCapability,
    servers: readonly StorageServer[],
    options: DownloadOptions,
    corruptions: Corruption[],
  ) {
    this.#options = options;
    this.#capability = capability;
    this.#corruptions = corruptions;
    const { clock } = options;
    this.#startedAtMs = clock.now();
    const storageIndex = storageIndexOf(capability);
    const records = options.records ?? new ServerRecords(clock);
    const late: Pick<LateWatchOptions<(lateness: never) => void>, 'clock' | 'floorMs'> = {
      clock,
      floorMs: 100,
    };
    const onLate: SharedFileWatch['onLate'] = ({ subject, lateness }) => subject(lateness);
    const file: SharedFile = {
      capability,
      storageIndex,
      decoder: undefined,
      treeReads: new LateWatch({ ...late, unknownMs: 400, onLate }),
      blockReads: new LateWatch({ ...late, unknownMs: 400, onLate }),
      onDecoder: () => this.#changed.give(),
    };
    this.#finder = new ShareFinder({
      servers: permuteServers(storageIndex, servers),
      storageIndex,
      needed: capability.needed,
      total: capability.total,
      clock,
      onFound: (server, share) => {
        this.#readers.add(new ShareReader(server, share, records.of(server), file));
      },
      onChange: () => this.#stepAll(),
    });
    this.pool = {
      clock,
      file,
      records,
      readers: this.#readers,
      hedgesInFlight: 0,
      hedgesStarted: 0,
      onHedgeSettled: () => this.#stepAll(),
      probes: new Set(),
      wantMore: () => this.#finder.wantMore(),
      isExhausted: () => this.#finder.isExhausted,
      onCorrupt: (reader, what) => this.#excludeShare(reader, what),
      onFailed: ({ server }, error) => this.#failures.set(server, outcomeOf(error)),
      notEnough: () => this.#notEnough(),
    };
  }

  /** The bytes of a range, a segment (or what the range has of it) at a time. */
  async *read(offset: number, rangeBytes: number): AsyncGenerator<Uint8Array, undefined> {
    if (rangeBytes === 0) return;
    const { onProgress } = this.#options;
    const end = offset + rangeBytes;
    let doneBytes = 0;
    const report = (stage: DownloadProgress['stage']) =>
      onProgress?.({ stage, doneBytes, totalBytes: rangeBytes });
    report('locating');
    // The first segment is asked for before it is known how the file is cut, and so which one it is.
    const segmentAt = (byte: number) => (cut: { segmentSizeBytes: number }) =>
      Math.floor(byte / cut.segmentSizeBytes);
    this.#finder.start();
    const first = this.#fetch(segmentAt(offset));
    const cut = await this.#segmentation(first);
    report('reading');

    const ahead = this.#readAheadSegments(cut.segmentSizeBytes);
    const last = segmentAt(end - 1)(cut);
    const underWay = [first];
    let next = segmentAt(offset)(cut) + 1;
    for (let segment = next - 1; segment <= last; segment++) {
      for (; next <= last && underWay.length < ahead; next++) {
        const number = next;
        underWay.push(this.#fetch(() => number));
      }
      const plaintext = await this.#result(underWay.shift()!);
      const begin = cut.offsetOf(segment);
      const bytes = plaintext.subarray(Math.max(0, offset - begin), end - begin);
      doneBytes += bytes.length;
      report('reading');
      yield bytes;
    }
  }

  /** Cancels all that is out; whoever waits gets `reason`. Once only, and also when everything is done. */
  cancel(reason: unknown): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = { reason };
    this.#finder.close();
    for (const fetch of this.#fetches) fetch.cancel(reason);
    for (const probe of this.pool.probes) probe.abort(reason);
    this.pool.file.treeReads.close();
    this.pool.file.blockReads.close();
    this.#changed.give();
  }

  #fetch(segmentIn: ConstructorParameters<typeof SegmentFetch>[0]): SegmentFetch {
    const fetch = new SegmentFetch(segmentIn, this.pool);
    this.#fetches.add(fetch);
    return fetch;
  }

  async #result(fetch: SegmentFetch): Promise<Uint8Array> {
    try {
      return await fetch.plaintext;
    } catch (error) {
      if (!(error instanceof InconsistentFileError)) throw error;
      throw this.#error('CORRUPT', error.message, 'No copy of it can help: upload the file again.', error);
    } finally {
      this.#fetches.delete(fetch);
    }
  }

  /** How the file is cut, as soon as the first share was opened. */
  async #segmentation(first: SegmentFetch): Promise<NonNullable<SharedFile['decoder']>['segmentation']> {
    let hasFailed = false;
    first.plaintext.catch(() => {
      hasFailed = true;
      this.#changed.give();
    });
    for (;;) {
      const { decoder } = this.pool.file;
      if (decoder !== undefined) return decoder.segmentation;
      if (hasFailed) await this.#result(first);
      await this.#changed.next();
    }
  }

  #readAheadSegments(segmentSizeBytes: number): number {
    const { readAheadSegments } = this.#options;
    if (readAheadSegments !== undefined) return Math.max(1, readAheadSegments);
    return Math.min(READ_AHEAD_SEGMENTS_MAX, Math.max(1, Math.floor(READ_AHEAD_BYTES / segmentSizeBytes)));
  }

  #stepAll(): void {
    for (const fetch of [...this.#fetches]) fetch.step();
  }

  #excludeShare(reader: ShareReader, what: string): void {
    if (!this.#readers.delete(reader)) return;
    this.#corruptShares.add(reader.shareNumber);
    this.#corruptions.push({ shareNumber: reader.shareNumber, serverName: reader.server.name, what });
  }

  /** The error when nothing is left to ask. */
  #notEnough(): GridError {
    const { needed } = this.#capability;
    const usable = new Set([...this.#readers].map(({ shareNumber }) => shareNumber));
    const found = new Set([...usable, ...this.#corruptShares]);
    if (found.size === 0 && this.#finder.hasEveryAnswer) {
      return this.#error(
        'NOT_FOUND',
        'no server has a share of this file',
        'Is this the grid that the file was uploaded to? Are all of its servers known here?',
      );
    }
    if (found.size >= needed && usable.size < needed) {
      return this.#error(
        'CORRUPT',
        `${found.size} different shares were found, but only ${usable.size} of them are intact and ${needed} are needed`,
        'Bring back the servers that did not answer, or restore the damaged shares from a copy.',
      );
    }
    return this.#error(
      'NOT_ENOUGH_SHARES',
      `only ${usable.size === 0 ? 'none' : usable.size} of the ${needed} different shares needed could be read`.replace(
        'only none',
        'none',
      ),
      'Bring back the servers that did not answer and try again.',
    );
  }

  #error(code: GridErrorCode, problem: string, advice: string, cause?: unknown): GridError {
    const corrupt = new Map(
      this.#corruptions.map(({ serverName, shareNumber }) => [serverName, shareNumber]),
    );
    const failures = new Map([...this.#failures].map(([server, outcome]) => [server.name, outcome]));
    const servers = this.#finder.outcomes.map(({ name, outcome }) => {
      const failure = failures.has(name) ? `, then ${failures.get(name)}` : '';
      const damage = corrupt.has(name) ? `, share ${corrupt.get(name)} is corrupt` : '';
      return { name, outcome: `${outcome}${damage}${failure}` };
    });
    return new GridError(code, {
      problem,
      advice,
      stage: this.pool.file.decoder === undefined ? 'locating' : 'reading',
      elapsedMs: this.#options.clock.now() - this.#startedAtMs,
      servers,
      cause,
    });
  }
}

type SharedFileWatch = LateWatchOptions<Parameters<SharedFile['treeReads']['ask']>[1]>;

function parse(text: string): ReadableCapability {
  try {
    const capability = parseCapability(text);
    if (capability.kind !== 'chk-verifier') return capability;
  } catch (error) {
    if (!(error instanceof CapabilityError)) throw error;
    throw badCapability(error.message, error);
  }
  throw badCapability('a verifier capability (URI:CHK-Verifier:) serves to check a file, not to read it');
}

function badCapability(problem: string, cause?: unknown): GridError {
  const advice = 'Use a capability as `put` printed it, from URI:LIT: or URI:CHK: to its last number.';
  return new GridError('BAD_CAPABILITY', { problem, advice, stage: 'preparing', elapsedMs: 0, cause });
}

function badArgument(problem: string): GridError {
  const advice = 'Correct the arguments of `download`.';
  return new GridError('BAD_ARGUMENT', { problem, advice, stage: 'preparing', elapsedMs: 0 });
}

const READ_AHEAD_BYTES = 8 * 1024 * 1024;
const READ_AHEAD_SEGMENTS_MAX = 32;
