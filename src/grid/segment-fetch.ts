// One segment from any k of its blocks: asks the k servers that are likely to be the quickest, and another one at
// once for each that fails or is late, share by share; the first k proven blocks win, the others are cancelled.

import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { Segmentation } from '../tahoe/segments.ts';
import { AlteredCapabilityError } from './decode.ts';
import { isAtLeast, type Lateness } from './late-watch.ts';
import { retryDelayMs, TRIES_MAX } from './retry.ts';
import type { ServerRecords } from './server-record.ts';
import { CorruptShareError, type SharedFile, type ShareReader } from './share-reader.ts';

/** What the fetches of one download share. */
export interface FetchPool {
  readonly clock: Clock;
  readonly random: Random;
  readonly file: SharedFile;
  readonly records: ServerRecords;
  /** Every located share that is not known to be corrupt. */
  readonly readers: ReadonlySet<ShareReader>;
  /** How many attempts are out that hedge a late one and are not late themselves. */
  hedgesInFlight: number;
  /** Pays for hedges. */
  readonly retries: RetryBudget | undefined;
  /** There are fewer: a fetch that waits for its turn to hedge can do so. */
  readonly onHedgeSettled: () => void;
  /** How many hedges there were. */
  hedgesStarted: number;
  /** Attempts that nobody waits for; they may outlive their fetch. */
  readonly probes: Set<AbortController>;
  /** More shares are needed than are located. */
  readonly wantMore: () => void;
  /** No share will be located any more. */
  readonly isExhausted: () => boolean;
  readonly onCorrupt: (reader: ShareReader, what: string) => void;
  readonly onFailed: (reader: ShareReader, error: unknown) => void;
  /** The error of a segment for which nothing is left to ask. */
  readonly notEnough: () => Error;
}

/** The download of one segment. `step` has to be called whenever the pool has changed. */
export class SegmentFetch {
  /**
   * The plaintext. Rejects with the pool's error, InconsistentFileError, AlteredCapabilityError, or the reason of
   * `cancel`.
   */
  readonly plaintext: Promise<Uint8Array>;
  readonly #segmentIn: (cut: Segmentation) => number;
  readonly #pool: FetchPool;
  readonly #blocks = new Map<number, { readonly block: Uint8Array; readonly reader: ShareReader }>();
  readonly #attempts = new Map<ShareReader, Attempt>();
  readonly #failures = new Map<ShareReader, { tries: number; notBeforeMs: number }>();
  #retryTimer: Timer | undefined;
  /** Set while a hedge waits for a token. */
  #payTimer: Timer | undefined;
  #settle!: { resolve: (plaintext: Uint8Array) => void; reject: (reason: unknown) => void };
  #isOver = false;

  /** @param segmentIn the segment's number, which may depend on how the file turns out to be cut. */
  constructor(segmentIn: (cut: Segmentation) => number, pool: FetchPool) {
    this.#segmentIn = segmentIn;
    this.#pool = pool;
    this.plaintext = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever waits sees the rejection; who has gone away is not to be punished for it.
    this.plaintext.catch(() => {});
    this.step();
  }

  /** Never mind: cancels what is out. */
  cancel(reason: unknown): void {
    this.#end();
    this.#settle.reject(reason);
  }

