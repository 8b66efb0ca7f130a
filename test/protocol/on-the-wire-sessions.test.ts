// How sessions come about and end, seen as datagrams.

import { describe, expect, test } from 'vitest';
import { Endpoint } from '../../src/protocol/endpoint.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { NO_SESSION_BYTES, noSessionDatagram, readHeader } from '../../src/wire/datagram.ts';
import type { Frame } from '../../src/wire/frame.ts';
import { plainProtection } from './plain-protection.ts';
import {
  CLIENT,
  calleeAt,
  dataDatagram,
  initDatagram,
  LATENCY_MS,
  SERVER,
  type Sent,
  TwoEndpoints,
} from './two-endpoints.ts';

const PING: Frame = { type: 'ping' };
const STRANGER = { host: '10.9.9.9', port: 9 };

function hello(epoch: number, knownEpoch = 0): Frame {
  return { type: 'hello', epoch, knownEpoch, maxDatagramBytes: 65_000, initialGrantBytes: 65_536 };
}

/** A whole request for a method, as a stranger would write it. */
function request(callId: number, method: string, firstIncomplete = 0): Frame {
  const data = Buffer.concat([Buffer.of(method.length), Buffer.from(method), Buffer.of(0xf6)]);
  return { type: 'request-start', callId, firstIncomplete, remainingMs: 0, total: data.length, data };
}

/** The hello that this datagram begins with. */
function helloOf(sent: Sent | undefined): Extract<Frame, { type: 'hello' }> {
  const [frame] = sent?.frames ?? [];
  return frame?.type === 'hello' ? frame : expect.fail('no HELLO at the beginning');
}

