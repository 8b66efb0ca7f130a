// Who runs when: a queue of one, a queue of one per key, and a queue of a few. A task whose signal aborts
// while it waits is never started and rejects at once; one that has started runs to its end, since a disk
// cannot be told never mind.

type Task<T> = () => Promise<T>;

/** Runs at most `limit` tasks at a time, first come, first served. */
export class TaskQueue {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** True when nothing runs or waits. */
  get idle(): boolean {
    return this.#running === 0 && this.#waiting.size === 0;
  }

  /** Resolves or rejects as `task` does, or rejects with `signal.reason` if that aborted before its turn. */
  async run<T>(task: Task<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running < this.#limit) this.#running++;
    else await this.#turn(signal);
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  /** Waits for a task that ends to hand over its place, which stays counted as running meanwhile. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        this.#waiting.delete(start);
        reject(signal?.reason);
      };
      this.#waiting.add(start);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #next(): void {
    for (const start of this.#waiting) {
      this.#waiting.delete(start);
      start();
      return;
    }
    this.#running--;
  }
}

/** Runs the tasks of one key one after another, those of different keys side by side. */
export class KeyedQueue {
  readonly #queues = new Map<string, TaskQueue>();

  async run<T>(key: string, task: Task<T>, signal?: AbortSignal): Promise<T> {
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = new TaskQueue(1);
      this.#queues.set(key, queue);
    }
    try {
      return await queue.run(task, signal);
    } finally {
      if (queue.idle && this.#queues.get(key) === queue) this.#queues.delete(key);
    }
  }
}
