// Answers that clients have not confirmed yet, bounded by bytes over all of them. When there are too many, those of the key
// that holds most go first, oldest first: nobody pushes out what others have yet to fetch. An id is remembered longer than
// its answer (server-calls.ts): losing one gives OUTCOME_UNKNOWN, never a second execution.

import { Roster, type RosterMember } from '../base/roster.ts';

/** An answer, and its place among those that are kept for one key; the store keeps all but the last. */
export interface KeptAnswer {
  /** 0 while it is not kept. */
  keptBytes: number;
  older: KeptAnswer | undefined;
  newer: KeptAnswer | undefined;
  /** There is no room for it any more. */
  forgetAnswer(): void;
}

/** What is kept for one key: a list through the answers themselves, as every request makes one. */
export class AnswerShare implements RosterMember {
  rosterPlace = -1;
  sizeBytes = 0;
  #oldest: KeptAnswer | undefined;
  #newest: KeptAnswer | undefined;

  get oldest(): KeptAnswer | undefined {
    return this.#oldest;
  }

  add(answer: KeptAnswer, sizeBytes: number): void {
    answer.keptBytes = sizeBytes;
    this.sizeBytes += sizeBytes;
    answer.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = answer;
    else this.#newest.newer = answer;
    this.#newest = answer;
  }

  remove(answer: KeptAnswer): void {
    this.sizeBytes -= answer.keptBytes;
    answer.keptBytes = 0;
    const { older, newer } = answer;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    answer.older = undefined;
    answer.newer = undefined;
  }
}

/** The bounded store of answers. */
export class KeptAnswers {
  readonly #limitBytes: number;
  /** Those with something in them. */
  readonly #shares = new Roster<AnswerShare>();
  #sizeBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Keeps an answer; others may be forgotten for it. One larger than everything allowed is kept until it is sent. */
  add(share: AnswerShare, answer: KeptAnswer, bodyBytes: number): void {
    const sizeBytes = bodyBytes + OVERHEAD_BYTES;
    if (sizeBytes > this.#limitBytes) return;
    share.add(answer, sizeBytes);
    this.#sizeBytes += sizeBytes;
    this.#shares.add(share);
    // P-127
    while (this.#sizeBytes > this.#limitBytes) this.#forgetOldestOf(this.#largest());
  }

  remove(share: AnswerShare, answer: KeptAnswer): void {
    if (answer.keptBytes === 0) return;
    this.#sizeBytes -= answer.keptBytes;
    share.remove(answer);
    if (share.oldest === undefined) this.#shares.remove(share);
  }

  #largest(): AnswerShare {
    return this.#shares.members.reduce((largest, share) =>
      share.sizeBytes > largest.sizeBytes ? share : largest,
    );
  }

  #forgetOldestOf(share: AnswerShare): void {
    const answer = share.oldest!;
    this.remove(share, answer);
    answer.forgetAnswer();
  }
}

/** What an answer without a body costs. */
const OVERHEAD_BYTES = 256;
