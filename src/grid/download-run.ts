// One pass over a file on servers: locates shares, keeps some segments under way ahead of the reader, hands their
// bytes out in order. Share-finder.ts locates, segment-fetch.ts chooses among servers, decode.ts proves and decodes.

import type { StorageServer } from '../storage/storage-server.ts';
import { type ChkFile, storageIndexOf } from '../tahoe/capability.ts';
import { permuteServers } from '../tahoe/permutation.ts';
import type { Segmentation } from '../tahoe/segments.ts';
import { ALTERED_ADVICE, AlteredCapabilityError, InconsistentFileError } from './decode.ts';
import type { Corruption, DownloadOptions, DownloadProgress } from './download-options.ts';
import { Errands } from './errands.ts';
import { describeShares, GridError, type GridErrorCode, outcomeOf } from './error.ts';
import { BLOCKS_TOLERATED, type Lateness, LateWatch } from './late-watch.ts';
import { Notice } from './notice.ts';
import { type FetchPool, SegmentFetch } from './segment-fetch.ts';
import { ServerRecords } from './server-record.ts';
import { ShareFinder } from './share-finder.ts';
import { type SharedFile, ShareReader } from './share-reader.ts';

/** One pass; it begins with {@link read} and ends with {@link cancel}. */
export class DownloadRun {
  readonly #pool: FetchPool;
  readonly #options: DownloadOptions;
  readonly #capability: ChkFile;
  readonly #finder: ShareFinder;
  readonly #readers = new Set<ShareReader>();
  /** The last failure of each server that had been found to have shares. */
  readonly #failures = new Map<StorageServer, string>();
  readonly #corruptions: Corruption[];
  readonly #corruptShares = new Set<number>();
  readonly #fetches = new Set<SegmentFetch>();
  readonly #changed = new Notice();
  readonly #errands: Errands;
  readonly #startedAtMs: number;
  #cancelled: { readonly reason: unknown } | undefined;

  constructor(
    capability: ChkFile,
    servers: readonly StorageServer[],
    options: DownloadOptions,
    corruptions: Corruption[],
  ) {
    this.#options = options;
    this.#capability = capability;
    this.#corruptions = corruptions;
    const { clock, random } = options;
    this.#startedAtMs = clock.now();
    this.#errands = new Errands(clock);
    const storageIndex = storageIndexOf(capability);
    const records = options.records ?? new ServerRecords(clock);
    const watch = () =>
      new LateWatch<(lateness: Lateness) => void>({
        clock,
        floorMs: 100,
        unknownMs: 400,
        toleratedFactor: BLOCKS_TOLERATED,
        onLate: ({ subject, lateness }) => subject(lateness),
      });
    const file: SharedFile = {
      capability,
      storageIndex,
      decoder: undefined,
      treeReads: watch(),
      blockReads: watch(),
      onDecoder: () => this.#changed.give(),
    };
    this.#finder = new ShareFinder({
      servers: permuteServers(storageIndex, servers),
      storageIndex,
      needed: capability.needed,
      total: capability.total,
      clock,
      random,
      onFound: (server, share) => {
        this.#readers.add(new ShareReader(server, share, records.of(server), file));
      },
      onChange: () => this.#stepAll(),
    });
    this.#pool = {
      clock,
      random,
      file,
      records,
      readers: this.#readers,
      hedgesInFlight: 0,
      hedgesStarted: 0,
      retries: options.retries,
      onHedgeSettled: () => this.#stepAll(),
      probes: new Set(),
      wantMore: () => this.#finder.wantMore(),
      isExhausted: () => this.#finder.isExhausted,
      onCorrupt: (reader, what) => this.#excludeShare(reader, what),
      onFailed: ({ server }, error) => this.#failures.set(server, outcomeOf(error)),
      notEnough: () => this.#notEnough(),
    };
  }

  /** How often another server was asked because one was late. */
  get hedges(): number {
    return this.#pool.hedgesStarted;
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
    await this.#errands.settle({ suspectsMs: 0, othersMs: ADVICE_MS });
  }

  /** Cancels all that is out; whoever waits gets `reason`. Once only, and also when everything is done. */
  cancel(reason: unknown): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = { reason };
    this.#finder.close();
    for (const fetch of this.#fetches) fetch.cancel(reason);
    for (const probe of this.#pool.probes) probe.abort(reason);
    void this.#errands.settle({ suspectsMs: 0, othersMs: 0 });
    this.#pool.file.treeReads.close();
    this.#pool.file.blockReads.close();
    this.#changed.give();
  }

  #fetch(segmentIn: ConstructorParameters<typeof SegmentFetch>[0]): SegmentFetch {
    const fetch = new SegmentFetch(segmentIn, this.#pool);
    this.#fetches.add(fetch);
    if (this.#cancelled !== undefined) fetch.cancel(this.#cancelled.reason);
    return fetch;
  }

  async #result(fetch: SegmentFetch): Promise<Uint8Array> {
    try {
      return await fetch.plaintext;
    } catch (error) {
      if (error instanceof AlteredCapabilityError) {
        throw this.#error('BAD_CAPABILITY', error.message, ALTERED_ADVICE, error);
      }
      if (!(error instanceof InconsistentFileError)) throw error;
      throw this.#error('CORRUPT', error.message, 'No copy of it can help: upload the file again.', error);
    } finally {
      this.#fetches.delete(fetch);
    }
  }

  /** How the file is cut, as soon as the first share was opened. */
  async #segmentation(first: SegmentFetch): Promise<Segmentation> {
    let hasFailed = false;
    first.plaintext.catch(() => {
      hasFailed = true;
      this.#changed.give();
    });
    for (;;) {
      const { decoder } = this.#pool.file;
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
    this.#errands.adviseCorrupt(reader.server, this.#pool.file.storageIndex, reader.shareNumber, what);
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
        usable.size === 0
          ? 'Is the capability complete and unchanged, to its last number? Else restore the shares from a copy.'
          : 'Bring back the servers that did not answer, or restore the damaged shares from a copy.',
      );
    }
    return this.#error(
      'NOT_ENOUGH_SHARES',
      `only ${usable.size} of the ${needed} different shares needed could be read`,
      'Bring back the servers that did not answer and try again.',
    );
  }

  #error(code: GridErrorCode, problem: string, advice: string, cause?: unknown): GridError {
    const corruptAt = (name: string) =>
      this.#corruptions.filter(({ serverName }) => serverName === name).map(({ shareNumber }) => shareNumber);
    const failures = new Map([...this.#failures].map(([server, outcome]) => [server.name, outcome]));
    const servers = this.#finder.outcomes.map(({ name, outcome }) => {
      const failure = failures.has(name) ? `, then ${failures.get(name)}` : '';
      const corrupt = corruptAt(name);
      const verb = corrupt.length === 1 ? 'is' : 'are';
      const damage = corrupt.length === 0 ? '' : `, ${describeShares(corrupt)} ${verb} corrupt`;
      return { name, outcome: `${outcome}${damage}${failure}` };
    });
    return new GridError(code, {
      problem,
      advice,
      stage: this.#pool.file.decoder === undefined ? 'locating' : 'reading',
      elapsedMs: this.#options.clock.now() - this.#startedAtMs,
      servers,
      cause,
    });
  }
}

/** At the end, for servers to take note of shares that were found damaged. */
const ADVICE_MS = 500;
const READ_AHEAD_BYTES = 8 * 1024 * 1024;
const READ_AHEAD_SEGMENTS_MAX = 32;