describe('a first contact', () => {
  // P-5, P-15, P-20, P-21, P-24
  test('INIT carries HELLO and the calls already, padded', () => {
    const wire = new TwoEndpoints();
    for (let i = 0; i < 5; i++) wire.call('safe');
    wire.run(0);
    const [init, ...more] = wire.sent;
    expect(more).toEqual([]);
    expect(init?.header.kind).toBe('init');
    expect(init?.bytes).toHaveLength(1200);
    expect(helloOf(init).knownEpoch).toBe(0);
    expect(init?.frames.slice(1).map((frame) => frame.type)).toEqual(Array(5).fill('request-start'));
  });

  // P-23
  test('RESP tells the incarnation, acknowledges the INIT and brings the answer', () => {
    const wire = new TwoEndpoints();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS);
    wire.answer(Uint8Array.of(42));
    wire.run(LATENCY_MS);
    const [resp] = wire.sentBy('server');
    expect(resp?.header.kind).toBe('resp');
    expect(resp?.frames.map((frame) => frame.type)).toEqual(['hello', 'ack', 'response-start']);
    expect(helloOf(resp).knownEpoch).toBe(helloOf(wire.sentBy('client')[0]).epoch);
    expect(wire.answers.get(callId)).toEqual(Buffer.of(42));
  });

  // P-25, P-26
  test('a method that is not safe there is parked until the client has spoken inside the session', () => {
    const wire = new TwoEndpoints();
    wire.call('careful');
    wire.run(2 * LATENCY_MS);
    expect(wire.sentBy('server', 'resp')).toHaveLength(1);
    expect(wire.requests).toEqual([]);
    wire.run(LATENCY_MS);
    expect(wire.sentBy('client', 'data')).toHaveLength(1);
    expect(wire.requests).toHaveLength(1);
  });

  // P-25
  test('a recorded INIT runs nothing that is not safe', () => {
    const wire = new TwoEndpoints();
    wire.call('careful');
    wire.call('safe');
    wire.run(1000);
    const [init] = wire.sentBy('client', 'init');
    wire.restartServer();
    wire.requests.length = 0;
    wire.forge(init!.bytes, STRANGER);
    wire.run(60_000);
    expect(wire.requests.map(({ method }) => method)).toEqual(['safe']);
  });

  // P-25
  test('a client that names our memory of it runs everything from its next INIT', () => {
    const wire = new TwoEndpoints().warmUp();
    const { epoch } = helloOf(wire.firstInit);
    const incarnation = helloOf(wire.firstResp).epoch;
    wire.forge(initDatagram(77, [hello(epoch, incarnation), request(90, 'careful')]));
    expect(wire.requests.at(-1)?.ref.callId).toBe(90);
  });

  // P-25: seeds 123, 644 and 867 of the simulation ran a call twice.
  test('an INIT that names no memory is a recording, however well its client is known by now', () => {
    const wire = new TwoEndpoints().warmUp();
    const { epoch } = helloOf(wire.firstInit);
    const before = wire.requests.length;
    wire.forge(initDatagram(77, [hello(epoch), request(90, 'careful')]));
    wire.run(60_000);
    expect(wire.requests.length).toBe(before);
  });

  // P-4, P-22
  test('ids of sessions and epochs are random, and every address has an epoch of its own', () => {
    const wire = new TwoEndpoints();
    wire.lose = () => true;
    wire.call('safe');
    wire.client.call(calleeAt(STRANGER), options('safe'), 0);
    wire.run(400);
    const inits = wire.sentBy('client', 'init');
    const sessions = inits.map(({ header }) => (header.kind === 'init' ? header.from : 0));
    expect(new Set(sessions).size).toBe(inits.length);
    expect(Math.min(...sessions)).toBeGreaterThan(2 ** 30);
    const epochs = new Map(inits.map((init) => [init.to.host, helloOf(init).epoch]));
    expect(new Set(epochs.values()).size).toBe(2);
    for (const init of inits) expect(helloOf(init).epoch).toBe(epochs.get(init.to.host));
  });

  // P-22
  test('call ids are never given twice, whoever is called', () => {
    const wire = new TwoEndpoints();
    const ids = [0, 1, 2].flatMap(() => [
      wire.call('safe'),
      wire.client.call(calleeAt(STRANGER), options('safe'), 0),
    ]);
    expect(new Set(ids).size).toBe(6);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  });

  // P-29
  test('an unanswered INIT is repeated at growing distances, each time twice', () => {
    const wire = new TwoEndpoints();
    wire.lose = () => true;
    wire.call('safe');
    wire.run(1200);
    const times = wire.sentBy('client', 'init').map(({ atMs }) => atMs);
    expect(times[0]).toBe(0);
    expect(times[1]).toBe(333);
    expect(times[2]).toBe(333);
    expect(times[3]).toBeGreaterThanOrEqual(333 + 333 * 1.5);
    expect(times[3]).toBeLessThanOrEqual(333 + 333 * 1.5 * 1.1);
    expect(times[4]).toBe(times[3]);
  });

  // P-27
  test('a RESP to an early attempt makes the session, and each call is answered once', () => {
    const wire = new TwoEndpoints();
    // All but the very first attempt are lost, and the answer to it comes late.
    wire.lose = ({ by, atMs }) => by === 'server' || atMs > 0;
    const callId = wire.call('safe');
    const another = wire.call('careful');
    wire.run(350);
    const [resp] = wire.sentBy('server', 'resp');
    wire.lose = () => false;
    wire.client.receive(resp!.bytes.slice(), SERVER, wire.nowMs);
    wire.run(500);
    expect(wire.requests.map(({ ref }) => ref.callId)).toEqual([callId, another]);
    for (const { ref } of wire.requests) wire.answer(Uint8Array.of(1), ref);
    wire.run(500);
    expect([...wire.answers.keys()].sort()).toEqual([callId, another]);
    expect(wire.failures.size).toBe(0);
  });

  // P-27
  test('a RESP to an attempt that nobody made is ignored', () => {
    const wire = new TwoEndpoints();
    wire.call('safe');
    wire.run(2 * LATENCY_MS + 10);
    const resp = wire.sentBy('server', 'resp')[0]!.bytes.slice();
    const before = wire.client.stats.datagramsDropped;
    resp[8] = resp[8]! ^ 1;
    wire.client.receive(resp, SERVER, wire.nowMs);
    expect(wire.client.stats.datagramsDropped).toBe(before + 1);
  });
});

