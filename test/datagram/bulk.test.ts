// Much data from one peer, as an application asks for it: many messages at once over a bottleneck, some of what is sent
// lost on the way. What the congestion controller makes of such a path is test/protocol/bbr-on-a-path.test.ts; here it has
// to be kept supplied, by requests, grants and acknowledgements that travel against the stream.

import { describe, expect, test } from 'vitest';
import { SERVER_HOST, SimPair } from './sim-pair.ts';

const ROUND_TRIP_MS = 50;
/** 20 Mbit/s, and a queue of half of what is under way when it is full. */
const BYTES_PER_MS = 2500;

/** What so many callers at once get in payload, as a part of what the bottleneck carries, from `fromMs` to `toMs`. */
async function filled(
  lossProbability: number,
  { messageBytes, atOnce }: { messageBytes: number; atOnce: number },
): Promise<number> {
  const pair = new SimPair({ link: { latencyMs: ROUND_TRIP_MS / 2, lossProbability } });
  const shape = { bandwidthBytesPerMs: BYTES_PER_MS, queueBytes: (BYTES_PER_MS * ROUND_TRIP_MS) / 2 };
  pair.network.setUplink(SERVER_HOST, shape);
  pair.network.setDownlink(SERVER_HOST, shape);
  const body = new Uint8Array(messageBytes);
  pair.server.handle('get', () => body);
  let answers = 0;
  const caller = async (): Promise<void> => {
    for (;;) {
      await pair.peer.call('get', null, { expectedBytes: messageBytes });
      answers++;
    }
  };
  const callers = Promise.allSettled(Array.from({ length: atOnce }, caller));
  await pair.pass(STARTUP_MS);
  const before = answers;
  await pair.pass(MEASURED_MS);
  const gotBytes = (answers - before) * messageBytes;
  await pair.close();
  await callers;
  return gotBytes / (BYTES_PER_MS * MEASURED_MS);
}

const STARTUP_MS = 1000;
const MEASURED_MS = 3000;

describe('many messages at once', () => {
  test.each([
    { lossProbability: 0.02, least: 0.85 },
    { lossProbability: 0.1, least: 0.75 },
  ])(
    'fill $least of a bottleneck with $lossProbability lost each way',
    async ({ lossProbability, least }) => {
      expect(await filled(lossProbability, { messageBytes: 50_000, atOnce: 32 })).toBeGreaterThan(least);
    },
  );
});
