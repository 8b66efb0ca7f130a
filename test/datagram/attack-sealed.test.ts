// Attacks on sealed transports, whole, on a simulated network: what arrives is captured, replayed and forged.

import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { EndpointObserver } from '../../src/protocol/observer.ts';
import { Identity } from '../../src/session/identity.ts';
import { remoteOf } from '../../src/session/sealed.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { addressAt, identityAt, openSimTransport } from '../../src/sim/transport.ts';
import { formatAddress, parseAddress } from '../../src/transport/address.ts';
import { explain } from '../../src/transport/explain.ts';
import { DATA_HEADER_BYTES, noSessionDatagram, readHeader } from '../../src/wire/datagram.ts';
import { CLIENT_HOST, outcomes, SERVER_HOST, SERVER_PORT, SimPair } from './sim-pair.ts';

/** A stranger's socket, and what came back to it. */
function stranger(
  pair: SimPair,
  host = '10.9.9.9',
): { send(bytes: Uint8Array): void; received: Uint8Array[] } {
  const socket = pair.network.open(host, 666);
  const received: Uint8Array[] = [];
  socket.onDatagram = (bytes) => received.push(bytes);
  socket.onSendError = () => {};
  return { received, send: (bytes) => socket.send(bytes.slice(), { host: SERVER_HOST, port: SERVER_PORT }) };
}

describe('attack: scan without the key', () => {
  test('no byte comes back for random and mutated datagrams, and nothing grows', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    await pair.run(pair.peer.call('echo', 1));
    const captured = pair.sent.filter(({ to }) => to === SERVER_HOST).map(({ bytes }) => bytes);
    await pair.pass(1000);
    const before = pair.server.gauges;
    const scanner = stranger(pair);
    const random = new SeededRandom('scan');
    for (let i = 0; i < 5000; i++) {
      const bytes =
        i % 2 === 0
          ? random.bytes(1 + Math.floor(random.float() * 1300))
          : captured[i % captured.length]!.slice();
      // Neither another version, which has an answer of its own, nor a session id that nobody has.
      bytes[0] = 0x11;
      bytes[Math.floor(random.float() * (bytes.length - 1)) + 1]! ^= 1 + Math.floor(random.float() * 255);
      scanner.send(bytes);
    }
    await pair.pass(1000);
    expect(scanner.received).toEqual([]);
    expect(pair.server.gauges).toEqual(before);
    expect(await pair.run(pair.peer.call('echo', 2))).toBe(2);
  });
});

// P-126
describe('attack: scan with what was held back', () => {
  test('no byte comes back for a first datagram that never arrived, whichever byte of it was changed', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    const held: Uint8Array[] = [];
    pair.network.cut(CLIENT_HOST, SERVER_HOST);
    const call = pair.peer.call('echo', 1);
    await pair.pass(100);
    for (const { bytes, to } of pair.sent) if (to === SERVER_HOST) held.push(bytes);
    expect(held.length).toBeGreaterThan(0);
    const scanner = stranger(pair);
    for (const bytes of held) {
      for (let at = 0; at < bytes.length; at++) {
        const changed = bytes.slice();
        changed[at]! ^= 0x40;
        scanner.send(changed);
      }
    }
    await pair.pass(100);
    expect(scanner.received).toEqual([]);
    expect(pair.server.gauges).toMatchObject({ callingPeers: 0, sessions: 0, timers: 0 });
    pair.network.mend(CLIENT_HOST, SERVER_HOST);
    expect(await pair.run(call)).toBe(1);
  });
});

