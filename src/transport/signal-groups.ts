// One listener per AbortSignal, however many calls hang on it: a signal with 100,000 listeners takes a minute to
// abort, because taking one listener off is a walk along all of them.

/** Calls by the signal that cancels them. */
export class SignalGroups {
  readonly #groups = new Map<AbortSignal, { readonly calls: Set<number>; readonly listener: () => void }>();
  readonly #onAbort: (callIds: readonly number[], reason: unknown) => void;

  /** `onAbort` gets all calls of a signal at once; they are out of the group by then. */
  constructor(onAbort: (callIds: readonly number[], reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  /** Signals that are listened to. */
  get size(): number {
    return this.#groups.size;
  }

  add(signal: AbortSignal, callId: number): void {
    const group = this.#groups.get(signal);
    if (group !== undefined) {
      group.calls.add(callId);
      return;
    }
    const calls = new Set([callId]);
    const listener = (): void => {
      this.#groups.delete(signal);
      this.#onAbort([...calls], signal.reason);
    };
    signal.addEventListener('abort', listener, { once: true });
    this.#groups.set(signal, { calls, listener });
  }

  /** The call has settled; with the last one of a signal its listener goes. */
  remove(signal: AbortSignal, callId: number): void {
    const group = this.#groups.get(signal);
    if (group === undefined) return;
    group.calls.delete(callId);
    if (group.calls.size > 0) return;
    this.#groups.delete(signal);
    signal.removeEventListener('abort', group.listener);
  }
}
