// Both ends of our flow in the suite `bulk`, each in a process of its own:
//   node --import tsx bench/bulk/ends.ts serve HOST                          prints its address
//   node --import tsx bench/bulk/ends.ts fetch ADDRESS message|stream SECONDS    prints Mbit/s, or nothing
// The endpoints are as users get them.

import { createEndpoint } from '../../src/index.ts';
import { AT_ONCE, LARGE_MESSAGE_BYTES, type Load, STREAM_MESSAGE_BYTES, WARM_UP_SECONDS } from './loads.ts';

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

/**
 * Mbit/s; undefined when not one message came whole. Of a stream between two arrivals: of the last message before it was warm,
 * and of the last one of all.
 */
async function fetch(address: string, load: Load, seconds: number): Promise<number | undefined> {
  await using endpoint = await createEndpoint();
  const peer = endpoint.peer(address);
  const warmUpMs = load === 'message' ? 0 : 1000 * WARM_UP_SECONDS;
  const signal = AbortSignal.timeout(warmUpMs + 1000 * seconds);
  const sizeBytes = load === 'message' ? LARGE_MESSAGE_BYTES : STREAM_MESSAGE_BYTES;
  const call = { signal, deadline: Number.POSITIVE_INFINITY, expectedBytes: sizeBytes };
  const startedAtMs = performance.now();
  let fromMs = startedAtMs;
  let untilMs = startedAtMs;
  let receivedBytes = 0;
  const next = async (): Promise<void> => {
    await peer.call('get', sizeBytes, call);
    untilMs = performance.now();
    if (untilMs < startedAtMs + warmUpMs) fromMs = untilMs;
    else receivedBytes += sizeBytes;
  };
  const lane = async (): Promise<void> => {
    for (;;) await next();
  };
  const lanes = load === 'message' ? [next()] : Array.from({ length: AT_ONCE }, lane);
  await Promise.all(lanes).catch((error) => {
    if (!signal.aborted) throw error;
  });
  return receivedBytes === 0 ? undefined : (8 * receivedBytes) / (untilMs - fromMs) / 1000;
}