describe('attack: replay of INIT', () => {
  test.each(['same boot', 'after restart', 'after eviction'] as const)(
    '%s: of each captured datagram, sent again at each later point, nothing runs twice',
    async (when) => {
      const pair = new SimPair(when === 'after eviction' ? { config: { maxServerPeers: 1 } } : {});
      const runs = new Map<unknown, number>();
      const serve = (): void =>
        pair.server.handle('count', (body) => {
          runs.set(body, (runs.get(body) ?? 0) + 1);
          return body;
        });
      serve();
      const attacker = stranger(pair);
      const replay = async (): Promise<void> => {
        for (const { bytes, to } of [...pair.sent]) if (to === SERVER_HOST) attacker.send(bytes);
        await pair.pass(20);
      };
      for (let call = 0; call < 3; call++) {
        await pair.run(pair.peer.call('count', call));
        await replay();
      }
      if (when === 'after restart') {
        await pair.run(pair.server.close());
        pair.startServer();
        serve();
      } else if (when === 'after eviction') {
        const other = openSimTransport({
          network: pair.network,
          host: '10.0.0.7',
          random: new SeededRandom('other'),
        });
        await pair.run(other.peer(pair.server.address).call('count', 'other'));
        await pair.run(other.close());
      }
      for (const laterMs of [0, 1000, 30_000, 31_000, 120_000]) {
        await pair.pass(laterMs);
        await replay();
      }
      for (const [body, count] of runs) expect([body, count]).toEqual([body, 1]);
      expect(runs.size).toBe(when === 'after eviction' ? 4 : 3);
    },
  );
});

describe('attack: forged NOSESS, RESP, CANCEL, ACK', () => {
  test('has no effect on outstanding calls, and leads to no new INIT', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    let cancelled = false;
    pair.server.handle('hang', (_body, { signal }) => {
      signal.addEventListener('abort', () => {
        cancelled = true;
      });
      return new Promise(() => {});
    });
    await pair.run(pair.peer.call('echo', 1));
    const call = pair.peer.call('hang', 1, { deadline: 60_000 });
    call.catch(() => {});
    await pair.pass(100);
    const inits = (): number =>
      pair.sent.filter(({ from, bytes }) => from === CLIENT_HOST && readHeader(bytes).kind === 'init').length;
    const before = inits();
    // Who sees the traffic knows ids and numbers, and can write any sender on a datagram.
    const seen = pair.sent.map(({ bytes, to }) => ({ bytes, to, header: readHeader(bytes) }));
    const random = new SeededRandom('forger');
    for (const { bytes, to, header } of seen) {
      const from = {
        host: to === SERVER_HOST ? CLIENT_HOST : SERVER_HOST,
        port: to === SERVER_HOST ? 40_000 : SERVER_PORT,
      };
      const target = { host: to, port: to === SERVER_HOST ? SERVER_PORT : 40_000 };
      const forgeries: Uint8Array[] = [bytes.slice()];
      if (header.kind === 'data') {
        forgeries.push(noSessionDatagram(header.to, random.bytes(16)));
        const data = bytes.slice();
        data[DATA_HEADER_BYTES - 1]! += 100;
        forgeries.push(data);
        const other = bytes.slice();
        other[other.length - 1]! ^= 1;
        forgeries.push(other);
      }
      if (header.kind === 'resp') {
        const resp = bytes.slice();
        resp[60]! ^= 1;
        forgeries.push(resp);
      }
      for (const forged of forgeries) pair.network.replay({ bytes: forged, from, to: target });
    }
    await pair.pass(50);
    expect(inits()).toBe(before);
    expect(cancelled).toBe(false);
    expect(pair.client.gauges.outstandingCalls).toBe(1);
    expect(await pair.run(pair.peer.call('echo', 2))).toBe(2);
    expect(inits()).toBe(before);
  });
});

