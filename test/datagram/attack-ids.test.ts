// Session ids are in plain sight: who takes another's id for its own gains nothing by it.

import { expect, test } from 'vitest';
import { remoteOf, sealedProtection } from '../../src/session/sealed.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { addressAt, identityAt } from '../../src/sim/transport.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { MIN_DATAGRAM_BYTES, readHeader } from '../../src/wire/datagram.ts';
import { writeHello } from '../../src/wire/frame.ts';
import { CLIENT_HOST, SERVER_HOST, SERVER_PORT, SimPair } from './sim-pair.ts';

const RTT_MS = 100;

// P-31
test('attack: taken session ids: a server that answers with the id of another server is not listened to', async () => {
  const pair = new SimPair({ link: { latencyMs: RTT_MS / 2 } });
  pair.server.handle('echo', (body) => body, { early: 'safe' });
  await pair.run(pair.peer.call('echo', 1));
  const resp = pair.sent
    .filter(({ to }) => to === CLIENT_HOST)
    .map(({ bytes }) => readHeader(bytes))
    .find(({ kind }) => kind === 'resp');
  if (resp?.kind !== 'resp') return expect.fail('no RESP');

  const thief = { host: '10.0.0.6', port: 5000 };
  const address = addressAt(thief.host, thief.port);
  const protection = sealedProtection({
    identity: identityAt(thief.host, thief.port),
    swissnum: parseAddress(address).swissnum,
    place: 'there',
    random: new SeededRandom('thief'),
    unixMs: () => pair.network.unixMsOf(thief.host),
  });
  const socket = pair.network.open(thief.host, thief.port);
  let answers = 0;
  socket.onDatagram = (bytes, from) => {
    const header = readHeader(bytes);
    if (header.kind !== 'init') return expect.fail(header.kind);
    const admission = protection.accept(bytes, header.from, resp.from, from, pair.clock.now());
    if (admission.kind !== 'accepted') return expect.fail(admission.kind);
    const { acceptance } = admission;
    const buffer = new Uint8Array(MIN_DATAGRAM_BYTES);
    const hello = { epoch: 5, knownEpoch: 0, maxDatagramBytes: 1200, initialGrantBytes: 1000 };
    socket.send(acceptance.seal(buffer, writeHello(buffer, acceptance.headerBytes, hello)), from);
    answers++;
  };
  const robbed = pair.client.peer(address).call('echo', 2, { deadline: 1000 });
  await expect(pair.run(robbed)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(answers).toBeGreaterThan(0);
  expect(pair.client.stats.sessionsEstablished).toBe(1);

  // What the true owner of the id says of it is understood: one round trip to hear of it, one for the answer.
  pair.network.crash(SERVER_HOST);
  pair.startServer();
  pair.server.handle('echo', (body) => body, { early: 'safe' });
  const startedAtMs = pair.clock.now();
  expect(await pair.run(pair.peer.call('echo', 3, { idempotent: true }))).toBe(3);
  expect(pair.clock.now() - startedAtMs).toBeLessThan(2 * RTT_MS + 5);
});

// P-31
test('attack: taken session ids: a client that comes with the id of another client is not listened to', async () => {
  const pair = new SimPair({ link: { latencyMs: RTT_MS / 2 } });
  pair.server.handle('echo', (body) => body, { early: 'safe' });
  await pair.run(pair.peer.call('echo', 1));
  const init = pair.sent.map(({ bytes }) => readHeader(bytes)).find(({ kind }) => kind === 'init');
  if (init?.kind !== 'init') return expect.fail('no INIT');
  const before = pair.server.gauges;
  const thief = { host: '10.0.0.6', port: 5000 };
  const { key, swissnum } = parseAddress(pair.server.address);
  const attempt = sealedProtection({
    identity: identityAt(thief.host, thief.port),
    swissnum: 'none',
    place: 'there',
    random: new SeededRandom('thief'),
    unixMs: () => pair.network.unixMsOf(thief.host),
  }).initiate(init.from, remoteOf(key, swissnum), {});
  const buffer = new Uint8Array(MIN_DATAGRAM_BYTES);
  const hello = { epoch: 5, knownEpoch: 0, maxDatagramBytes: 1200, initialGrantBytes: 1000 };
  writeHello(buffer, attempt.headerBytes, hello);
  const socket = pair.network.open(thief.host, thief.port);
  let answers = 0;
  socket.onDatagram = () => answers++;
  const datagram = attempt.seal(buffer, MIN_DATAGRAM_BYTES - attempt.trailerBytes);
  socket.send(datagram, { host: SERVER_HOST, port: SERVER_PORT });
  await pair.pass(2000);
  expect(answers).toBe(0);
  expect(pair.server.gauges).toMatchObject({ sessions: before.sessions, callingPeers: before.callingPeers });
  expect(await pair.run(pair.peer.call('echo', 2))).toBe(2);
});
