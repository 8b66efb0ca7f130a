// Calls to a peer that has vanished: when does a system say so, and in how many batches?

import type { EchoClient } from './system.ts';

export interface Outlast {
  readonly calls: number;
  /** The end of the run, in milliseconds, whatever is outstanding. */
  readonly boundMs: number;
}

export interface OutlastResult {
  /** When each call that settled did so, in milliseconds from when all were made, ascending. */
  readonly settledMs: readonly number[];
  readonly outstanding: number;
  /** What the first one that failed said. */
  readonly error: string | undefined;
}

export async function outlast(client: EchoClient, { calls, boundMs }: Outlast): Promise<OutlastResult> {
  const settledMs: number[] = [];
  let error: string | undefined;
  const startMs = performance.now();
  const all = Array.from({ length: calls }, async () => {
    try {
      await client.echo(Buffer.alloc(64));
    } catch (reason) {
      error ??= String(reason).split('\n')[0];
    }
    settledMs.push(performance.now() - startMs);
  });
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, boundMs);
    void Promise.all(all).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
  return { settledMs: [...settledMs], outstanding: calls - settledMs.length, error };
}