// P-128
describe('attack: one key in two places', () => {
  test('what belongs to one process draws nothing from another with its key, and ends no session', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    const identity = identityAt(SERVER_HOST, SERVER_PORT);
    const twin = openSimTransport({
      network: pair.network,
      host: SERVER_HOST,
      port: SERVER_PORT + 1,
      random: new SeededRandom('twin'),
      identity,
    });
    await pair.run(pair.peer.call('echo', 1));
    await pair.run(pair.peer.call('echo', 2));
    const socket = pair.network.open('10.9.9.9', 666);
    const received: Uint8Array[] = [];
    socket.onDatagram = (bytes) => received.push(bytes);
    let sent = 0;
    for (const { bytes, to } of [...pair.sent]) {
      if (to !== SERVER_HOST || readHeader(bytes).kind !== 'data') continue;
      socket.send(bytes, { host: SERVER_HOST, port: SERVER_PORT + 1 });
      sent++;
    }
    await pair.pass(100);
    expect(sent).toBeGreaterThan(0);
    expect(received).toEqual([]);
    // In the very place it is answered: that one has restarted.
    await pair.run(pair.server.close());
    pair.startServer();
    for (const { bytes, to } of [...pair.sent]) {
      if (to === SERVER_HOST && readHeader(bytes).kind === 'data') {
        socket.send(bytes, { host: SERVER_HOST, port: SERVER_PORT });
      }
    }
    await pair.pass(100);
    expect(received.map((bytes) => readHeader(bytes).kind)).toContain('no-session');
    await pair.run(twin.close());
  });
});

