// What the simulator has found, as small as it got, each named after the seed that showed it.

import { describe, expect, test } from 'vitest';
import type { SocketAddress } from '../../src/datagram/datagram-socket.ts';
import type { ProtocolConfig } from '../../src/protocol/config.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { Datagram, NetworkEvent } from '../../src/sim/trace.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { KIND } from '../../src/wire/datagram.ts';
import { AmplificationWatch } from './amplification-watch.ts';
import { Findings } from './violations.ts';

const CLIENT = '10.0.0.1';
const SERVER = '10.0.0.2';

function setUp(config: Partial<ProtocolConfig> = {}, trace?: (event: NetworkEvent) => void) {
  const clock = new VirtualClock();
  const random = new SeededRandom('regressions');
  const network = new SimNetwork({ clock, random: random.fork('network'), link: { latencyMs: 5 }, trace });
  const server = openSimTransport({ network, host: SERVER, port: 1, random: random.fork(SERVER), config });
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
    // Not so long that the server, to which the CANCEL is to be told, becomes silent.
    await clock.run({ forMs: 300 });
    network.mend(CLIENT, SERVER);
    await expect(
      clock.runUntil(peer.call('echo', 3, { deadline: Number.POSITIVE_INFINITY, idempotent: true }), 1000),
    ).resolves.toBe(3);
    await clock.runUntil(Promise.all([client.close(), again.close(), server.close()]));
  });
});

describe('seed 116', () => {
  test('P-96: idle clients do not fight for the only place at a server', async () => {
    const { clock, network, client, peer, server } = setUp({ maxServerPeers: 1 });
    const other = openSimTransport({ network, host: '10.0.0.3', random: new SeededRandom('other') });
    // Each one's acknowledgement comes when the other has just taken its place.
    const first = peer.call('echo', 1);
    await clock.run({ forMs: 12 });
    await clock.runUntil(Promise.all([first, other.peer(server.address).call('echo', 2)]));
    await clock.run({ forMs: 1000 });
    const sent = network.counters.sent;
    await clock.run({ forMs: 60_000 });
    expect(network.counters.sent).toBe(sent);
    await clock.runUntil(Promise.all([client.close(), other.close(), server.close()]));
  });
});

describe('seed 904', () => {
  test('P-80: a handshake from a new address is answered there, and pays for nothing sent elsewhere', async () => {
    const findings = new Findings(() => 0);
    const amplification = new AmplificationWatch([SERVER], findings);
    const answers: string[] = [];
    const { clock, network, client, peer, server } = setUp({}, (event) => {
      amplification.onNetwork(event);
      const { from, to, bytes } = event.datagram;
      if (event.kind === 'delivered' && (bytes[0]! & 0x0f) === KIND.init) asked = from.port;
      if (event.kind === 'sent' && (bytes[0]! & 0x0f) === KIND.resp) answers.push(`${asked} ${to.port}`);
    });
    let asked = 0;
    await clock.runUntil(peer.call('echo', 1));
    network.cut(SERVER, CLIENT);
    const call = peer.call('echo', 2, { idempotent: true }).catch(() => 'failed');
    for (let atMs = 0; atMs < 1000; atMs += 7) clock.setTimer(atMs, () => network.rebind(CLIENT));
    await clock.run({ forMs: 1000 });
    network.mend(SERVER, CLIENT);
    await clock.runUntil(call);
    expect(findings.violations).toEqual([]);
    expect(answers.length).toBeGreaterThan(2);
    for (const answer of answers) expect(answer.split(' ')[0]).toBe(answer.split(' ')[1]);
    await clock.runUntil(Promise.all([client.close(), server.close()]));
  });
});

describe('seeds 3692 and 2015', () => {
  test.each([
    ['is asked for again', 0],
    ['is asked for again until that arrives', 100],
  ])('P-27: a request parked for a session that the server has dropped %s', async (_, cutForMs) => {
    const { clock, network, client, peer, server } = setUp();
    server.handle('late', (request) => request);
    // By the time at which the first answer comes, five first datagrams have asked for one, and the server keeps
    // the sessions of the last four.
    network.setLink(SERVER, CLIENT, { latencyMs: 900 });
    const call = peer.call('late', 1, { deadline: Number.POSITIVE_INFINITY });
    await clock.run({ forMs: 890 });
    network.setLink(SERVER, CLIENT, { latencyMs: 5 });
    // The server's word that it knows no such session is behind its slow answers; then the handshake follows.
    await clock.run({ forMs: 850 });
    if (cutForMs > 0) network.cut(CLIENT, SERVER);
    clock.setTimer(cutForMs, () => network.mend(CLIENT, SERVER));
    await expect(clock.runUntil(call, 10_000)).resolves.toBe(1);
    await clock.runUntil(Promise.all([client.close(), server.close()]));
  });
});

