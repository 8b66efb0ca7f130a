// The first k answers of n sources: alternates for those that fail, hedges for those that are late, "never mind" to the
// rest. It knows nothing of calls; sources may be Peers, StorageServers or anything else.

import type { Clock, Timer } from '../base/clock.ts';
import { RetryBudget } from '../base/retry-budget.ts';
import { RpcError } from './error.ts';
import { systemClock } from './system-clock.ts';
import type { Peer } from './transport.ts';

/** What an attempt may tell while it runs. */
export interface GatherHooks {
  /**
   * This attempt takes longer than it should: the next source is started while it goes on. Fits
   * `CallOptions.onOverdue`. Calls after the first do nothing.
   */
  readonly onOverdue: () => void;
}

/** What is expected of a source at the moment. */
export interface Expectation {
  /** It answers within this many milliseconds, or is late; on whatever scale is the same for all. */
  readonly needMs: number;
  /** Whether that follows from answers. A guess says only how sources compare. */
  readonly learnt: boolean;
}

/** How {@link gather} asks. */
export interface GatherOptions<S> {
  /** How many answers are wanted. */
  readonly need: number;
  /** How many more sources are asked from the start. Default 0. */
  readonly spare?: number | undefined;
  /** Never mind: rejects with `signal.reason` and cancels every attempt with it. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /**
   * What this source needs, as far as is known at the moment; asked again as others answer. For Peers, see
   * {@link expectedOf}. Without it all are expected to need the same.
   */
  readonly expect?: ((source: S) => Expectation) | undefined;
  /** Attempts running at once, late ones included. Default: no bound. */
  readonly runningMax?: number | undefined;
  /**
   * Pays for every source asked beyond the first `need + spare`, but for those in place of one that is not
   * there (silent, unreachable). Without a token they wait. Default: a source's own `retries`, as Peers have it; sources without
   * are not bounded.
   */
  readonly retries?: RetryBudget | undefined;
  /** How errors name a source. Default: its `address`, if that is a string, else `String(source)`. */
  readonly nameOf?: ((source: S) => string) | undefined;
}

/** One source's answer, `elapsedMs` after it was asked. */
export interface GatherAnswer<S, R> {
  readonly source: S;
  readonly value: R;
  readonly elapsedMs: number;
}

/** One source's failure, `elapsedMs` after it was asked. */
export interface GatherFailure<S> {
  readonly source: S;
  readonly error: unknown;
  readonly elapsedMs: number;
}

/** What {@link gather} found. */
export interface GatherResult<S, R> {
  /** Exactly `need`, in order of arrival. */
  readonly answers: readonly GatherAnswer<S, R>[];
  readonly failures: readonly GatherFailure<S>[];
  /** Sources that were late, whether or not they answered then. */
  readonly overdue: readonly S[];
}

/** So many sources failed that too few are left. `failures` has each error; the message names all sources. */
export class GatherError extends Error {
  override readonly name: string = 'GatherError';
  readonly code = 'TOO_FEW_ANSWERS' as const;
  readonly need: number;
  readonly answers: readonly GatherAnswer<unknown, unknown>[];
  readonly failures: readonly GatherFailure<unknown>[];

  constructor(
    message: string,
    need: number,
    answers: readonly GatherAnswer<unknown, unknown>[],
    failures: readonly GatherFailure<unknown>[],
  ) {
    super(message, failures.length === 0 ? undefined : { cause: failures[0]?.error });
    this.need = need;
    this.answers = answers;
    this.failures = failures;
  }
}

/** The reason with which attempts are cancelled once their answer makes no difference any more. */
export class NotNeededError extends Error {
  override readonly name: string = 'NotNeededError';
  readonly code = 'NOT_NEEDED' as const;
}

/**
 * Asks `sources`, in their order, until `need` of them have answered; the sources are drawn as they are needed, so
 * they may be an endless generator.
 *
 * `need + spare` attempts are started at once. One that fails is replaced by the next source at once; one
 * that is late is, too, but goes on. An attempt is late when it calls `hooks.onOverdue`, or when it takes
 * longer, compared with its own `expect`, than those who have answered make likely: see "Overdue in a
 * group" in spec/deadlines.md.
 *
 * With the last answer needed, what still runs is cancelled through its `signal`, with a
 * {@link NotNeededError} as reason; its outcome is ignored. No listener and no timer stays behind.
 *
 * @throws GatherError as soon as `need` cannot be reached any more; `options.signal.reason` when that aborts;
 *   RangeError for counts that are none; what `sources`, `expect` throws.
 */