// P-104, P-106
describe('attack: guessed swissnum, unlisted client', () => {
  test('every method with every bad credential is refused with UNAUTHORIZED, which does not say why', async () => {
    const pair = new SimPair();
    await pair.run(pair.server.close());
    const allowed = new Set<string>();
    const server = openSimTransport({
      network: pair.network,
      host: SERVER_HOST,
      port: SERVER_PORT,
      random: new SeededRandom('server'),
      allow: (key) => allowed.has(key),
    });
    let runs = 0;
    const methods = ['safe', 'careful'];
    for (const method of methods) {
      server.handle(method, () => ++runs, method === 'safe' ? { early: 'safe' } : {});
    }
    const good = parseAddress(server.address);
    const bad = formatAddress({ ...good, swissnum: 'guess' });
    const identity = new Identity(new Uint8Array(32).fill(7));
    const listed = openSimTransport({
      network: pair.network,
      host: '10.0.0.8',
      random: new SeededRandom('listed'),
      identity,
    });
    allowed.add(identity.name);
    const attempts = methods.flatMap((method) => [
      listed.peer(bad).call(method, 1),
      pair.client.peer(server.address).call(method, 1),
      pair.client.peer(bad).call(method, 1),
      pair.client.peer(server.address).call('no such method', 1),
    ]);
    const errors = await pair.run(Promise.all(attempts.map((call) => call.catch((error: unknown) => error))));
    for (const error of errors) expect(error).toMatchObject({ code: 'UNAUTHORIZED', executed: 'no' });
    expect(new Set(errors.map((error) => (error as Error).message.replace(/"[^"]*"/, ''))).size).toBe(1);
    expect(runs).toBe(0);
    expect(await pair.run(listed.peer(server.address).call('careful', 1))).toBe(1);
    // Taken off the list, it is out at once, session or not.
    allowed.clear();
    expect(await pair.run(outcomes([listed.peer(server.address).call('careful', 1)]))).toEqual([
      'UNAUTHORIZED',
    ]);
    expect(runs).toBe(1);
    await pair.run(Promise.all([listed.close(), server.close()]));
  });
});

// P-107, P-108
describe('keys wear out', () => {
  test('a session in use gets a successor, and no call notices', async () => {
    const pair = new SimPair({ config: { rekeyAfterMs: 1000, sessionRefusedAfterMs: 1500 } });
    pair.server.handle('echo', (body) => body);
    for (let i = 0; i < 60; i++) {
      expect(await pair.run(pair.peer.call('echo', i))).toBe(i);
      await pair.pass(100);
    }
    expect(pair.client.stats.sessionsEstablished).toBeGreaterThanOrEqual(4);
    expect(pair.client.stats.callsFailed).toBe(0);
  });

  test('one that was not used for too long is begun anew, at one round trip as ever', async () => {
    const pair = new SimPair({ link: { latencyMs: 50 } });
    pair.server.handle('echo', (body) => body);
    await pair.run(pair.peer.call('echo', 1));
    await pair.pass(200_000);
    const startedAtMs = pair.clock.now();
    expect(await pair.run(pair.peer.call('echo', 2, { idempotent: true }))).toBe(2);
    expect(pair.clock.now() - startedAtMs).toBeLessThan(110);
  });

  // P-129
  test('those of a session that nobody uses are dropped in time, on both sides, and nobody is asked', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body);
    await pair.run(pair.peer.call('echo', 1));
    await pair.pass(170_000);
    expect([pair.client, pair.server].map(({ gauges }) => gauges.sessions)).toEqual([1, 1]);
    pair.sent.length = 0;
    await pair.pass(11_000);
    expect([pair.client, pair.server].map(({ gauges }) => gauges.sessions)).toEqual([0, 0]);
    expect(pair.sent).toEqual([]);
    expect(pair.clock.armedTimers).toBe(0);
  });

  test('2^20 datagrams that do not open end a session; the call in hand is answered in the next', async () => {
    const pair = new SimPair({ config: { maxFailedOpenings: 50 } });
    pair.server.handle('echo', (body) => body);
    await pair.run(pair.peer.call('echo', 1));
    const data = pair.sent.findLast(
      ({ to, bytes }) => to === SERVER_HOST && readHeader(bytes).kind === 'data',
    )!;
    const forger = stranger(pair);
    for (let i = 0; i < 60; i++) {
      const forged = data.bytes.slice();
      forged[15] = 1 + i;
      forger.send(forged);
    }
    await pair.pass(100);
    expect(await pair.run(pair.peer.call('echo', 2, { idempotent: true }))).toBe(2);
    await pair.pass(100);
    expect(pair.server.stats.sessionsEstablished).toBe(2);
  });
});

// P-109
describe('attack: hoarding by one client', () => {
  test('a key has no more than its share of a server, however many clients it makes, and pushes nobody out', async () => {
    const pair = new SimPair({ config: { maxServerPeers: 100, maxServerPeersPerKey: 8 } });
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    await pair.run(pair.peer.call('echo', 1));
    const honest = pair.server.stats.sessionsEstablished;
    const identity = new Identity(new Uint8Array(32).fill(5));
    const hoarders = Array.from({ length: 30 }, (_, index) =>
      openSimTransport({
        network: pair.network,
        host: `10.1.${index}.1`,
        random: new SeededRandom(`${index}`),
        identity,
      }),
    );
    for (const hoarder of hoarders) {
      expect(await pair.run(hoarder.peer(pair.server.address).call('echo', 1))).toBe(1);
      expect(pair.server.gauges.callingPeers).toBeLessThanOrEqual(9);
    }
    await pair.run(pair.peer.call('echo', 2));
    expect(pair.client.stats.sessionsEstablished).toBe(1);
    expect(pair.server.stats.sessionsEstablished).toBeGreaterThanOrEqual(honest);
    await pair.run(Promise.all(hoarders.map((hoarder) => hoarder.close())));
  });

  // P-127
  test('nor does it push out the answers that others have yet to fetch', async () => {
    const pair = new SimPair({ config: { maxKeptResponseBytes: 20_000 } });
    pair.server.handle('fetch', () => new Uint8Array(1000));
    const hoarder = openSimTransport({
      network: pair.network,
      host: '10.1.0.1',
      random: new SeededRandom('hoarder'),
    });
    const hoard = hoarder.peer(pair.server.address);
    await pair.run(Promise.all([pair.peer.call('fetch', null), hoard.call('fetch', null)]));
    pair.network.cut(SERVER_HOST, CLIENT_HOST);
    const honest = pair.peer.call('fetch', null);
    await pair.pass(50);
    pair.network.cut(SERVER_HOST, '10.1.0.1');
    const hoarded = Array.from({ length: 100 }, () => hoard.call('fetch', null));
    await pair.pass(50);
    expect(pair.server.gauges.keptAnswerBytes).toBeGreaterThan(18_000);
    pair.network.heal();
    expect(await pair.run(honest)).toHaveLength(1000);
    expect(await pair.run(outcomes(hoarded))).toContain('OUTCOME_UNKNOWN');
    await pair.run(hoarder.close());
  });
});

// P-105
describe('a server with several addresses', () => {
  test('is found at the second one when the first does not answer, and called there from then on', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    const { key, hosts, swissnum } = parseAddress(addressAt(SERVER_HOST, SERVER_PORT));
    const nowhere = { host: '10.8.8.8', port: 1 };
    const peer = pair.client.peer(formatAddress({ key, hosts: [nowhere, hosts[0]], swissnum }));
    expect(await pair.run(peer.call('echo', 1))).toBe(1);
    pair.sent.length = 0;
    expect(await pair.run(peer.call('echo', 2))).toBe(2);
    expect(pair.sent.filter(({ to }) => to === nowhere.host)).toEqual([]);
  });
});

