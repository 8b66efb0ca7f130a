// One thread that fuzzes, seen from outside: given target after target, watched, and replaced when an input has been
// its end.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { FuzzResult, SharedState } from './engine.ts';
import type { WorkOrder } from './worker.ts';

/** How the run of one target ended. */
export type Ending =
  | { readonly result: FuzzResult }
  /** The thread has died of it. */
  | { readonly error: string }
  | { readonly error: string; readonly hangs: true };

export class Lane implements AsyncDisposable {
  readonly #hangMs: number;
  #worker: Worker | undefined;

  /** An input hangs during which all lanes together have worked for `hangMs`. */
  constructor(hangMs: number) {
    this.#hangMs = hangMs;
  }

  /** @throws Error when the thread ends before it has run an input. */
  async run(order: WorkOrder, shared: SharedState): Promise<Ending> {
    this.#worker ??= new Worker(new URL('./thread.js', import.meta.url));
    const ending = await this.#endingOf(this.#worker, order, shared);
    if ('result' in ending) return ending;
    await this[Symbol.asyncDispose]();
    if (shared.executions === 0) throw new Error(`${order.target}: ${ending.error}`);
    return ending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #endingOf(worker: Worker, order: WorkOrder, shared: SharedState): Promise<Ending> {
    const settled = new AbortController();
    const { signal } = settled;
    let watchdog: NodeJS.Timeout | undefined;
    const hang = new Promise<Ending>((end) => {
      watchdog = setInterval(this.#watch(shared, end), 200);
    });
    worker.postMessage(order);
    try {
      return await Promise.race([
        hang,
        once(worker, 'message', { signal }).then(([result]) => ({ result: result as FuzzResult })),
        once(worker, 'exit', { signal }).then(([code]) => ({ error: `the thread has ended with ${code}` })),
      ]);
    } catch (error) {
      return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    } finally {
      clearInterval(watchdog);
      settled.abort();
    }
  }

  /** Looks whether executions go on. Before the first one modules are loaded: no hang is to be seen there. */
  #watch(shared: SharedState, end: (ending: Ending) => void): () => void {
    let executions = 0;
    let movedAtMs = cpuMs();
    return () => {
      if (shared.executions !== executions) {
        executions = shared.executions;
        movedAtMs = cpuMs();
      }
      if (executions > 0 && cpuMs() - movedAtMs > this.#hangMs) {
        end({ error: `it hangs: an input takes more than ${this.#hangMs} ms`, hangs: true });
      }
    };
  }
}

/** What this process, with all its threads, has worked so far: on a busy machine nothing hangs that only waits. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