export async function gather<S, R>(
  sources: Iterable<S>,
  attempt: (source: S, signal: AbortSignal, hooks: GatherHooks) => Promise<R>,
  options: GatherOptions<S>,
): Promise<GatherResult<S, R>> {
  checkCount('need', options.need, 0);
  checkCount('spare', options.spare ?? 0, 0);
  if (options.runningMax !== undefined) checkCount('runningMax', options.runningMax, 1);
  options.signal?.throwIfAborted();
  if (options.need === 0) return { answers: [], failures: [], overdue: [] };
  return new Gathering(sources, attempt, options).result;
}

/** An {@link GatherOptions.expect} for Peers: what is known of their response times to such a call. */
export function expectedOf(method: string, expectedBytes?: number): (peer: Peer) => Expectation {
  return (peer) => ({
    needMs: peer.overdueAfterMs(method, expectedBytes),
    learnt: peer.hasLearnt(method, expectedBytes),
  });
}

/** Answers that must have come before anybody is late by comparison, and the quantile of their ratios. */
const ANSWERS_MIN = 2;
const RATIO_QUANTILE = 0.9;
/** How far beyond that is late: when all have answered, and how much more as long as nobody has. */
const TOLERANCE = 1.25;
const TOLERANCE_OF_FEW = 2;
/** Nobody is late before this. */
const LATE_FLOOR_MS = 30;
/** A timer that fires this much too late means that this process stood still, not the sources. */
const STALL_MS = 50;

/** One source that was asked and has not answered or failed. */
interface Attempt<S> {
  readonly source: S;
  readonly controller: AbortController;
  readonly startedAtMs: number;
  /** Time in which this process stood still; not the source's doing. */
  excusedMs: number;
  late: boolean;
}

class Gathering<S, R> {
  readonly result: Promise<GatherResult<S, R>>;
  readonly #options: GatherOptions<S>;
  readonly #clock: Clock;
  readonly #attempt: (source: S, signal: AbortSignal, hooks: GatherHooks) => Promise<R>;
  readonly #sources: Iterator<S>;
  /** Drawn ahead, to know before the first attempt whether there are enough. */
  readonly #drawn: S[] = [];
  #exhausted = false;
  /** Attempts started, and how many of them need not be paid for. */
  #started = 0;
  #free: number;
  readonly #running = new Set<Attempt<S>>();
  readonly #answers: GatherAnswer<S, R>[] = [];
  readonly #failures: GatherFailure<S>[] = [];
  readonly #overdue: S[] = [];
  /** Actual over expected time of each answer, in ascending order. */
  readonly #ratios: number[] = [];
  #lateTimer: Timer | undefined;
  #wokeAtMs: number;
  /** We have stood still, and nobody was marked late for it. */
  #isReadingFirst = false;
  /** Set while an attempt waits for a token. */
  #payTimer: Timer | undefined;
  #settled = false;
  #resolve!: (result: GatherResult<S, R>) => void;
  #reject!: (reason: unknown) => void;
  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason, this.#options.signal?.reason);

