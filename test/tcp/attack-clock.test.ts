// Times at which our own process did not run, over connections: a stopped process, a machine that slept.

import { expect, test } from 'vitest';
import { CLIENT, outcomes, SERVER, TcpPair } from './tcp-pair.ts';

const IN_AN_HOUR = { deadline: 3_600_000 };

test('an answer that waited while we stood still says nothing of the peer nor of the path', async () => {
  const pair = new TcpPair();
  pair.server.handle('echo', (request) => request);
  for (let i = 0; i < 20; i++) await pair.run(pair.peer.call('echo', i));
  const before = pair.peer.overdueAfterMs('echo');
  const answer = pair.peer.call('echo', null, IN_AN_HOUR);
  await pair.pass(1);
  pair.net.freeze(CLIENT);
  await pair.pass(60_000);
  pair.net.thaw(CLIENT);
  await pair.run(answer);
  expect(pair.peer.overdueAfterMs('echo')).toBeLessThanOrEqual(before);
});

test('after a sleep whoever is waited for is asked at once, and its answer is no sample', async () => {
  const pair = new TcpPair();
  pair.server.handle('echo', (request) => request);
  let finish = () => {};
  pair.server.handle('slow', () => new Promise((resolve) => (finish = () => resolve('done'))));
  await pair.run(pair.peer.call('echo', 1));
  const answer = pair.peer.call('slow', null, IN_AN_HOUR);
  await pair.pass(20);
  const written = pair.net.writtenBytes;
  pair.net.wake(CLIENT);
  // Whatever happens next notices it.
  const echo = pair.peer.call('echo', 2, IN_AN_HOUR);
  await pair.run(echo);
  expect(pair.net.writtenBytes).toBeGreaterThan(written);
  finish();
  expect(await pair.run(answer)).toBe('done');
  expect(pair.peer.hasLearnt('slow')).toBe(false);
});

test('a peer that is gone after a sleep is noticed, and one that comes back in time is not blamed', async () => {
  for (const staysAway of [true, false]) {
    const pair = new TcpPair();
    pair.server.handle('slow', () => new Promise(() => {}));
    await pair.connect();
    const told = outcomes([pair.peer.call('slow', null, IN_AN_HOUR)]);
    await pair.pass(20);
    pair.net.wake(CLIENT);
    pair.net.vanish(SERVER);
    await pair.pass(4_000);
    if (!staysAway) pair.net.appear(SERVER);
    await pair.pass(20_000);
    expect(pair.events.length).toBe(staysAway ? 1 : 0);
    if (staysAway) expect(await pair.run(told)).toEqual(['PEER_SILENT, executed: unknown']);
    await pair.run(pair.client.close());
  }
});
