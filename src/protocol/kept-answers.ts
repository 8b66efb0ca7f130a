// Answers that clients have not confirmed yet, bounded by bytes over all of them. When there are too many, those of the key
// that holds most go first, oldest first: nobody pushes out what others have yet to fetch. An id is remembered longer than
// its answer (server-calls.ts): losing one gives OUTCOME_UNKNOWN, never a second execution.

interface Kept {
  readonly sizeBytes: number;
  readonly forget: () => void;
}

/** What is kept for one key. */
export class AnswerShare {
  sizeBytes = 0;
  /** By the calls that own them; the one made least recently first. */
  readonly answers: Map<object, Kept> = new Map<object, Kept>();
}

/** The bounded store of answers. */
export class KeptAnswers {
  readonly #limitBytes: number;
  /** Those with something in them. */
  readonly #shares = new Set<AnswerShare>();
  #sizeBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Keeps an answer; others may be forgotten for it. One larger than everything allowed is kept until it is sent. */
  add(share: AnswerShare, owner: object, bodyBytes: number, forget: () => void): void {
    const sizeBytes = bodyBytes + OVERHEAD_BYTES;
    if (sizeBytes > this.#limitBytes) return;
    share.answers.set(owner, { sizeBytes, forget });
    share.sizeBytes += sizeBytes;
    this.#sizeBytes += sizeBytes;
    this.#shares.add(share);
    // P-127
    while (this.#sizeBytes > this.#limitBytes) this.#forgetOldestOf(this.#largest());
  }

  remove(share: AnswerShare, owner: object): void {
    const kept = share.answers.get(owner);
    if (kept === undefined) return;
    share.answers.delete(owner);
    share.sizeBytes -= kept.sizeBytes;
    this.#sizeBytes -= kept.sizeBytes;
    if (share.answers.size === 0) this.#shares.delete(share);
  }

  #largest(): AnswerShare {
    let largest: AnswerShare | undefined;
    for (const share of this.#shares) {
      if (largest === undefined || share.sizeBytes > largest.sizeBytes) largest = share;
    }
    return largest!;
  }

  #forgetOldestOf(share: AnswerShare): void {
    for (const [owner, { forget }] of share.answers) {
      this.remove(share, owner);
      forget();
      return;
    }
  }
}

/** What an answer without a body costs. */
const OVERHEAD_BYTES = 256;
