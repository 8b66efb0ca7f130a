// What the simulator has found, as small as it got, each named after the seed that showed it.

import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';

const CLIENT = '10.0.0.1';
const SERVER = '10.0.0.2';

function setUp() {
  const clock = new VirtualClock();
  const random = new SeededRandom('regressions');
  const network = new SimNetwork({ clock, random: random.fork('network'), link: { latencyMs: 5 } });
  const server = openSimTransport({ network, host: SERVER, port: 1, random: random.fork(SERVER) });
  server.handle('echo', (request) => request, { early: 'safe' });
  const client = openSimTransport({ network, host: CLIENT, random: random.fork(CLIENT) });
  return { clock, network, server, client, peer: client.peer(server.address) };
}

describe('lossy grid, seed 513', () => {
  test('a handshake that was lost with a cancelled call is begun again for the next call', async () => {
    const { clock, network, peer } = setUp();
    network.blackhole(SERVER);
    const controller = new AbortController();
    const cancelled = peer.call('echo', 1, { signal: controller.signal });
    clock.setTimer(100, () => controller.abort(new Error('never mind')));
    await expect(clock.runUntil(cancelled)).rejects.toThrow('never mind');
    await clock.run({ forMs: 1000 });
    network.unblackhole(SERVER);
    await expect(
      clock.runUntil(peer.call('echo', 2, { deadline: Number.POSITIVE_INFINITY }), 1000),
    ).resolves.toBe(2);
  });

  test('so it is when the server has forgotten the session meanwhile', async () => {
    const { clock, network, server, client, peer } = setUp();
    await clock.runUntil(peer.call('echo', 1));
    network.crash(SERVER);
    const again = openSimTransport({ network, host: SERVER, port: 1, random: new SeededRandom('again') });
    again.handle('echo', (request) => request, { early: 'safe' });
    // The server says that it knows no such session; the handshake that follows is lost.
    const controller = new AbortController();
    const cancelled = peer.call('echo', 2, { signal: controller.signal });
    clock.setTimer(10, () => network.cut(CLIENT, SERVER));
    clock.setTimer(100, () => controller.abort(new Error('never mind')));
    await expect(clock.runUntil(cancelled)).rejects.toThrow('never mind');
    await clock.run({ forMs: 1000 });
    network.mend(CLIENT, SERVER);
    await expect(
      clock.runUntil(peer.call('echo', 3, { deadline: Number.POSITIVE_INFINITY, idempotent: true }), 1000),
    ).resolves.toBe(3);
    await clock.runUntil(Promise.all([client.close(), again.close(), server.close()]));
  });
});
