// Which shares of a file are where: asks every server, many at once, and waits for nobody who is late. What the shares
// are worth is not asked here.

import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { describeShares, outcomeOf, type ServerOutcome, seconds } from './error.ts';
import { isAtLeast, LateWatch, type Question } from './late-watch.ts';
import { isWorthRepeating, retryDelayMs, TRIES_MAX } from './retry.ts';

/** What a survey needs. */
export interface SurveyOptions {
  readonly servers: readonly StorageServer[];
  readonly storageIndex: Uint8Array;
  readonly total: number;
  readonly clock: Clock;
  readonly random: Random;
  /** A server has said what it has: perhaps nothing. */
  readonly onAnswer: (server: StorageServer, shareNumbers: readonly number[]) => void;
  /** An answer came, or is late. */
  readonly onChange: () => void;
}

/** One round of questions to all servers; `start` it, and `close` it in the end. */
export class Survey {
  readonly #options: SurveyOptions;
  readonly #visits: Visit[];
  readonly #watch: LateWatch<Visit>;
  #closed = false;

  constructor(options: SurveyOptions) {
    this.#options = options;
    this.#visits = options.servers.map((server) => ({
      server,
      state: 'to be asked',
      question: undefined,
      controller: new AbortController(),
      retry: undefined,
      tries: 0,
      shares: [],
      failure: '',
    }));
    this.#watch = new LateWatch({
      clock: options.clock,
      floorMs: LATE_FLOOR_MS,
      unknownMs: UNKNOWN_MS,
      toleratedFactor: LISTS_TOLERATED,
      onLate: () => {
        this.#advance();
        options.onChange();
      },
    });
  }

  start(): void {
    this.#advance();
  }

  /** Every server has answered or failed, or is so late that it is not waited for. */
  get isSettled(): boolean {
    return this.#visits.every(
      ({ state, question }) =>
        state === 'answered' ||
        state === 'failed' ||
        (state === 'asked' && question !== undefined && isAtLeast(question.lateness, 'late')),
    );
  }

  get answeredCount(): number {
    return this.#visits.filter(({ state }) => state === 'answered').length;
  }

  /** Servers that have not said what they have. */
  get unanswered(): StorageServer[] {
    return this.#visits.filter(({ state }) => state !== 'answered').map(({ server }) => server);
  }

  /** What became of each server. */
  get outcomes(): ServerOutcome[] {
    return this.#visits.map(({ server: { name }, state, shares, failure, question }) => {
      switch (state) {
        case 'answered':
          return { name, outcome: shares.length === 0 ? 'has no share' : `has ${describeShares(shares)}` };
        case 'failed':
          return { name, outcome: failure };
        case 'asked':
        case 'to be asked':
          return { name, outcome: `has not answered for ${seconds(question?.ageMs() ?? 0)}` };
        default:
          return state satisfies never;
      }
    });
  }

  /** Cancels what is open. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const visit of this.#visits) {
      visit.retry?.cancel();
      visit.controller.abort(new Error('what the server has is not needed any more'));
    }
    this.#watch.close();
  }

  /** Asks as many as may be asked at once; one that is late makes room for the next. */
  #advance(): void {
    if (this.#closed) return;
    const inTime = this.#visits.filter(
      ({ state, question }) => state === 'asked' && !isAtLeast(question?.lateness ?? 'due', 'late'),
    ).length;
    const next = this.#visits.filter(({ state }) => state === 'to be asked');
    for (const visit of next.slice(0, Math.max(0, ASKED_AT_ONCE - inTime))) this.#ask(visit);
  }

  #ask(visit: Visit): void {
    const { storageIndex, total, onAnswer, onChange, clock, random } = this.#options;
    const { server } = visit;
    const question = this.#watch.ask(server, visit);
    visit.state = 'asked';
    visit.question = question;
    visit.tries++;
    const settle = (state: Visit['state']) => {
      visit.state = state;
      this.#advance();
      onChange();
    };
    server.list(storageIndex, { signal: visit.controller.signal, onOverdue: question.overdue }).then(
      (shares) => {
        if (this.#closed) return;
        visit.shares = shares.filter((share) => share < total);
        question.answered();
        onAnswer(server, visit.shares);
        settle('answered');
      },
      (error: unknown) => {
        question.dropped();
        if (this.#closed) return;
        visit.failure = outcomeOf(error);
        if (visit.tries >= TRIES_MAX || !isWorthRepeating(error)) return settle('failed');
        visit.question = undefined;
        visit.retry = clock.setTimer(retryDelayMs(visit.tries, random), () => this.#ask(visit));
      },
    );
  }
}

interface Visit {
  readonly server: StorageServer;
  state: 'to be asked' | 'asked' | 'answered' | 'failed';
  /** Undefined while it waits for its next try. */
  question: Question<Visit> | undefined;
  readonly controller: AbortController;
  retry: Timer | undefined;
  tries: number;
  shares: readonly number[];
  failure: string;
}

/** Questions that are small both ways. */
const ASKED_AT_ONCE = 100;
/**
 * So much may be lost to a server that is silent; for a verdict on a file it is worth more than for a download: a round
 * trip around the earth where the others are near, a machine that is busy.
 */
export const LATE_FLOOR_MS = 400;
/** As often as that, what the middle one of the others takes is nothing unusual: connections are opened first. */
const LISTS_TOLERATED = 2;
/** With nothing to compare with, a line may well be that slow: most who are silent are found out by the transport before. */
export const UNKNOWN_MS = 3000;
