// One share on its way to one server: joins small pieces to larger writes, keeps a few of them in flight, and
// knows how late the server is. Which server, and what to do when it fails, is upload-push's business.

import { concatBytes } from '../base/bytes.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { isAtLeast, type Lateness, type LateWatch, type Question } from './late-watch.ts';
import type { Grant } from './placement.ts';
import { isWorthRepeating, retryDelayMs, TRIES_MAX } from './retry.ts';

/** What a lane needs besides its share. */
export interface LaneOptions {
  readonly grant: Grant;
  readonly clock: Clock;
  readonly random: Random;
  readonly writes: LateWatch<undefined>;
  readonly closes: LateWatch<undefined>;
  /** This many bytes were acknowledged, or the lane has closed. */
  readonly onProgress: (lane: Lane, bytes: number) => void;
  /** The server failed; the lane does nothing any more. */
  readonly onFailure: (lane: Lane, error: unknown) => void;
}

/** A share under way. Pieces may come in any order, each byte once. */
export class Lane {
  readonly grant: Grant;
  readonly #options: LaneOptions;
  readonly #runs: Run[] = [];
  readonly #inFlight = new Set<Question<undefined>>();
  readonly #retries = new Set<Timer>();
  readonly #controller = new AbortController();
  #queuedBytes = 0;
  #ackedBytes = 0;
  #complete = false;
  #state: 'writing' | 'closing' | 'closed' | 'dropped' = 'writing';

  constructor(options: LaneOptions) {
    this.#options = options;
    this.grant = options.grant;
  }

  /** Bytes that were given and not acknowledged: what this lane keeps in memory. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get ackedBytes(): number {
    return this.#ackedBytes;
  }

  /** Its server was asked something and has not answered. */
  get isBusy(): boolean {
    return this.#inFlight.size > 0;
  }

  /** How late the server is with what it was asked longest ago. */
  get lateness(): Lateness {
    let worst: Lateness = 'due';
    for (const { lateness } of this.#inFlight) if (isAtLeast(lateness, worst)) worst = lateness;
    return worst;
  }

  /** Since the server was asked what it has not answered longest; 0 when nothing is open. */
  get waitingMs(): number {
    return Math.max(0, ...[...this.#inFlight].map((question) => question.ageMs()));
  }

  /** Every byte of the share was given and acknowledged. */
  get isWritten(): boolean {
    return this.#complete && this.#queuedBytes === 0;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Closed or dropped: nothing more happens here. */
  get isOver(): boolean {
    return this.#state === 'closed' || this.#state === 'dropped';
  }

  /** Takes bytes of the share; `bytes` must not be written to any more. */
  enqueue(offset: number, bytes: Uint8Array): void {
    if (this.#state !== 'writing') return;
    this.#queuedBytes += bytes.length;
    const run = this.#runs.find(({ offset: start, sizeBytes }) => start + sizeBytes === offset);
    if (run === undefined) {
      this.#runs.push({ offset, sizeBytes: bytes.length, pieces: [bytes] });
    } else {
      run.pieces.push(bytes);
      run.sizeBytes += bytes.length;
    }
    this.#pump();
  }

  /** All bytes were given: what is left is sent, however small. */
  complete(): void {
    this.#complete = true;
    this.#pump();
  }

  /** Makes the share final; after {@link isWritten} only. */
  close(): void {
    if (this.#state !== 'writing') return;
    this.#state = 'closing';
    const { grant, closes } = this.#options;
    this.#ask(closes, 0, (options) => grant.server.close(grant.upload, options));
  }

  /** Never mind: cancels what is in flight and forgets the rest. */
  drop(): void {
    this.#state = 'dropped';
    this.#runs.length = 0;
    this.#queuedBytes = 0;
    for (const question of this.#inFlight) question.dropped();
    this.#inFlight.clear();
    for (const timer of this.#retries) timer.cancel();
    this.#controller.abort(new Error('the share goes to another server'));
  }

  #pump(): void {
    while (this.#state === 'writing' && this.#inFlight.size < WRITES_IN_FLIGHT) {
      const index = this.#runs.findIndex(({ sizeBytes }) => this.#complete || sizeBytes >= WRITE_BYTES_MIN);
      if (index < 0) return;
      const run = this.#runs[index]!;
      const { offset } = run;
      const bytes = takeFrom(run);
      if (run.sizeBytes === 0) this.#runs.splice(index, 1);
      const { grant, writes } = this.#options;
      this.#ask(writes, bytes.length, (options) => grant.server.write(grant.upload, offset, bytes, options));
    }
  }

  #ask(
    watch: LateWatch<undefined>,
    sizeBytes: number,
    ask: (options: { signal: AbortSignal; onOverdue: () => void }) => Promise<void>,
    tries = 1,
  ): void {
    const { grant, clock, random } = this.#options;
    const question = watch.ask(grant.server, undefined);
    this.#inFlight.add(question);
    ask({ signal: this.#controller.signal, onOverdue: question.overdue }).then(
      () => {
        question.answered();
        if (this.#state === 'dropped') return;
        this.#inFlight.delete(question);
        this.#queuedBytes -= sizeBytes;
        this.#ackedBytes += sizeBytes;
        if (this.#state === 'closing') this.#state = 'closed';
        this.#pump();
        this.#options.onProgress(this, sizeBytes);
      },
      (error: unknown) => {
        if (this.#state === 'dropped') return;
        if (tries < TRIES_MAX && isWorthRepeating(error)) {
          this.#retries.add(
            clock.setTimer(retryDelayMs(tries, random), () => {
              question.dropped();
              this.#inFlight.delete(question);
              this.#ask(watch, sizeBytes, ask, tries + 1);
            }),
          );
          return;
        }
        this.drop();
        this.#options.onFailure(this, error);
      },
    );
  }
}

/** Pieces of a share that follow each other. */
interface Run {
  offset: number;
  sizeBytes: number;
  readonly pieces: Uint8Array[];
}

/** Takes the next write's bytes off the front of a run; copies only where pieces have to be joined. */
function takeFrom(run: Run): Uint8Array {
  const taken: Uint8Array[] = [];
  let sizeBytes = 0;
  while (run.pieces.length > 0 && sizeBytes < WRITE_BYTES_MIN) {
    const piece = run.pieces[0]!;
    const part = piece.subarray(0, WRITE_BYTES_MAX - sizeBytes);
    taken.push(part);
    sizeBytes += part.length;
    if (part.length === piece.length) run.pieces.shift();
    else run.pieces[0] = piece.subarray(part.length);
  }
  run.offset += sizeBytes;
  run.sizeBytes -= sizeBytes;
  return taken.length === 1 ? taken[0]! : concatBytes(taken);
}

/** Smaller pieces wait for more: a round trip and an acknowledgement should carry something. */
export const WRITE_BYTES_MIN: number = 256 * 1024;
/** Well below what one message can carry. */
const WRITE_BYTES_MAX = 4 * 1024 * 1024;
/** One at the disk, one on the way, one acknowledgement on the way back. */
const WRITES_IN_FLIGHT = 3;
