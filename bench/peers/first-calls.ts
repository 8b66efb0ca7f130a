// First calls, each of a client of its own that has never met the server.

import type { System } from './system.ts';

export interface FirstCalls {
  readonly clients: number;
  readonly bodyBytes: number;
}

/** How long each took, from before its client was made, in milliseconds. One goes first and is not counted: its code is compiled. */
export async function firstCalls(system: System, address: string, load: FirstCalls): Promise<number[]> {
  const body = Buffer.alloc(load.bodyBytes, 0x5a);
  const timesMs: number[] = [];
  for (let i = 0; i <= load.clients; i++) {
    const startMs = performance.now();
    const client = await system.connect(address);
    await client.echo(body);
    const tookMs = performance.now() - startMs;
    if (i > 0) timesMs.push(tookMs);
    await client.close();
  }
  return timesMs;
}
