// Large messages while keys wear out: a session hands over to its successor in the middle of what is under way.

import { expect, test } from 'vitest';
import { SimPair } from './sim-pair.ts';

const MIB = 1024 * 1024;
const LIMITS = [
  ['after packets', 0, { rekeyAfterPackets: 100 }],
  ['after time', 0.02, { rekeyAfterMs: 80, sessionRefusedAfterMs: 1000 }],
  ['after time, with no time to spare', 0, { rekeyAfterMs: 80, sessionRefusedAfterMs: 180 }],
] as const;

// P-107
test.each(LIMITS)(
  'rekey %s, %d of the datagrams lost: large messages arrive whole, and run once',
  async (_when, loss, config) => {
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
    expect(await pair.run(pair.peer.call('put', new Uint8Array(MIB), { deadline: 60_000 }))).toBe(MIB);
    const got = await pair.run(pair.peer.call('get', MIB, { deadline: 60_000 }));
    expect((got as Uint8Array).length).toBe(MIB);
    expect(runs).toBe(2);
    expect(pair.client.stats).toMatchObject({ callsFailed: 0, peersSilent: 0 });
    expect(pair.client.stats.sessionsEstablished).toBeGreaterThan(3);
  },
);
