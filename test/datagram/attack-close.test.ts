// Closing in the middle of everything: what it leads to must settle, too, and nothing may be left.

import { expect, test } from 'vitest';
import { addressOfNobody } from '../transport/addresses.ts';
import { outcomes, SimPair } from './sim-pair.ts';

test('a call that an aborted handler makes while its transport is closed settles', async () => {
  const pair = new SimPair();
  const later: Promise<unknown[]>[] = [];
  pair.client.handle('ask', () => 1);
  pair.server.handle(
    'hang',
    (_body, { signal }) => {
      const other = pair.server.peer(pair.client.address);
      signal.addEventListener('abort', () => {
        later.push(outcomes([other.call('ask', 1, { deadline: Number.POSITIVE_INFINITY })]));
      });
      return new Promise(() => {});
    },
    { early: 'safe' },
  );
  const call = outcomes([pair.peer.call('hang', 1)]);
  await pair.pass(100);
  await pair.run(pair.server.close());
  expect(later).toHaveLength(1);
  expect(await pair.run(later[0]!)).toEqual(['CLOSED']);
  await pair.run(pair.client.close());
  expect(await call).toEqual(['CLOSED']);
  await pair.pass(10_000);
  expect(pair.clock.armedTimers).toBe(0);
});

test('with everything outstanding on both sides, nothing is left', async () => {
  const pair = new SimPair({ link: { lossProbability: 0.2, bandwidthBytesPerMs: 500 } });
  pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
  pair.server.handle('much', () => new Uint8Array(2_000_000), { early: 'safe' });
  pair.client.handle('hang', () => new Promise(() => {}));
  const back = pair.server.peer(pair.client.address);
  const calls = outcomes([
    ...Array.from({ length: 300 }, () => pair.peer.call('hang', null)),
    ...Array.from({ length: 5 }, () => pair.peer.call('much', null)),
    ...Array.from({ length: 5 }, () => pair.peer.call('hang', new Uint8Array(3_000_000))),
    ...Array.from({ length: 100 }, () => back.call('hang', null)),
    pair.client.peer(addressOfNobody('10.9.9.9', 1)).call('hang', null),
  ]);
  await pair.pass(1000);
  await pair.run(Promise.all([pair.client.close(), pair.server.close()]));
  expect(new Set(await calls)).toEqual(new Set(['CLOSED']));
  for (const { gauges } of [pair.client, pair.server]) {
    expect(Object.entries(gauges).filter(([, value]) => value !== 0)).toEqual([]);
  }
  expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
});