describe('seed 172', () => {
  test('P-40: a call that waited until it could be repeated has its deadline still', async () => {
    const { clock, network, server, client, peer } = setUp();
    server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    // More than may be repeated at once.
    const calls = Array.from({ length: 14 }, () =>
      peer.call('hang', 0, { idempotent: true, deadline: 8000 }),
    );
    const ends = Promise.allSettled(calls);
    await clock.run({ forMs: 100 });
    network.crash(SERVER);
    const again = openSimTransport({ network, host: SERVER, port: 1, random: new SeededRandom('again') });
    again.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const outcomes = await clock.runUntil(ends, 8100);
    const codes = outcomes.map((end) => (end.status === 'rejected' ? end.reason.code : 'answered'));
    expect(new Set(codes)).toEqual(new Set(['DEADLINE_EXCEEDED']));
    expect(again.stats.requestsRun).toBe(14);
    await clock.runUntil(Promise.all([client.close(), again.close(), server.close()]));
  });
});

describe('seed 327', () => {
  test('P-80: an answer to a handshake waits until its address may be sent as much', async () => {
    const inits: Datagram[] = [];
    let movedTo: SocketAddress | undefined;
    let received = 0;
    const { clock, network, client, peer, server } = setUp({}, ({ kind, datagram }) => {
      const { bytes, from, to } = datagram;
      if (kind === 'sent' && (bytes[0]! & 0x0f) === KIND.init) inits.push({ bytes: bytes.slice(), from, to });
      if (kind === 'sent' && inits[0]?.from.port !== from.port && to.host === SERVER) movedTo = from;
      if (kind === 'delivered' && movedTo !== undefined && to.host === SERVER) received++;
    });
    server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    // The server does not know the first of its first datagrams.
    network.blackhole(SERVER);
    const controller = new AbortController();
    const call = peer.call('hang', 1, { signal: controller.signal }).catch(() => 'cancelled');
    clock.setTimer(100, () => network.unblackhole(SERVER));
    await clock.run({ forMs: 3000 });
    expect(inits.length).toBeGreaterThan(1);
    network.rebind(CLIENT);
    network.cut(CLIENT, SERVER);
    controller.abort(new Error('never mind'));
    await clock.run({ until: () => movedTo !== undefined, forMs: 1000 });
    network.mend(CLIENT, SERVER);
    network.pause(SERVER);
    // First this, from where the client is now; then a small packet that moves the session in use there.
    network.replay({ ...inits[0]!, from: movedTo! });
    const before = network.counters.sent;
    await clock.run({ until: () => network.counters.sent > before, forMs: 1000 });
    await clock.run({ forMs: 6 });
    network.resume(SERVER);
    await clock.run({ forMs: 1 });
    expect(received).toBe(2);
    await expect(clock.runUntil(peer.call('echo', 2), 20_000)).resolves.toBe(2);
    await clock.runUntil(Promise.all([call, client.close(), server.close()]));
  });
});

describe('seed 3200', () => {
  test('P-28: what ran before a restart, and waits to be sent again, does not fail as not executed', async () => {
    const { clock, network, client, server, peer } = setUp();
    let runs = 0;
    server.handle('hang', () => {
      runs++;
      return new Promise(() => {});
    });
    // More than may be repeated at once.
    const calls = Array.from({ length: 14 }, () =>
      peer.call('hang', 0, { idempotent: true, deadline: 1000 }),
    );
    const ends = Promise.allSettled(calls);
    await clock.run({ forMs: 100 });
    expect(runs).toBe(14);
    network.crash(SERVER);
    const again = openSimTransport({ network, host: SERVER, port: 1, random: new SeededRandom('again') });
    again.handle('hang', () => new Promise(() => {}));
    const outcomes = await clock.runUntil(ends, 1100);
    expect(again.stats.requestsRun).toBeLessThan(14);
    const said = outcomes.map((end) => (end.status === 'rejected' ? end.reason.executed : 'answered'));
    expect(new Set(said)).toEqual(new Set(['unknown']));
    await clock.runUntil(Promise.all([client.close(), again.close(), server.close()]));
  });
});

