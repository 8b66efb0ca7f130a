// A time limit as an AbortSignal that says what took too long. AbortSignal.timeout only knows "timed out".

/** Aborts with `reason` after `limitMs`, unless it is disposed before; keeps no process alive. */
export function timeLimit(limitMs: number, reason: Error): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(reason), limitMs).unref();
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