  constructor(
    sources: Iterable<S>,
    attempt: (source: S, signal: AbortSignal, hooks: GatherHooks) => Promise<R>,
    options: GatherOptions<S>,
  ) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#wokeAtMs = this.#clock.wokeAtMs();
    this.#attempt = attempt;
    this.#sources = sources[Symbol.iterator]();
    this.#free = this.#wanted;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#guard(() => {
      while (this.#drawn.length < this.#wanted) {
        const source = this.#draw();
        if (source === undefined) break;
        this.#drawn.push(source.value);
      }
      if (this.#drawn.length >= options.need) this.#fill();
      else this.#failWithTooFew();
    });
  }

  get #wanted(): number {
    return this.#options.need + (this.#options.spare ?? 0);
  }

  /** Starts sources until enough attempts are in time, or gives up when there cannot be enough. */
  #fill(): void {
    const runningMax = this.#options.runningMax ?? Number.POSITIVE_INFINITY;
    while (!this.#settled && this.#answers.length + this.#inTime() < this.#wanted) {
      if (this.#running.size >= runningMax) break;
      const source = this.#drawn.length > 0 ? { value: this.#drawn.shift()! } : this.#draw();
      if (source === undefined) break;
      if (this.#started >= this.#free && !this.#pay(source.value)) {
        this.#drawn.unshift(source.value);
        break;
      }
      this.#start(source.value);
    }
    if (this.#settled) return;
    const left = this.#drawn.length > 0 || !this.#exhausted;
    if (!left && this.#answers.length + this.#running.size < this.#options.need) this.#failWithTooFew();
    else this.#watchForLate();
  }

  /** Whether one more attempt may be made; if not, tries again when there is a token. */
  #pay(source: S): boolean {
    const retries = this.#options.retries ?? budgetOf(source);
    const nowMs = this.#clock.now();
    if (retries === undefined) return true;
    if (this.#payTimer !== undefined) return false;
    if (retries.take(nowMs)) return true;
    this.#payTimer = this.#clock.setTimer(retries.comeBackAtMs(nowMs) - nowMs, () => {
      this.#payTimer = undefined;
      this.#guard(() => this.#fill());
    });
    return false;
  }

  #start(source: S): void {
    this.#started++;
    const attempt: Attempt<S> = {
      source,
      controller: new AbortController(),
      startedAtMs: this.#clock.now(),
      excusedMs: 0,
      late: false,
    };
    this.#running.add(attempt);
    const onOverdue = () => {
      if (this.#running.has(attempt)) this.#guard(() => this.#onOverdue(attempt));
    };
    // Started within a promise, so that an attempt that throws has failed like one that rejects.
    new Promise<R>((resolve) => {
      resolve(this.#attempt(source, attempt.controller.signal, { onOverdue }));
    }).then(
      (value) => this.#guard(() => this.#onAnswer(attempt, value)),
      (error) => this.#guard(() => this.#onFailure(attempt, error)),
    );
  }

  /** By its own past it is late. If all others are, too, the group's timer decides. */
  #onOverdue(attempt: Attempt<S>): void {
    const isExcused =
      this.#ratios.length >= ANSWERS_MIN &&
      this.#expected(attempt.source).learnt &&
      this.#lateAtMs(attempt) > this.#clock.now();
    if (!isExcused) this.#markLate([attempt]);
  }

  #onAnswer(attempt: Attempt<S>, value: R): void {
    if (!this.#running.delete(attempt)) return;
    const elapsedMs = this.#clock.now() - attempt.startedAtMs;
    this.#answers.push({ source: attempt.source, value, elapsedMs });
    const ratio = (elapsedMs - attempt.excusedMs) / this.#expected(attempt.source).needMs;
    this.#ratios.splice(lowerBound(this.#ratios, ratio), 0, ratio);
    if (this.#answers.length < this.#options.need) {
      this.#fill();
      return;
    }
    this.#resolve({ answers: this.#answers, failures: this.#failures, overdue: this.#overdue });
    this.#end(new NotNeededError('enough others have answered'));
  }

  #onFailure(attempt: Attempt<S>, error: unknown): void {
    if (!this.#running.delete(attempt)) return;
    const elapsedMs = this.#clock.now() - attempt.startedAtMs;
    this.#failures.push({ source: attempt.source, error, elapsedMs });
    if (error instanceof RpcError && ABSENT.has(error.code)) this.#free++;
    this.#fill();
  }

  #markLate(attempts: readonly Attempt<S>[]): void {
    for (const attempt of attempts) {
      if (attempt.late) continue;
      attempt.late = true;
      this.#overdue.push(attempt.source);
    }
    this.#fill();
  }

  /** Arms the timer for the next attempt that will be late by comparison with those who have answered. */
  #watchForLate(): void {
    this.#lateTimer?.cancel();
    this.#lateTimer = undefined;
    let lateAtMs = Number.POSITIVE_INFINITY;
    for (const attempt of this.#running) lateAtMs = Math.min(lateAtMs, this.#lateAtMs(attempt));
    if (lateAtMs === Number.POSITIVE_INFINITY) return;
    // What the others' answers make late at once is no stall.
    const nowMs = this.#clock.now();
    const dueAtMs = Math.max(lateAtMs, nowMs);
    this.#lateTimer = this.#clock.setTimer(dueAtMs - nowMs, () => {
      this.#guard(() => this.#onLateTimer(dueAtMs));
    });
  }

  #onLateTimer(dueAtMs: number): void {
    const nowMs = this.#clock.now();
    const wokeAtMs = this.#clock.wokeAtMs();
    if (wokeAtMs > this.#wokeAtMs) {
      // The machine has slept: each wait begins anew.
      this.#wokeAtMs = wokeAtMs;
      for (const attempt of this.#running) attempt.excusedMs = nowMs - attempt.startedAtMs;
      this.#watchForLate();
      return;
    }
    const stalledMs = nowMs - dueAtMs;
    if (stalledMs > STALL_MS) {
      for (const attempt of this.#running) attempt.excusedMs += stalledMs;
      // What came meanwhile is read first; but not twice in a row, or where every timer is late nobody ever were.
      this.#isReadingFirst = !this.#isReadingFirst;
      if (this.#isReadingFirst) {
        this.#watchForLate();
        return;
      }
    }
    this.#isReadingFirst = false;
    // Half a microsecond: due times are sums, and the clock's own sum may round the other way.
    this.#markLate([...this.#running].filter((attempt) => this.#lateAtMs(attempt) <= nowMs + 0.0005));
  }

  /** When this attempt will be late by the others' measure; `Infinity` when it is already, or never. */
  #lateAtMs(attempt: Attempt<S>): number {
    const answered = this.#ratios.length;
    if (attempt.late || answered < ANSWERS_MIN) return Number.POSITIVE_INFINITY;
    const ratio = this.#ratios[Math.ceil(RATIO_QUANTILE * answered) - 1]!;
    const { needMs, learnt } = this.#expected(attempt.source);
    const silent = this.#running.size / (answered + this.#running.size);
    // Who is known is not to be hurried by others who were quick today; only excused by others who were slow.
    const factor = learnt ? Math.max(1, ratio * TOLERANCE) : ratio * (TOLERANCE + TOLERANCE_OF_FEW * silent);
    return attempt.startedAtMs + attempt.excusedMs + Math.max(LATE_FLOOR_MS, needMs * factor);
  }

  #expected(source: S): Expectation {
    const { needMs, learnt } = this.#options.expect?.(source) ?? { needMs: 1, learnt: false };
    const isTime = needMs > 0 && needMs < Number.POSITIVE_INFINITY;
    return isTime ? { needMs, learnt } : { needMs: 1, learnt: false };
  }

  #inTime(): number {
    let count = 0;
    for (const attempt of this.#running) if (!attempt.late) count++;
    return count;
  }

  #draw(): { readonly value: S } | undefined {
    if (this.#exhausted) return undefined;
    const next = this.#sources.next();
    if (!next.done) return next;
    this.#exhausted = true;
    return undefined;
  }

  #failWithTooFew(): void {
    const { need } = this.#options;
    const named = [
      ...this.#failures.map(({ source, error }) => `${this.#nameOf(source)}: ${describe(error)}`),
      ...[...this.#running].map(({ source }) => `${this.#nameOf(source)}: not answered yet`),
      ...this.#drawn.map((source) => `${this.#nameOf(source)}: not asked`),
    ];
    const count = `${need} ${need === 1 ? 'answer' : 'answers'} needed, ${this.#answers.length} came`;
    const rest = named.length === 0 ? 'there are no sources' : `no other source is left; ${named.join('; ')}`;
    const error = new GatherError(`${count}; ${rest}`, need, this.#answers, this.#failures);
    this.#fail(error, new NotNeededError('too few others are left to be of use', { cause: error }));
  }

  #fail(error: unknown, cancelReason: unknown): void {
    if (this.#settled) return;
    this.#reject(error);
    this.#end(cancelReason);
  }

  /** Lets go of everything, and cancels what still runs. */
  #end(cancelReason: unknown): void {
    this.#settled = true;
    this.#lateTimer?.cancel();
    this.#payTimer?.cancel();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const running = [...this.#running];
    this.#running.clear();
    for (const { controller } of running) controller.abort(cancelReason);
    if (!this.#exhausted) this.#sources.return?.();
  }

  /** What the caller's own functions throw fails the whole. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error, error);
    }
  }

  #nameOf(source: S): string {
    if (this.#options.nameOf !== undefined) return this.#options.nameOf(source);
    const address = (source as { readonly address?: unknown } | null | undefined)?.address;
    return typeof address === 'string' ? address : String(source);
  }
}

function budgetOf(source: unknown): RetryBudget | undefined {
  const retries = (source as { readonly retries?: unknown } | null | undefined)?.retries;
  return retries instanceof RetryBudget ? retries : undefined;
}

/** Who fails so is not there: another one in its place is no more work in all. One that is overloaded is there. */
const ABSENT: ReadonlySet<string> = new Set([
  'PEER_SILENT',
  'PEER_UNREACHABLE',
  'NETWORK_UNREACHABLE',
  'HOST_UNKNOWN',
]);

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? `${code}, ${error.message}` : error.message;
}

/** The first index whose value is not smaller. */
function lowerBound(ascending: readonly number[], value: number): number {
  const index = ascending.findIndex((other) => other >= value);
  return index < 0 ? ascending.length : index;
}

function checkCount(name: string, value: number, min: number): void {
  if (!(Number.isInteger(value) && value >= min)) {
    throw new RangeError(`${name} must be an integer of at least ${min}, not ${value}`);
  }
}
