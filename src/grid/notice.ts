// "Something has changed, look again": how the parts of one upload or download wake those that wait for a
// condition. Holds no data; what has changed is read where it stands.

/** Wakes everybody who waits, and forgets it: a notice given while nobody waits is lost. */
export class Notice {
  #waiting: (() => void)[] = [];

  /** Resolves at the next {@link give}. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
