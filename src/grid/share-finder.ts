// Who has shares of a file? Asks the servers in the order of the file's permutation, many at once, and goes on to
// the next ones while others are late. What is done with the shares is download's business.

import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { describeShares, outcomeOf, type ServerOutcome, seconds } from './error.ts';
import { isAtLeast, LateWatch, type Question } from './late-watch.ts';
import { retryDelayMs, TRIES_MAX } from './retry.ts';

/** What a search needs. */
export interface ShareFinderOptions {
  /** In the order of the file's permutation. */
  readonly servers: readonly StorageServer[];
  readonly storageIndex: Uint8Array;
  readonly needed: number;
  readonly total: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly onFound: (server: StorageServer, shareNumber: number) => void;
  /** An answer came, or will not come soon. */
  readonly onChange: () => void;
}

/**
 * A search. It asks {@link ASKED_AT_ONCE} servers, and one more for each that has answered or is late, until it
 * has found so many shares that a download has a choice; all servers, once `wantMore` was called.
 */
export class ShareFinder {
  readonly #options: ShareFinderOptions;
  readonly #asked: Asked[] = [];
  readonly #found = new Set<number>();
  readonly #retries = new Set<Timer>();
  readonly #watch: LateWatch<Asked>;
  #wantsAll = false;
  #closed = false;

  constructor(options: ShareFinderOptions) {
    this.#options = options;
    this.#watch = new LateWatch({
      clock: options.clock,
      floorMs: 150,
      unknownMs: 500,
      onLate: () => this.#advance(),
    });
  }

  start(): void {
    this.#advance();
  }

  /**
   * What was found is not enough. Once no answer is due any more, every other server is asked, and those that
   * failed once more.
   */
  wantMore(): void {
    if (this.#wantsAll || this.#closed || this.#due.length > 0) return;
    this.#wantsAll = true;
    for (const asked of this.#asked) if (asked.outcome === 'failed') this.#askAgainSoon(asked);
    this.#advance();
  }

  /** Every server was asked, and no answer that can still be hoped for is missing. */
  get isExhausted(): boolean {
    return (
      this.#asked.length === this.#options.servers.length &&
      this.#retries.size === 0 &&
      this.#asked.every(
        ({ outcome, question }) => outcome !== 'waiting' || isAtLeast(question!.lateness, 'hopeless'),
      )
    );
  }

  /** Every server has said what it has. */
  get hasEveryAnswer(): boolean {
    return (
      this.#asked.length === this.#options.servers.length &&
      this.#asked.every(({ outcome }) => outcome === 'answered')
    );
  }

  /** What became of each server that was asked. */
  get outcomes(): ServerOutcome[] {
    return this.#asked.map(({ server: { name }, outcome, shares, failure, question }) => {
      switch (outcome) {
        case 'answered':
          return { name, outcome: shares.length === 0 ? 'has no share' : `has ${describeShares(shares)}` };
        case 'failed':
          return { name, outcome: failure };
        case 'waiting':
          return { name, outcome: `has not answered for ${seconds(question?.ageMs() ?? 0)}` };
        default:
          return outcome satisfies never;
      }
    });
  }

  /** Cancels what is open. */
  close(): void {
    this.#closed = true;
    this.#watch.close();
    for (const timer of this.#retries) timer.cancel();
    for (const { controller } of this.#asked) controller.abort(new Error('the search is over'));
  }

  get #due(): readonly Asked[] {
    return this.#asked.filter(
      ({ outcome, question }) => outcome === 'waiting' && question?.lateness === 'due',
    );
  }

  #advance(): void {
    const { servers, needed, total } = this.#options;
    const enough = Math.min(total, CHOICE * needed);
    while (!this.#closed && this.#asked.length < servers.length) {
      if (this.#due.length >= ASKED_AT_ONCE || (!this.#wantsAll && this.#found.size >= enough)) break;
      const asked: Asked = {
        server: servers[this.#asked.length]!,
        controller: new AbortController(),
        question: undefined,
        outcome: 'waiting',
        shares: [],
        failure: '',
        tries: 0,
      };
      this.#asked.push(asked);
      this.#ask(asked);
    }
    this.#options.onChange();
  }

  #ask(asked: Asked): void {
    const { storageIndex, total, onFound } = this.#options;
    const { server, controller } = asked;
    const question = this.#watch.ask(server, asked);
    asked.question = question;
    asked.outcome = 'waiting';
    asked.tries++;
    server.list(storageIndex, { signal: controller.signal, onOverdue: question.overdue }).then(
      (listed) => {
        if (this.#closed) return;
        asked.outcome = 'answered';
        // A number that the file does not have would only be read in vain.
        asked.shares = [...new Set(listed)].filter(
          (share) => Number.isInteger(share) && share >= 0 && share < total,
        );
        for (const share of asked.shares) {
          this.#found.add(share);
          onFound(server, share);
        }
        question.answered();
        this.#advance();
      },
      (error: unknown) => {
        question.dropped();
        if (this.#closed) return;
        asked.outcome = 'failed';
        asked.failure = outcomeOf(error);
        if (this.#wantsAll) this.#askAgainSoon(asked);
        this.#advance();
      },
    );
  }

  #askAgainSoon(asked: Asked): void {
    if (asked.tries >= TRIES_MAX) return;
    const { clock, random } = this.#options;
    const timer = clock.setTimer(retryDelayMs(asked.tries, random), () => {
      this.#retries.delete(timer);
      this.#ask(asked);
    });
    this.#retries.add(timer);
  }
}

interface Asked {
  readonly server: StorageServer;
  readonly controller: AbortController;
  question: Question<Asked> | undefined;
  outcome: 'waiting' | 'answered' | 'failed';
  shares: readonly number[];
  /** Why it failed. */
  failure: string;
  tries: number;
}

const ASKED_AT_ONCE = 20;
/** Stop looking when so many times the needed shares are located: the rest are alternates. */
const CHOICE = 2;
