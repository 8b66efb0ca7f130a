// Answers to a first datagram that are sent again: each makes the client repeat its handshake once at most.

import { expect, test } from 'vitest';
import { MAC_BYTES, PublicMacs } from '../../src/session/cookies.ts';
import { sealedProtection } from '../../src/session/sealed.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { addressAt, identityAt } from '../../src/sim/transport.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { readHeader } from '../../src/wire/datagram.ts';
import { hostOf } from '../transport/addresses.ts';
import { CLIENT_HOST, SERVER_HOST, SERVER_PORT, SimPair } from './sim-pair.ts';

// P-101, P-102
test.each(['cookie', 'clock'] as const)(
  'a %s that is repeated many times leads to one INIT',
  async (kind) => {
    const pair = new SimPair();
    await pair.run(pair.server.close());
    const address = addressAt(SERVER_HOST, SERVER_PORT);
    const protection = sealedProtection({
      identity: identityAt(SERVER_HOST, SERVER_PORT),
      swissnum: parseAddress(address).swissnum,
      place: 'here',
      random: new SeededRandom('server'),
      unixMs: () => (kind === 'clock' ? 1_000_000 : pair.network.unixMsOf(SERVER_HOST)),
      limits: { easyPerSecond: kind === 'cookie' ? 0 : 100 },
    });
    const socket = pair.network.open(SERVER_HOST, SERVER_PORT);
    let inits = 0;
    socket.onDatagram = (bytes, from) => {
      inits++;
      const header = readHeader(bytes);
      if (header.kind !== 'init') return expect.fail(header.kind);
      const answer = protection.accept(bytes, header.from, inits, from, pair.clock.now());
      if (!('datagram' in answer)) return;
      for (let i = 0; i < 20; i++) {
        pair.clock.setTimer(2 * i, () => socket.send(answer.datagram.slice(), from));
      }
    };
    const call = pair.client.peer(address).call('work', 1, { deadline: 60_000 });
    call.catch(() => {});
    await pair.pass(100);
    expect(inits).toBe(2);
    await pair.run(pair.client.close());
  },
);

// P-126
test('attack: forged COOKIE: who knows the server’s key and sees the INIT can make one; the call is answered all the same', async () => {
  const pair = new SimPair({ link: { latencyMs: 50 } });
  pair.server.handle('echo', (body) => body, { early: 'safe' });
  const { key } = parseAddress(pair.server.address);
  const macs = new PublicMacs(key);
  const call = pair.peer.call('echo', 1);
  await pair.pass(1);
  const init = pair.sent.find(({ bytes }) => readHeader(bytes).kind === 'init')!.bytes;
  const header = readHeader(init);
  if (header.kind !== 'init') return expect.fail(header.kind);
  const mac1 = init.subarray(init.length - 2 * MAC_BYTES, init.length - MAC_BYTES);
  const forged = macs.sealCookie(header.from, new Uint8Array(16).fill(9), mac1, new Uint8Array(24));
  pair.network.replay({
    bytes: forged,
    from: { host: SERVER_HOST, port: SERVER_PORT },
    to: { host: CLIENT_HOST, port: hostOf(pair.client.address).port },
  });
  expect(await pair.run(call)).toBe(1);
  expect(pair.clock.now()).toBeLessThan(102);
  const inits = pair.sent.filter(({ bytes }) => readHeader(bytes).kind === 'init');
  expect(inits.map(({ bytes }) => bytes.subarray(-MAC_BYTES).every((byte) => byte === 0))).toEqual([
    true,
    false,
  ]);
  expect(pair.server.gauges.sessions).toBe(1);
});