describe('seeds 2460 and 2651', () => {
  test('P-49: a peer that was silent hears of what was cancelled, and of what failed meanwhile', async () => {
    const { clock, network, client, server, peer } = setUp();
    const told: unknown[] = [];
    server.handle('hang', (request, { signal }) => {
      signal.addEventListener('abort', () => told.push(request));
      return new Promise(() => {});
    });
    const controller = new AbortController();
    const cancelled = peer.call('hang', 'cancelled', { signal: controller.signal }).catch(() => {});
    const failed = peer.call('hang', 'failed').catch(() => {});
    await clock.run({ forMs: 100 });
    network.blackhole(SERVER);
    controller.abort(new Error('never mind'));
    await clock.runUntil(Promise.all([cancelled, failed]), 10_000);
    expect(peer.health).toBe('silent');
    network.unblackhole(SERVER);
    // Nobody calls it: it is found to be back by a single probe.
    await clock.run({ until: () => peer.health === 'live', forMs: 30_000 });
    await clock.run({ forMs: 20 });
    expect(told.sort()).toEqual(['cancelled', 'failed']);
    await clock.runUntil(Promise.all([client.close(), server.close()]));
  });
});

describe('seeds 2511, 2559, 2861, 4526 and 4887', () => {
  test('P-65: pauses of a client do not make its server ask for minutes when it is gone', async () => {
    const { clock, network, client, server, peer } = setUp();
    server.handle('slow', () => new Promise((resolve) => void clock.setTimer(50, () => resolve('late'))));
    // What it acknowledges when it goes on seems to have been on its way since the server's last question.
    for (const pauseMs of [3100, 14_000, 30_000]) {
      const call = peer.call('echo', 1, { deadline: 60_000 });
      clock.setTimer(7, () => network.pause(CLIENT));
      clock.setTimer(pauseMs, () => network.resume(CLIENT));
      await clock.runUntil(call, 60_000);
      await clock.run({ forMs: 100 });
    }
    peer.call('slow', 1).catch(() => {});
    clock.setTimer(20, () => network.crash(CLIENT));
    await clock.run({ forMs: 70_000 });
    const { sent } = network.counters;
    await clock.run({ forMs: 600_000 });
    expect(network.counters.sent).toBe(sent);
    await clock.runUntil(Promise.all([client.close(), server.close()]));
  });
});

describe('seed 604', () => {
  test('P-117: a stream whose next piece cannot be asked for may have run all the same', async () => {
    const { clock, network, server } = setUp();
    server.handle('count', async function* () {
      for (let i = 0; i < 10; i++) yield Uint8Array.of(i);
    });
    server.handle('hang', () => new Promise(() => {}));
    const random = new SeededRandom('a client with little room');
    const client = openSimTransport({ network, host: '10.0.0.3', random, config: { maxClientCalls: 8 } });
    const peer = client.peer(server.address);
    const stream = peer.stream('count', null);
    await clock.runUntil(stream.next());
    for (let i = 0; i < 8; i++) peer.call('hang', null).catch(() => {});
    const rest = (async () => {
      for await (const _ of stream);
    })();
    await expect(clock.runUntil(rest)).rejects.toMatchObject({ code: 'OVERLOADED', executed: 'unknown' });
    await clock.runUntil(Promise.all([client.close(), server.close()]));
  });
});

describe('seeds 17 and 51', () => {
  test('P-97, P-108: a server says nothing to a client that is gone when their session has become old', async () => {
    const { clock, network, client, server, peer } = setUp();
    await clock.runUntil(peer.call('echo', 1));
    // Its handshakes beside the session arrive, and the answers do not.
    network.cut(SERVER, CLIENT);
    peer.call('echo', 2).catch(() => {});
    await clock.run({ forMs: 800 });
    expect(server.gauges.sessions).toBeGreaterThan(1);
    network.crash(CLIENT);
    await clock.run({ forMs: 60_000 });
    const { sent } = network.counters;
    await clock.run({ forMs: 600_000 });
    expect(network.counters.sent).toBe(sent);
    await clock.runUntil(Promise.all([client.close(), server.close()]));
  });
});