describe('a fresh client', () => {
  test('gets the answer to its first call in one round trip of 100 ms', async () => {
    const pair = new SimPair({ link: { latencyMs: 50 } });
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    await pair.run(pair.peer.call('echo', 'hello'));
    expect(pair.clock.now()).toBeGreaterThanOrEqual(100);
    expect(pair.clock.now()).toBeLessThan(101);
  });
});

test('no secret reaches an error, an explanation, a status or an observer', async () => {
  const pair = new SimPair();
  pair.server.handle('echo', (body) => body);
  pair.server.handle('fail', () => {
    throw new Error('no');
  });
  const seen: unknown[] = [];
  const observer = new Proxy({} as EndpointObserver, {
    get: () => (first: { frames?: unknown }) => {
      if (first?.frames === undefined) seen.push(inspect(first, { depth: 6 }));
    },
  });
  const client = openSimTransport({
    network: pair.network,
    host: '10.0.0.5',
    random: new SeededRandom('c'),
    observer,
  });
  client.subscribe((event) => seen.push(event));
  const { key, swissnum } = parseAddress(pair.server.address);
  const bad = client.peer(formatAddress({ ...parseAddress(pair.server.address), swissnum: 'guess-guess' }));
  const errors = await pair.run(
    Promise.all(
      [client.peer(pair.server.address).call('fail', 1), bad.call('echo', 1)].map((call) =>
        call.catch((error: unknown) => error),
      ),
    ),
  );
  pair.network.crash(SERVER_HOST);
  errors.push(
    await pair.run(
      client
        .peer(pair.server.address)
        .call('echo', 1)
        .catch((error: unknown) => error),
    ),
  );
  const texts = [
    ...errors.flatMap((error) => [inspect(error, { depth: 9 }), explain(error as Error)]),
    inspect(client.status(), { depth: 9 }),
    inspect(pair.server.status(), { depth: 9 }),
    inspect(seen, { depth: 9 }),
  ];
  const secrets = [
    swissnum,
    'guess-guess',
    Buffer.from(key).toString('base64url'),
    Buffer.from(identityAt(SERVER_HOST, SERVER_PORT).revealSecretKey()).toString('base64url'),
    Buffer.from(remoteOf(key, swissnum).capability).toString('hex'),
  ];
  for (const text of texts) for (const secret of secrets) expect(text).not.toContain(secret);
  await pair.run(client.close());
});

test('a key of low order is no address: calling it is refused before anything is sent', () => {
  const pair = new SimPair();
  const address = formatAddress({ ...parseAddress(pair.server.address), key: new Uint8Array(32) });
  expect(() => pair.client.peer(address)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
});
