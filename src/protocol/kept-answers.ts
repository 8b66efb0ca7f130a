// Answers that clients have not confirmed yet, over all of them, bounded by bytes: the ones used least recently
// go first. An id is remembered longer than its answer (server-peer.ts): losing one gives OUTCOME_UNKNOWN, never
// a second execution.

import { LRUCache } from 'lru-cache';

interface Kept {
  readonly sizeBytes: number;
  readonly forget: () => void;
}

/** The bounded store of answers; the calls that own them are the keys. */
export class KeptAnswers {
  readonly #answers: LRUCache<object, Kept>;

  constructor(limitBytes: number) {
    this.#answers = new LRUCache<object, Kept>({
      maxSize: limitBytes,
      sizeCalculation: (kept) => kept.sizeBytes,
      dispose: (kept, _owner, reason) => {
        if (reason === 'evict') kept.forget();
      },
    });
  }

  /** Keeps an answer; others may be forgotten for it. One larger than everything allowed is kept until it is sent. */
  add(owner: object, sizeBytes: number, forget: () => void): void {
    this.#answers.set(owner, { sizeBytes: sizeBytes + OVERHEAD_BYTES, forget });
  }

  remove(owner: object): void {
    this.#answers.delete(owner);
  }

  get sizeBytes(): number {
    return this.#answers.calculatedSize;
  }
}

/** What an answer without a body costs. */
const OVERHEAD_BYTES = 256;
