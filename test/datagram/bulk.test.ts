// Much data from one peer, as an application asks for it: many messages at once over a bottleneck, some of what is sent
// lost on the way. What the congestion controller makes of such a path is test/protocol/bbr-on-a-path.test.ts; here it has
// to be kept supplied, by requests, grants and acknowledgements that travel against the stream.

import { describe, expect, test } from 'vitest';
import { CLIENT_HOST, SERVER_HOST, SimPair } from './sim-pair.ts';

const ROUND_TRIP_MS = 50;
/** 20 Mbit/s, and a queue of half of what is under way when it is full. */
const BYTES_PER_MS = 2500;

/** Loss, what is asked for, and how the processes fare. */
interface Load {
  readonly lossProbability: number;
  readonly messageBytes: number;
  readonly atOnce: number;
  /** Every 50 ms both processes get no processor for so long. */
  readonly stallMs?: number;
}

interface Outcome {
  /** Payload, as a part of what the bottleneck carries. */
  readonly filled: number;
  /** Of what was sent, what found its queue full. */
  readonly overflowed: number;
}

async function run({ lossProbability, messageBytes, atOnce, stallMs = 0 }: Load): Promise<Outcome> {
  const pair = new SimPair({ link: { latencyMs: ROUND_TRIP_MS / 2, lossProbability } });
  const shape = { bandwidthBytesPerMs: BYTES_PER_MS, queueBytes: (BYTES_PER_MS * ROUND_TRIP_MS) / 2 };
  pair.network.setUplink(SERVER_HOST, shape);
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
  const pass = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 50) {
      for (const host of [SERVER_HOST, CLIENT_HOST]) if (stallMs > 0) pair.network.pause(host);
      await pair.pass(stallMs);
      for (const host of [SERVER_HOST, CLIENT_HOST]) pair.network.resume(host);
      await pair.pass(50 - stallMs);
    }
  };
  await pass(STARTUP_MS);
  const before = answers;
  await pass(MEASURED_MS);
  const gotBytes = (answers - before) * messageBytes;
  const { sent, 'queue-full': overflowed } = pair.network.counters;
  await pair.close();
  await callers;
  return { filled: gotBytes / (BYTES_PER_MS * MEASURED_MS), overflowed: overflowed / sent };
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
      const { filled } = await run({ lossProbability, messageBytes: 50_000, atOnce: 32 });
      expect(filled).toBeGreaterThan(least);
    },
  );

  test('fill half of it though both processes stand still for half of the time', async () => {
    const { filled } = await run({ lossProbability: 0.02, messageBytes: 50_000, atOnce: 32, stallMs: 25 });
    expect(filled).toBeGreaterThan(0.5);
  });
});

// A path is full also when it is never asked to be for long: startup must not go on at every message.
test('one message after another does not overflow the path each time', async () => {
  const { overflowed } = await run({ lossProbability: 0.02, messageBytes: 250_000, atOnce: 1 });
  expect(overflowed).toBeLessThan(0.05);
});