  /** Asks whoever is to be asked now. */
  step(): void {
    if (this.#isOver) return;
    const { needed } = this.#pool.file.capability;
    for (;;) {
      const inTime = [...this.#attempts.values()].filter(
        ({ lateness, isProbe }) => lateness === 'due' && !isProbe,
      );
      if (this.#blocks.size + inTime.length >= needed) break;
      const isHedge = this.#blocks.size + this.#attempts.size >= needed;
      if (isHedge && this.#pool.hedgesInFlight >= Math.max(2 * needed, HEDGES_IN_FLIGHT_MIN)) break;
      const reader = this.#best(this.#candidates());
      if (reader === undefined) {
        this.#pool.wantMore();
        break;
      }
      if (isHedge && !this.#pay()) break;
      this.#ask(reader, { isHedge, isProbe: false });
    }
    this.#probe();
    if (this.#isHopeless()) {
      this.#end();
      this.#settle.reject(this.#pool.notEnough());
    }
  }

  /** Whether a hedge may be made; if not, tries again when there is a token. */
  #pay(): boolean {
    const { clock, retries } = this.#pool;
    const nowMs = clock.now();
    if (retries === undefined) return true;
    if (this.#payTimer !== undefined) return false;
    if (retries.take(nowMs)) return true;
    this.#payTimer = clock.setTimer(retries.comeBackAtMs(nowMs) - nowMs, () => {
      this.#payTimer = undefined;
      this.step();
    });
    return false;
  }

  /** Shares that could be asked for now, none twice and none that is on its way in time. */
  #candidates(): ShareReader[] {
    const nowMs = this.#pool.clock.now();
    const onTheWay = new Set<number>();
    for (const [reader, { lateness }] of this.#attempts) {
      if (lateness === 'due') onTheWay.add(reader.shareNumber);
    }
    return [...this.#pool.readers].filter((reader) => {
      const failed = this.#failures.get(reader);
      return (
        !this.#attempts.has(reader) &&
        !this.#blocks.has(reader.shareNumber) &&
        !onTheWay.has(reader.shareNumber) &&
        (failed === undefined || (failed.tries < TRIES_MAX && failed.notBeforeMs <= nowMs))
      );
    });
  }

  /** The candidate that is likely to be the quickest. */
  #best(candidates: readonly ShareReader[]): ShareReader | undefined {
    const typicalMs = this.#pool.records.typicalBlockMs;
    const used = [...this.#attempts.keys(), ...[...this.#blocks.values()].map(({ reader }) => reader)];
    const costOf = (reader: ShareReader) => {
      const { blockMs = typicalMs, standing } = reader.record;
      // A server that sends another block of this segment shares its line and its disk between the two.
      const shared = used.filter(({ server }) => server === reader.server).length;
      const likelyMs = (blockMs + 1) * (1 + shared) * (reader.isOpen ? 1 : OPENING_FACTOR);
      // Shares below k are the file itself: nothing to compute.
      const toDecode = reader.shareNumber < this.#pool.file.capability.needed ? 1 : DECODING_FACTOR;
      return { standing: STANDINGS.indexOf(standing), cost: likelyMs * toDecode };
    };
    let best: { reader: ShareReader; standing: number; cost: number } | undefined;
    for (const reader of candidates) {
      const { standing, cost } = costOf(reader);
      if (
        best === undefined ||
        standing < best.standing ||
        (standing === best.standing && cost < best.cost)
      ) {
        best = { reader, standing, cost };
      }
    }
    return best?.reader;
  }