describe('what is not a first datagram', () => {
  // P-5
  test('a short INIT is dropped without an answer', () => {
    const wire = new TwoEndpoints();
    wire.forge(initDatagram(5, [hello(1), request(1, 'safe')], 1199), STRANGER);
    wire.run(1000);
    expect(wire.sent).toEqual([]);
    expect(wire.requests).toEqual([]);
    expect(wire.server.stats.datagramsDropped).toBe(1);
  });

  // P-12, P-21
  test.each<[string, readonly Frame[]]>([
    ['without HELLO', [request(1, 'safe')]],
    ['with something before HELLO', [PING, hello(1), request(1, 'safe')]],
  ])('an INIT %s is dropped without an answer', (_name, frames) => {
    const wire = new TwoEndpoints();
    wire.forge(initDatagram(5, frames), STRANGER);
    wire.run(1000);
    expect(wire.sent).toEqual([]);
    expect(wire.requests).toEqual([]);
  });

  // P-31
  test('an INIT that the network has doubled makes one session', () => {
    const wire = new TwoEndpoints();
    wire.forge(initDatagram(5, [hello(1), request(1, 'safe')]), STRANGER);
    wire.forge(initDatagram(5, [hello(1), request(1, 'safe')]), STRANGER);
    wire.run(30);
    expect(
      new Set(wire.sentBy('server').map(({ header }) => header.kind === 'resp' && header.from)).size,
    ).toBe(1);
    expect(wire.requests).toHaveLength(1);
  });

  // P-31
  test('of many unconfirmed sessions of one client the last four are kept', () => {
    const wire = new TwoEndpoints();
    for (let session = 1; session <= 6; session++) wire.forge(initDatagram(session, [hello(1)]), STRANGER);
    const ours = wire
      .sentBy('server', 'resp')
      .map(({ header }) => (header.kind === 'resp' ? header.from : 0));
    expect(ours).toHaveLength(6);
    wire.sent.length = 0;
    for (const session of ours) wire.forge(dataDatagram(session, 0, [PING]), STRANGER);
    const unknown = wire
      .sentBy('server', 'no-session')
      .map(({ header }) => header.kind === 'no-session' && header.to);
    // The first confirmed one ends those before it.
    expect(unknown).toEqual(ours.slice(0, 2));
  });

  // P-3
  test('a datagram of another version is answered with the versions spoken, if it is as long as a first one', () => {
    const wire = new TwoEndpoints();
    wire.forge(Uint8Array.of(0x21, ...new Uint8Array(1199)), STRANGER);
    wire.forge(Uint8Array.of(0x21, ...new Uint8Array(1198)), STRANGER);
    // VERSION of another version, and our own.
    wire.forge(Uint8Array.of(0x20, ...new Uint8Array(1199)), STRANGER);
    wire.forge(Uint8Array.of(0x10, ...new Uint8Array(1199)), STRANGER);
    expect(wire.sent.map(({ bytes }) => [...bytes])).toEqual([[0x10, 1]]);
    expect(wire.sent[0]?.to).toEqual(STRANGER);
  });
});

/** An id as the plain protection makes them. */
const FORGOTTEN = 99 * 2 ** 32 + 1;

