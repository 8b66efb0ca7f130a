// How much may be asked of servers at once, by number and by bytes: one operation's bound on its memory.

/** Gives room in turn, first come, first served. */
export class ReadBudget {
  readonly #bytesMax: number;
  #freeReads: number;
  #freeBytes: number;
  readonly #waiting: { readonly sizeBytes: number; readonly start: () => void }[] = [];

  constructor(readsMax: number, bytesMax: number) {
    this.#freeReads = readsMax;
    this.#freeBytes = bytesMax;
    this.#bytesMax = bytesMax;
  }

  /**
   * Resolves when there is room, to what gives it back (once; more often does nothing). A read larger than all that may
   * be out waits until nothing else is.
   */
  async take(sizeBytes: number): Promise<() => void> {
    const takenBytes = Math.min(sizeBytes, this.#bytesMax);
    await new Promise<void>((start) => {
      this.#waiting.push({ sizeBytes: takenBytes, start });
      this.#startWaiting();
    });
    let isGivenBack = false;
    return () => {
      if (isGivenBack) return;
      isGivenBack = true;
      this.#freeReads++;
      this.#freeBytes += takenBytes;
      this.#startWaiting();
    };
  }

  #startWaiting(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || this.#freeReads === 0 || this.#freeBytes < first.sizeBytes) return;
      this.#waiting.shift();
      this.#freeReads--;
      this.#freeBytes -= first.sizeBytes;
      first.start();
    }
  }
}
