// Answers that clients have not confirmed yet, bounded by bytes over all of them. When there are too many, those of keys of
// which nobody is there go first, then those of the key that holds most, oldest first: nobody pushes out what others have yet
// to fetch. An id is remembered longer than its answer (server-calls.ts): losing one gives OUTCOME_UNKNOWN, never a second execution.

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

/** Whose answers they are. */
export interface AnswerOwner {
  /** Somebody of it is known to be there, and may yet fetch them. */
  isPresent(nowMs: number): boolean;
}

/** What is kept for one key: a list through the answers themselves, as every request makes one. */
export class AnswerShare implements RosterMember {
  rosterPlace = -1;
  sizeBytes = 0;
  readonly owner: AnswerOwner;
  #oldest: KeptAnswer | undefined;
  #newest: KeptAnswer | undefined;

  constructor(owner: AnswerOwner) {
    this.owner = owner;
  }

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
  add(share: AnswerShare, answer: KeptAnswer, bodyBytes: number, nowMs: number): void {
    const sizeBytes = bodyBytes + OVERHEAD_BYTES;
    if (sizeBytes > this.#limitBytes) return;
    share.add(answer, sizeBytes);
    this.#sizeBytes += sizeBytes;
    this.#shares.add(share);
    // P-127
    while (this.#sizeBytes > this.#limitBytes) this.#forgetOldestOf(this.#mostDispensable(nowMs));
  }

  remove(share: AnswerShare, answer: KeptAnswer): void {
    if (answer.keptBytes === 0) return;
    this.#sizeBytes -= answer.keptBytes;
    share.remove(answer);
    if (share.oldest === undefined) this.#shares.remove(share);
  }

  #mostDispensable(nowMs: number): AnswerShare {
    let found: AnswerShare | undefined;
    let most = 0;
    for (const share of this.#shares.members) {
      // Who is not there stands behind all others, however little it holds: strangers can be any number.
      const claim = share.sizeBytes + (share.owner.isPresent(nowMs) ? 0 : this.#limitBytes);
      if (claim <= most) continue;
      found = share;
      most = claim;
    }
    return found!;
  }

  #forgetOldestOf(share: AnswerShare): void {
    const answer = share.oldest!;
    this.remove(share, answer);
    answer.forgetAnswer();
  }
}

/** What an answer without a body costs. */
const OVERHEAD_BYTES = 256;
