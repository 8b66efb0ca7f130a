// What may be asked twice: hedges and retries of one endpoint are paid from one purse, so that a system which is slow
// because it has too much to do is not given more. What counts as a hedge or retry is decided by who takes.

/** Counted by a {@link RetryBudget}; they only grow. */
export interface RetryBudgetCounters {
  /** Hedges and retries that were paid for. */
  retryTokensTaken: number;
  /** How often there was nothing to pay with, and somebody waited. */
  retryTokensRefused: number;
}

/** A call earns this part of a token: one hedge or retry for ten calls. */
const EARNED_PER_CALL = 0.1;
/** What is there without any call, so that the first one can be hedged; it comes back at this rate. */
const FLOOR_TOKENS = 10;
const FLOOR_TOKENS_PER_MS = 1 / 1000;
/** What can be saved up: a burst after a long quiet time is no larger. */
const TOKENS_MAX = 100;
/** Who finds nothing comes back so long after the one before, but in no longer than this. */
const COMEBACK_DISTANCE_MS = 20;
const COMEBACK_MAX_MS = 5000;

/**
 * Tokens for hedges and retries, shared by all that one endpoint does (as Finagle's RetryBudget, and gRPC's retry
 * throttling, A6). Who finds none waits and asks again; nothing fails for the lack of one. A hedge is a call itself and
 * earns, too: over any time t there are at most (0.1 calls + 10 + t / 1 s) / 0.9 of them.
 *
 * Times are in milliseconds, all on one clock.
 */
export class RetryBudget {
  readonly counters: RetryBudgetCounters;
  #tokens = FLOOR_TOKENS;
  #atMs = Number.NEGATIVE_INFINITY;
  #lastComebackMs = Number.NEGATIVE_INFINITY;

  /** `counters`: where to count, for whoever shows them. */
  constructor(counters: RetryBudgetCounters = { retryTokensTaken: 0, retryTokensRefused: 0 }) {
    this.counters = counters;
  }

  /** A call was made. */
  earn(): void {
    this.#tokens = Math.min(TOKENS_MAX, this.#tokens + EARNED_PER_CALL);
  }

  /** Whether one more hedge or retry may be made now; true: it is paid for. */
  take(nowMs: number): boolean {
    if (this.tokensAt(nowMs) < 1) {
      this.counters.retryTokensRefused++;
      return false;
    }
    this.#tokens--;
    this.counters.retryTokensTaken++;
    return true;
  }

  /** What was taken was no extra work in the end: a call repeated because its first try was lost has been answered. */
  giveBack(): void {
    this.#tokens = Math.min(TOKENS_MAX, this.#tokens + 1);
  }

  /**
   * When to try again after {@link take} was refused: when there will be a token even without calls. Those who wait
   * are told different times, so that they do not all come for one token.
   */
  comeBackAtMs(nowMs: number): number {
    const refilledAtMs = nowMs + Math.max(1, (1 - this.tokensAt(nowMs)) / FLOOR_TOKENS_PER_MS);
    const nextMs = Math.max(refilledAtMs, this.#lastComebackMs + COMEBACK_DISTANCE_MS);
    this.#lastComebackMs = Math.min(nextMs, nowMs + COMEBACK_MAX_MS);
    return this.#lastComebackMs;
  }

  /** What is there now; parts of a token count. */
  tokensAt(nowMs: number): number {
    if (this.#tokens < FLOOR_TOKENS && this.#atMs !== Number.NEGATIVE_INFINITY) {
      const refilled = this.#tokens + Math.max(0, nowMs - this.#atMs) * FLOOR_TOKENS_PER_MS;
      this.#tokens = Math.min(FLOOR_TOKENS, refilled);
    }
    this.#atMs = nowMs;
    return this.#tokens;
  }
}
