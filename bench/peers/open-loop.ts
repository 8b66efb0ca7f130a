// Calls at a steady rate, answered or not: what a user sees of a lossy path, unlike calls that wait for each other.

import type { EchoClient } from './system.ts';

export interface OpenLoop {
  readonly callsPerSecond: number;
  readonly seconds: number;
  readonly bodyBytes: number;
}

export interface OpenLoopResult {
  /** Of the calls that were answered, in milliseconds, from when the call was due. */
  readonly timesMs: readonly number[];
  readonly failures: number;
}

/** A call that has no answer so long after the last one was due has failed. */
const PATIENCE_MS = 30_000;

/** One call goes first and is not counted: some systems have to connect. */
export async function openLoop(client: EchoClient, load: OpenLoop): Promise<OpenLoopResult> {
  const body = Buffer.alloc(load.bodyBytes, 0x5a);
  await client.echo(body);
  const timesMs: number[] = [];
  let failures = 0;
  let open = 0;
  const call = async (dueAtMs: number): Promise<void> => {
    open++;
    try {
      await client.echo(body);
      timesMs.push(performance.now() - dueAtMs);
    } catch {
      failures++;
    } finally {
      open--;
    }
  };
  const intervalMs = 1000 / load.callsPerSecond;
  const total = load.seconds * load.callsPerSecond;
  const startMs = performance.now();
  let made = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const nowMs = performance.now();
      while (made < total && startMs + made * intervalMs <= nowMs) void call(startMs + made++ * intervalMs);
      const isLate = nowMs > startMs + total * intervalMs + PATIENCE_MS;
      if (made < total || (open > 0 && !isLate)) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  return { timesMs, failures: failures + open };
}
