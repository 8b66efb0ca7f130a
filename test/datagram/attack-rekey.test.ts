// Large messages while keys wear out: a session hands over to its successor in the middle of what is under way.

import { describe, expect, test } from 'vitest';
import { SimPair } from './sim-pair.ts';

const MIB = 1024 * 1024;
const LIMITS = [
  ['after packets', { rekeyAfterPackets: 300 }],
  ['after time', { rekeyAfterMs: 200, sessionRefusedAfterMs: 1000 }],
  ['after time, with no time to spare', { rekeyAfterMs: 200, sessionRefusedAfterMs: 300 }],
] as const;

// P-107
describe.each(LIMITS)('rekey %s in the middle of large messages', (_name, config) => {
  test.each([0, 0.02])('with %d of the datagrams lost: each arrives whole and runs once', async (loss) => {
    const pair = new SimPair({
      config,
      link: { latencyMs: 20, bandwidthBytesPerMs: 2500, queueBytes: 200_000, lossProbability: loss },
    });
    let runs = 0;
    pair.server.handle('put', (body) => {
      runs++;
      return (body as Uint8Array).length;
    });
    pair.server.handle('get', (body) => {
      runs++;
      return new Uint8Array(body as number).fill(3);
    });
    expect(await pair.run(pair.peer.call('put', new Uint8Array(3 * MIB), { deadline: 60_000 }))).toBe(
      3 * MIB,
    );
    const got = await pair.run(pair.peer.call('get', 3 * MIB, { deadline: 60_000 }));
    expect((got as Uint8Array).length).toBe(3 * MIB);
    expect(runs).toBe(2);
    expect(pair.client.stats).toMatchObject({ callsFailed: 0, peersSilent: 0 });
    expect(pair.client.stats.sessionsEstablished).toBeGreaterThan(5);
  });
});
