// Functions that the users of a transport have given it to be called. They run in the middle of the transport's own
// work, which what they throw must not interrupt: half of a datagram's events would be lost.

import type { TransportEvent } from './transport.ts';

/**
 * Calls a user's function. What it throws is raised after this turn as an uncaught exception, as Node does with the
 * subscribers of a diagnostics channel: a fault of the program is seen, and nothing of the transport's is skipped.
 */
export function callUser(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Those who listen to a transport's events. */
export class Listeners {
  readonly #listeners = new Set<(event: TransportEvent) => void>();

  /** Returns the function that takes it out again. */
  add(listener: (event: TransportEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(event: TransportEvent): void {
    for (const listener of this.#listeners) callUser(() => listener(event));
  }

  clear(): void {
    this.#listeners.clear();
  }
}