  /** Gives one server that was late some time ago a chance, beside those that are enough without it. */
  #probe(): void {
    if ([...this.#attempts.values()].some(({ isProbe }) => isProbe)) return;
    const reader = this.#candidates().find(({ record }) => record.takeProbe());
    if (reader !== undefined) this.#ask(reader, { isHedge: false, isProbe: true });
  }

  #ask(reader: ShareReader, { isHedge, isProbe }: { isHedge: boolean; isProbe: boolean }): void {
    const attempt: Attempt = { controller: new AbortController(), lateness: 'due', isHedge, isProbe };
    this.#attempts.set(reader, attempt);
    if (isHedge) {
      this.#pool.hedgesInFlight++;
      this.#pool.hedgesStarted++;
    }
    if (isProbe) this.#pool.probes.add(attempt.controller);
    const settled = () => {
      this.#pool.probes.delete(attempt.controller);
      this.#attempts.delete(reader);
    };
    const onLate = (lateness: Lateness) => {
      if (attempt.controller.signal.aborted) return;
      attempt.lateness = lateness;
      reader.record.demote();
      this.step();
      this.#releaseHedge(attempt);
    };
    reader.block(this.#segmentIn, { signal: attempt.controller.signal, onLate }).then(
      (block) => {
        settled();
        if (!this.#isOver) {
          if (!this.#blocks.has(reader.shareNumber)) this.#blocks.set(reader.shareNumber, { block, reader });
          this.#finishOrStep();
        }
        this.#releaseHedge(attempt);
      },
      (error: unknown) => {
        settled();
        if (!attempt.controller.signal.aborted && !this.#isOver) {
          this.#fail(reader, error);
          this.step();
        }
        this.#releaseHedge(attempt);
      },
    );
  }

  #fail(reader: ShareReader, error: unknown): void {
    if (error instanceof CorruptShareError) {
      this.#pool.onCorrupt(reader, error.message);
      return;
    }
    if (error instanceof AlteredCapabilityError) {
      this.#end();
      this.#settle.reject(error);
      return;
    }
    reader.record.demote();
    this.#pool.onFailed(reader, error);
    const tries = (this.#failures.get(reader)?.tries ?? 0) + 1;
    const delayMs = retryDelayMs(tries, this.#pool.random);
    this.#failures.set(reader, { tries, notBeforeMs: this.#pool.clock.now() + delayMs });
    this.#armRetry();
  }

  #finishOrStep(): void {
    const { needed } = this.#pool.file.capability;
    if (this.#blocks.size < needed) {
      this.step();
      return;
    }
    const decoder = this.#pool.file.decoder!;
    const segment = this.#segmentIn(decoder.segmentation);
    if (![...this.#pool.readers].some((reader) => reader.proveCrypttext(segment))) {
      // None of the shares that were opened has a true crypttext tree, so none of them can be relied on.
      for (const { reader } of this.#blocks.values()) {
        this.#pool.onCorrupt(reader, 'its crypttext hash tree does not fit the capability');
      }
      this.#blocks.clear();
      this.step();
      return;
    }
    const blocks = new Map([...this.#blocks].map(([share, { block }]) => [share, block]));
    this.#end();
    try {
      this.#settle.resolve(decoder.decodeSegment(segment, blocks));
    } catch (error) {
      this.#settle.reject(error);
    }
  }

  /** Whether nothing that could still come would be enough. */
  #isHopeless(): boolean {
    if (this.#isOver || !this.#pool.isExhausted()) return false;
    for (const { lateness } of this.#attempts.values()) if (!isAtLeast(lateness, 'hopeless')) return false;
    if (this.#candidates().length > 0) return false;
    // One that failed and then gave its block has no other one to give.
    return ![...this.#failures].some(
      ([reader, { tries }]) =>
        tries < TRIES_MAX && this.#pool.readers.has(reader) && !this.#blocks.has(reader.shareNumber),
    );
  }

  #releaseHedge(attempt: Attempt): void {
    if (!attempt.isHedge) return;
    attempt.isHedge = false;
    this.#pool.hedgesInFlight--;
    this.#pool.onHedgeSettled();
  }

  /** A server that failed may do better a moment later; matters only where there is no other one. */
  #armRetry(): void {
    this.#retryTimer?.cancel();
    const nowMs = this.#pool.clock.now();
    const times = [...this.#failures.values()]
      .map(({ notBeforeMs }) => notBeforeMs)
      .filter((atMs) => atMs > nowMs);
    if (times.length === 0) return;
    this.#retryTimer = this.#pool.clock.setTimer(Math.max(1, Math.min(...times) - nowMs), () => {
      this.#armRetry();
      this.step();
    });
  }

  /** Cancels what is out, but for probes: their answers tell something of their servers. */
  #end(): void {
    this.#isOver = true;
    this.#retryTimer?.cancel();
    this.#payTimer?.cancel();
    for (const attempt of this.#attempts.values()) {
      if (!attempt.isProbe) attempt.controller.abort(new Error('enough other blocks came first'));
    }
    this.#blocks.clear();
  }
}

interface Attempt {
  readonly controller: AbortController;
  lateness: Lateness;
  isHedge: boolean;
  /** Beside those that are enough: not counted, not waited for. */
  readonly isProbe: boolean;
}

const STANDINGS = ['good', 'probation', 'demoted'] as const;

/** Another share is worth opening when its server is that much quicker; else noise would open them all. */
const OPENING_FACTOR = 1.5;
const DECODING_FACTOR = 1.1;
/** Hedges are bounded: when everybody is late, the line is ours, and more questions would make it worse. */
const HEDGES_IN_FLIGHT_MIN = 4;
