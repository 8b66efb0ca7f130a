import { describe, expect, it } from 'vitest';
import { KeyedQueue, TaskQueue } from '../../src/storage/queues.ts';

describe('a task queue', () => {
  it('runs at most so many tasks at a time, in the order in which they came', async () => {
    const queue = new TaskQueue(3);
    const started: number[] = [];
    let running = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        queue.run(async () => {
          started.push(index);
          most = Math.max(most, ++running);
          for (let turns = index % 5; turns >= 0; turns--) await Promise.resolve();
          running--;
        }),
      ),
    );
    expect(most).toBe(3);
    expect(started).toEqual([...started].sort((a, b) => a - b));
    expect(queue.idle).toBe(true);
  });

  it('gives back what a task gives or throws, and goes on', async () => {
    const queue = new TaskQueue(1);
    const failing = queue.run(() => Promise.reject(new Error('no')));
    const next = queue.run(async () => 'yes');
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('yes');
    await expect(
      queue.run(() => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    expect(queue.idle).toBe(true);
  });

  it('rejects a waiting task at once when its signal aborts, and never starts it', async () => {
    const queue = new TaskQueue(1);
    const { promise: gate, open } = makeGate();
    const first = queue.run(() => gate);
    const abort = new AbortController();
    let started = false;
    const waiting = queue.run(async () => {
      started = true;
    }, abort.signal);
    const last = queue.run(async () => 'last');
    abort.abort(new Error('never mind'));
    await expect(waiting).rejects.toThrow('never mind');
    open();
    await first;
    expect(await last).toBe('last');
    expect(started).toBe(false);
    await expect(queue.run(async () => {}, abort.signal)).rejects.toThrow('never mind');
    expect(queue.idle).toBe(true);
  });

  it('lets a task that has started run to its end', async () => {
    const queue = new TaskQueue(1);
    const { promise: gate, open } = makeGate();
    const abort = new AbortController();
    const running = queue.run(() => gate.then(() => 'done'), abort.signal);
    abort.abort();
    open();
    expect(await running).toBe('done');
  });
});

describe('a keyed queue', () => {
  it('makes tasks of one key wait for each other, and only those', async () => {
    const queue = new KeyedQueue();
    const { promise: gate, open } = makeGate();
    const order: string[] = [];
    const first = queue.run('a', () => gate.then(() => order.push('a1')));
    const second = queue.run('a', async () => order.push('a2'));
    await queue.run('b', async () => order.push('b'));
    open();
    await Promise.all([first, second]);
    expect(order).toEqual(['b', 'a1', 'a2']);
  });
});

function makeGate(): { promise: Promise<void>; open: () => void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
