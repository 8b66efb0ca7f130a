// One share read whole and proven, block by block, a few reads ahead. How many shares, and what their verdicts mean
// together, is verify's business.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { seconds } from './error.ts';
import { isAtLeast, type Lateness } from './late-watch.ts';
import type { ReadBudget } from './read-budget.ts';
import { isWorthRepeating, retryDelayMs, TRIES_MAX } from './retry.ts';
import { CorruptShareError, type SharedFile, type ShareReader } from './share-reader.ts';

/** What the examinations of one file share. */
export interface ExaminationHost {
  readonly budget: ReadBudget;
  readonly clock: Clock;
  readonly random: Random;
  readonly file: SharedFile;
  /** A block was proven, the server is late, or the verdict is there. */
  readonly onChange: () => void;
  readonly onCorrupt: (reader: ShareReader, what: string) => void;
}

/** What became of a share. */
export type Verdict =
  | { readonly kind: 'intact' }
  | { readonly kind: 'corrupt'; readonly what: string }
  /** Its server failed. */
  | { readonly kind: 'unread'; readonly error: unknown };

/** The examination of one share; begins at once. */
export class Examination {
  readonly reader: ShareReader;
  readonly #host: ExaminationHost;
  /** Reads that are out, with how late each is. */
  readonly #open = new Map<symbol, { lateness: Lateness; readonly startedAtMs: number }>();
  readonly #controller = new AbortController();
  #verdict: Verdict | undefined;
  #doneBytes = 0;
  #isCancelled = false;

  constructor(reader: ShareReader, host: ExaminationHost) {
    this.reader = reader;
    this.#host = host;
    void this.#run();
  }

  /** Never mind: cancels what is out. */
  cancel(): void {
    this.#isCancelled = true;
    this.#controller.abort(new Error('the verification is over'));
  }

  /** Undefined as long as it is not known. */
  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  get isOver(): boolean {
    return this.#verdict !== undefined;
  }

  /** Bytes of blocks that were proven. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /**
   * Its server is late with something: with its first answer, or, once it has shown that it answers, much later than the
   * others. It does not hold up the verdict on the file.
   */
  get isHeldUp(): boolean {
    const limit = this.#doneBytes > 0 ? 'very late' : 'late';
    return [...this.#open.values()].some(({ lateness }) => isAtLeast(lateness, limit));
  }

  /** For a share without a verdict: `has not answered for 0.5 s`. */
  get waitedFor(): string {
    const nowMs = this.#host.clock.now();
    const ages = [...this.#open.values()].map(({ startedAtMs }) => nowMs - startedAtMs);
    return `has not answered for ${seconds(Math.max(0, ...ages))}`;
  }

  async #run(): Promise<void> {
    try {
      // The first block opens the share; only then is it known how many there are.
      await this.#block(0, SMALL_READ_BYTES);
      const { segmentation } = this.#host.file.decoder!;
      const { segmentCount, blockSizeBytes } = segmentation;
      const ahead = Math.min(READS_AHEAD_MAX, Math.max(1, Math.floor(BYTES_AHEAD / blockSizeBytes)));
      let next = 1;
      const readOn = async () => {
        while (next < segmentCount) {
          const segment = next++;
          await this.#block(segment, segmentation.blockSizeOf(segment));
        }
      };
      await Promise.all(Array.from({ length: ahead }, readOn));
      this.reader.verifyTrees();
      this.#end({ kind: 'intact' });
    } catch (error) {
      if (error instanceof CorruptShareError) {
        this.#host.onCorrupt(this.reader, error.message);
        this.#end({ kind: 'corrupt', what: error.message });
      } else if (!this.#isCancelled) {
        this.#end({ kind: 'unread', error });
      }
    }
  }

  async #block(segment: number, sizeBytes: number): Promise<void> {
    const { budget, clock, random } = this.#host;
    const { signal } = this.#controller;
    for (let tries = 1; ; tries++) {
      const giveBack = await budget.take(sizeBytes);
      const key = Symbol('read');
      const read: { lateness: Lateness; readonly startedAtMs: number } = {
        lateness: 'due',
        startedAtMs: clock.now(),
      };
      this.#open.set(key, read);
      const onLate = (lateness: Lateness) => {
        read.lateness = lateness;
        // Who is late is not to keep the others from being read.
        giveBack();
        this.#host.onChange();
      };
      try {
        signal.throwIfAborted();
        const block = await this.reader.block(() => segment, { signal, onLate });
        this.#doneBytes += block.length;
        return;
      } catch (error) {
        if (signal.aborted || tries >= TRIES_MAX || !isWorthRepeating(error)) throw error;
        await this.#pause(retryDelayMs(tries, random));
      } finally {
        this.#open.delete(key);
        giveBack();
        this.#host.onChange();
      }
    }
  }

  /** Until then, or until the examination ends. */
  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#controller;
    return new Promise((resolve) => {
      const timer = this.#host.clock.setTimer(delayMs, () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
      const onAbort = () => {
        timer.cancel();
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #end(verdict: Verdict): void {
    this.#verdict = verdict;
    this.#controller.abort(new Error('the share was examined'));
    this.#host.onChange();
  }
}

/** Reads of one share that are on their way at a time. */
const READS_AHEAD_MAX = 4;
const BYTES_AHEAD = 4 * 1024 * 1024;
/** Most of a first read: header and hash trees, or a small share. */
const SMALL_READ_BYTES = 512 * 1024;
