// A laptop that is closed and opened again: its monotonic clock has stood still, its network is not back yet.

import { expect, test } from 'vitest';
import { CLIENT_HOST, outcomes, SimPair } from './sim-pair.ts';

const IN_AN_HOUR = { deadline: 3_600_000 };

/** A call under way in which the client's machine sleeps for half a minute, and `awayMs` later the network is there. */
async function sleepWithCall(pair: SimPair, awayMs: number): Promise<unknown> {
  pair.server.handle('work', async () => {
    await pair.sleep(33_000);
    return 'done';
  });
  pair.server.handle('echo', (request) => request);
  await pair.run(pair.peer.call('echo', 1));
  const answer = outcomes([pair.peer.call('work', null, IN_AN_HOUR)]);
  await pair.pass(50);
  pair.network.sleep(CLIENT_HOST);
  await pair.pass(30_000);
  pair.network.blackhole(CLIENT_HOST);
  pair.network.resume(CLIENT_HOST);
  await pair.pass(awayMs);
  pair.network.unblackhole(CLIENT_HOST);
  return (await pair.run(answer))[0];
}

// P-69
test('a call outlives the sleep, and a network that needs some seconds to come back', async () => {
  const pair = new SimPair();
  expect(await sleepWithCall(pair, 4_000)).toBe('done');
  expect(pair.events.filter(({ type }) => type === 'peer:silent')).toEqual([]);
  expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
});

test('a network that does not come back is noticed', async () => {
  const pair = new SimPair();
  expect(await sleepWithCall(pair, 30_000)).toBe('PEER_SILENT');
  await pair.close();
});

test('a wall clock that somebody sets excuses nobody for long', async () => {
  const pair = new SimPair();
  pair.server.handle('hang', () => new Promise(() => {}));
  pair.server.handle('echo', (request) => request);
  await pair.run(pair.peer.call('echo', 1));
  const answer = outcomes([pair.peer.call('hang', null, IN_AN_HOUR)]);
  await pair.pass(50);
  pair.network.blackhole(CLIENT_HOST);
  for (let i = 0; i < 70; i++) {
    pair.network.setWallClock(CLIENT_HOST, i % 2 === 0 ? 86_400_000 : -3_600_000);
    await pair.pass(100);
  }
  expect(await pair.run(answer)).toEqual(['PEER_SILENT']);
  expect(pair.clock.now()).toBeLessThan(10_000);
  await pair.close();
});