describe('a session that one side has forgotten', () => {
  // P-7
  test('DATA to an unknown session is answered with NOSESS, and NOSESS is not', () => {
    const wire = new TwoEndpoints();
    wire.forge(dataDatagram(FORGOTTEN, 0, [PING]), STRANGER);
    expect(wire.sent.map(({ header }) => header)).toMatchObject([{ kind: 'no-session', to: FORGOTTEN }]);
    // An id that nobody here has made: somebody guesses.
    wire.forge(dataDatagram(99, 0, [PING]), STRANGER);
    // As long as NOSESS itself: nothing that could go on for ever.
    wire.forge(dataDatagram(FORGOTTEN, 0, []).subarray(0, NO_SESSION_BYTES), STRANGER);
    wire.forge(wire.sent[0]!.bytes, STRANGER);
    expect(wire.sent).toHaveLength(1);
  });

  // P-10
  test('a flood of them is not answered one by one', () => {
    const server = new Endpoint({
      random: new SeededRandom(1),
      protection: plainProtection(),
      datagramCeilingBytes: () => 1200,
    });
    for (let i = 1; i <= 500; i++) server.receive(dataDatagram(i * 2 ** 32 + 1, 0, [PING]), STRANGER, 0);
    let answers = 0;
    while (server.pollTransmit(0) !== undefined) answers++;
    expect(answers).toBe(64);
  });

  // P-28, P-30
  test('a restarted server says so, and the client begins anew at once', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.restartServer();
    const callId = wire.call('safe');
    const startedAtMs = wire.nowMs;
    wire.run(100);
    const [init] = wire.sentBy('client', 'init');
    expect(init?.atMs).toBe(startedAtMs + 2 * LATENCY_MS);
    // It might have run: it is not repeated.
    expect(wire.failures.get(callId)).toEqual({ code: 'OUTCOME_UNKNOWN', executed: 'unknown' });
    expect(wire.requests).toHaveLength(1);
  });

  // P-8
  test('NOSESS without the right token, or of another session, changes nothing', () => {
    const wire = new TwoEndpoints().warmUp();
    const token = plainProtection().resetToken(wire.serverSession);
    wire.client.receive(noSessionDatagram(wire.serverSession, new Uint8Array(8)), SERVER, wire.nowMs);
    wire.client.receive(noSessionDatagram(wire.serverSession ^ 1, token), SERVER, wire.nowMs);
    wire.call('safe');
    wire.run(100);
    expect(wire.sentBy('client', 'init')).toEqual([]);
    wire.client.receive(noSessionDatagram(wire.serverSession, token), SERVER, wire.nowMs);
    wire.run(100);
    expect(wire.sentBy('client', 'init')).toHaveLength(1);
  });

  // P-30
  test('after two unanswered probes a handshake is tried beside them, as NOSESS may be lost', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = () => true;
    wire.call('safe');
    wire.run(2000);
    const [init] = wire.sentBy('client', 'init');
    const before = wire.sentBy('client', 'data').filter(({ atMs }) => atMs < init!.atMs);
    // The request, and two probe timeouts of up to two packets.
    expect(new Set(before.map(({ atMs }) => atMs)).size).toBeGreaterThanOrEqual(2);
    expect(init!.frames.some((frame) => frame.type === 'hello')).toBe(true);
  });
});

describe('another incarnation', () => {
  // P-28
  test('idempotent calls and those sent in part are sent again, the others have an unknown outcome', () => {
    const wire = new TwoEndpoints({
      client: { initialGrantBytes: 3000 },
      server: { initialGrantBytes: 3000 },
    });
    wire.warmUp();
    const idempotent = wire.call('safe', { idempotent: true });
    const once = wire.call('safe');
    const long = wire.call('careful', { body: new Uint8Array(50_000) });
    wire.run(0);
    wire.restartServer();
    wire.run(300);
    for (const { ref } of wire.requests.slice(1)) wire.answer(Uint8Array.of(1), ref);
    wire.run(300);
    expect(wire.failures).toEqual(new Map([[once, { code: 'OUTCOME_UNKNOWN', executed: 'unknown' }]]));
    expect(wire.answers.has(idempotent)).toBe(true);
    expect(wire.answers.has(long)).toBe(true);
  });

  // P-24, P-55, P-56
  test('a server that had to forget a client is another incarnation to it, and looks at nothing it sent', () => {
    const wire = new TwoEndpoints({ server: { maxServerPeers: 1 } }).warmUp();
    const incarnation = helloOf(wire.firstResp).epoch;
    wire.forge(initDatagram(5, [hello(1)]), STRANGER);
    wire.sent.length = 0;
    wire.requests.length = 0;
    const callId = wire.call('safe');
    wire.run(200);
    const [init] = wire.sentBy('client', 'init');
    expect(helloOf(init).knownEpoch).toBe(incarnation);
    // The INIT carried the request again; it has not run, as the client may not know whether it had.
    expect(init!.frames.some((frame) => frame.type === 'request-start')).toBe(true);
    expect(wire.requests).toEqual([]);
    expect(wire.failures.get(callId)?.code).toBe('OUTCOME_UNKNOWN');
    expect(helloOf(wire.sentBy('server', 'resp').at(-1)).epoch).not.toBe(incarnation);
  });

  // P-55
  test('a client with a handler at work is not forgotten for another one', () => {
    const wire = new TwoEndpoints({ server: { maxServerPeers: 1 } });
    const callId = wire.call('safe');
    wire.run(200);
    wire.sent.length = 0;
    wire.forge(initDatagram(5, [hello(1), request(1, 'safe')]), STRANGER);
    expect(wire.sentBy('server')).toEqual([]);
    wire.answer();
    wire.run(200);
    expect(wire.answers.has(callId)).toBe(true);
  });
});

