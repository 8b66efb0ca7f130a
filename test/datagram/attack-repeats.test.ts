// Answers to a first datagram that are sent again: each makes the client repeat its handshake once at most.

import { expect, test } from 'vitest';
import { sealedProtection } from '../../src/session/sealed.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { addressAt, identityAt } from '../../src/sim/transport.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { readHeader } from '../../src/wire/datagram.ts';
import { SERVER_HOST, SERVER_PORT, SimPair } from './sim-pair.ts';

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
