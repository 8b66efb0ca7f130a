// Both ends of our flow in the suite `bulk`, each in a process of its own:
//   node --import tsx bench/bulk/ends.ts serve HOST                          prints its address
//   node --import tsx bench/bulk/ends.ts fetch ADDRESS message|stream SECONDS    prints Mbit/s, or nothing
// The endpoints are as users get them.

import { createEndpoint } from '../../src/index.ts';
import { Arrivals } from './arrivals.ts';
import { LARGE_MESSAGE_BYTES, type Load, STREAM_MESSAGE_BYTES } from './loads.ts';

const [role, ...args] = process.argv.slice(2);
if (role === 'serve') await serve(args[0]!);
else console.log((await fetch(args[0]!, args[1] as Load, Number(args[2]))) ?? '');

async function serve(host: string): Promise<void> {
  const endpoint = await createEndpoint({ host });
  const bodies = new Map([LARGE_MESSAGE_BYTES, STREAM_MESSAGE_BYTES].map((size) => [size, body(size)]));
  endpoint.handle('get', (sizeBytes) => bodies.get(sizeBytes as number));
  console.log(endpoint.address);
}

function body(sizeBytes: number): Uint8Array {
  return new Uint8Array(sizeBytes).fill(7);
}

/** Mbit/s; undefined when not one message came whole. */
async function fetch(address: string, load: Load, seconds: number): Promise<number | undefined> {
  await using endpoint = await createEndpoint();
  const peer = endpoint.peer(address);
  const arrivals = new Arrivals(load, () => performance.now());
  const { sizeBytes, warmUpMs } = arrivals;
  const signal = AbortSignal.timeout(warmUpMs + 1000 * seconds);
  const call = { signal, deadline: Number.POSITIVE_INFINITY, expectedBytes: sizeBytes };
  const lanes = arrivals.receive(() => peer.call('get', sizeBytes, call));
  await Promise.all(lanes).catch((error) => {
    if (!signal.aborted) throw error;
  });
  return arrivals.mbitPerS;
}