describe('packets inside a session', () => {
  // P-9
  test('a doubled packet is taken once', () => {
    const wire = new TwoEndpoints().warmUp();
    const packet = dataDatagram(wire.serverSession, 500, [request(50, 'safe')]);
    wire.forge(packet.slice());
    wire.forge(packet.slice());
    expect(wire.requests.filter(({ ref }) => ref.callId === 50)).toHaveLength(1);
    expect(wire.server.stats.datagramsDropped).toBe(1);
  });

  // P-12
  test('a packet with one bad frame has no effect and is not acknowledged', () => {
    const wire = new TwoEndpoints().warmUp();
    const good = dataDatagram(wire.serverSession, 500, [request(50, 'safe')]);
    wire.forge(Buffer.concat([good, Buffer.of(0x0f)]));
    wire.run(1000);
    expect(wire.requests.map(({ ref }) => ref.callId)).not.toContain(50);
    expect(wire.sentBy('server')).toEqual([]);
    expect(wire.server.stats.peerErrors).toBe(1);
  });

  // P-14
  test('a frame that only the other side may send is an error of the peer; the others count', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([{ type: 'working', callId: 1 }, request(50, 'safe'), { type: 'unknown', callId: 1 }]);
    expect(wire.server.stats.peerErrors).toBe(1);
    expect(wire.requests.at(-1)?.ref.callId).toBe(50);
    wire.client.receive(dataDatagram(wire.clientSession, 500, [request(1, 'safe')]), SERVER, wire.nowMs);
    expect(wire.client.stats.peerErrors).toBe(1);
  });

  // P-62
  test('an ACK of what was never sent is an error of the peer', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([{ type: 'ack', ranges: [[0, 1_000_000]], delayUs: 0 }]);
    expect(wire.server.stats.peerErrors).toBe(1);
  });

  // P-13
  test('no bytes at all make an endpoint throw', () => {
    const wire = new TwoEndpoints().warmUp();
    const random = new SeededRandom(5);
    for (let i = 0; i < 2000; i++) {
      const bytes = random.bytes(random.int(0, 60));
      const heads = [0x10, 0x11, 0x12, 0x13, 0x14];
      if (bytes.length > 0) bytes[0] = heads[random.int(0, heads.length - 1)]!;
      // Half of them reach the session.
      if (i % 2 === 0) wire.forge(Buffer.concat([dataDatagram(wire.serverSession, 1000 + i, []), bytes]));
      else wire.forge(bytes, STRANGER);
    }
    wire.forge(initDatagram(9, [], 1200));
    expect(readHeader(new Uint8Array(0)).kind).toBe('malformed');
    const callId = wire.call('safe');
    wire.run(100);
    wire.answer();
    wire.run(100);
    expect(wire.answers.has(callId)).toBe(true);
  });
});

function options(method: string): Parameters<Endpoint['call']>[1] {
  const body = [new Uint8Array(1)];
  return { method, body, deadline: Number.POSITIVE_INFINITY, idempotent: false, expectedBytes: 0 };
}

test('the harness itself: a call is answered after one round trip', () => {
  const wire = new TwoEndpoints();
  expect(wire.clientAddress).toEqual(CLIENT);
  const callId = wire.call('safe');
  wire.run(LATENCY_MS);
  wire.answer();
  wire.run(LATENCY_MS);
  expect(wire.answers.has(callId)).toBe(true);
});
