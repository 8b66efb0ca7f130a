// Addresses, sizes of datagrams, loss, silence and standstill, seen as datagrams.

import { describe, expect, test } from 'vitest';
import type { Frame } from '../../src/wire/frame.ts';
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

const ELSEWHERE = { host: '10.7.7.7', port: 7 };

function sizeOf(datagrams: readonly Sent[]): number {
  return datagrams.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

describe('an address that has not proved itself', () => {
  // P-80
  test('gets three times what came from it, and no more in an hour', () => {
    const wire = new TwoEndpoints();
    wire.call('safe');
    wire.run(LATENCY_MS);
    wire.lose = () => true;
    wire.answer(new Uint8Array(1_000_000));
    wire.run(3_600_000);
    expect(sizeOf(wire.sentBy('server'))).toBeGreaterThan(1200);
    expect(sizeOf(wire.sentBy('server'))).toBeLessThanOrEqual(3 * 1200);
  });

  // P-80
  test('has proved itself with the first packet inside the session', () => {
    const wire = new TwoEndpoints();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS);
    wire.answer(new Uint8Array(100_000));
    wire.run(1000);
    expect(wire.answers.get(callId)).toHaveLength(100_000);
  });
});

// P-26, P-80, P-81
test('a session begun from one address proves no other one', () => {
  const wire = new TwoEndpoints();
  wire.call('safe');
  wire.run(3 * LATENCY_MS - 1);
  wire.answer(new Uint8Array(1_000_000));
  wire.lose = () => true;
  wire.sent.length = 0;
  const packet = dataDatagram(wire.serverSession, 0, [{ type: 'ping' }]);
  wire.forge(packet, ELSEWHERE);
  wire.run(60_000);
  const there = wire.sentBy('server').filter(({ to }) => to.host === ELSEWHERE.host);
  expect(sizeOf(there)).toBeLessThanOrEqual(3 * packet.length);
});

describe('a client whose address changes', () => {
  // P-81, P-82
  test('is asked at its new address, answers, and goes on', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS);
    wire.answer(new Uint8Array(600_000));
    wire.run(LATENCY_MS * 6);
    wire.clientAddress = ELSEWHERE;
    wire.run(5000);
    expect(wire.answers.get(callId)).toHaveLength(600_000);
    const [challenge] = wire.framesOf('server', 'path-challenge');
    expect(challenge?.token).toBeGreaterThan(0);
    expect(wire.framesOf('client', 'path-response')).toContainEqual({ ...challenge, type: 'path-response' });
    expect(wire.sentBy('server').at(-1)?.to).toEqual(ELSEWHERE);
  });

  // P-80, P-81
  test('that somebody else only claims to have gets little, and no token right', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe');
    wire.run(LATENCY_MS);
    wire.answer(new Uint8Array(1_000_000));
    wire.lose = () => true;
    const packet = dataDatagram(wire.serverSession, 5000, [{ type: 'ping' }]);
    wire.forge(packet, ELSEWHERE);
    wire.forgeData([{ type: 'path-response', token: 12345 }], ELSEWHERE);
    wire.run(60_000);
    const there = wire.sentBy('server').filter(({ to }) => to.host === ELSEWHERE.host);
    expect(there.length).toBeGreaterThan(0);
    expect(sizeOf(there)).toBeLessThanOrEqual(3 * 2 * packet.length);
  });

  // P-81: an old packet that somebody sends again from elsewhere.
  test('is not moved by a packet that is not the newest', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([{ type: 'ping' }]);
    wire.forge(dataDatagram(wire.serverSession, 90, [{ type: 'ping' }]), ELSEWHERE);
    wire.run(100);
    expect(wire.sentBy('server').map(({ to }) => to)).not.toContainEqual(ELSEWHERE);
    expect(wire.sentBy('server').length).toBeGreaterThan(0);
  });

  // P-82
  test('answers each challenge, but keeps no queue of them', () => {
    const wire = new TwoEndpoints().warmUp();
    const challenges: Frame[] = Array.from({ length: 50 }, (_, token) => ({ type: 'path-challenge', token }));
    wire.client.receive(dataDatagram(wire.clientSession, 5000, challenges), SERVER, wire.nowMs);
    wire.run(10);
    expect(wire.framesOf('client', 'path-response').map(({ token }) => token)).toEqual([0, 1, 2, 3]);
  });
});

describe('the size of datagrams', () => {
  /** What a transfer through a path of this size ends with. */
  function transfer(ceilingBytes: number, pathBytes: number): { wire: TwoEndpoints; sizes: number[] } {
    const wire = new TwoEndpoints({ ceilingBytes }).warmUp();
    wire.lose = ({ bytes }) => bytes.length > pathBytes;
    const callId = wire.call('safe', { body: new Uint8Array(1_500_000) });
    for (let i = 0; i < 100 && wire.requests.length < 2; i++) wire.run(100);
    expect(wire.requests.at(-1)?.ref.callId).toBe(callId);
    return { wire, sizes: wire.sentBy('client').map(({ bytes }) => bytes.length) };
  }

  // P-83
  test('grows to the largest that the path carries, tried one at a time', () => {
    const { wire, sizes } = transfer(65_000, 5000);
    expect(Math.max(...sizes)).toBe(65_000);
    // Above what the path carries each size is tried once; in the end, the smallest of them twice more.
    const tried = sizes.filter((size) => size > 5000);
    expect(tried.slice(0, 4)).toEqual([65_000, 32_720, 16_336, 8940]);
    expect(tried.length).toBeLessThan(12);
    // Lengths of pieces are numbers of one or more bytes: a datagram may end a little short.
    expect(sizes.filter((size) => size > 4040 && size <= 5000).length).toBeGreaterThan(100);
    expect(sizes.findIndex((size) => size > 1200)).toBeGreaterThan(0);
    const probe = wire.sentBy('client').find(({ bytes }) => bytes.length === 65_000);
    expect(probe?.frames).toEqual([{ type: 'ping' }]);
  });

  // P-83: the window never fills, but one datagram does.
  test('grows for many small calls, too', () => {
    const wire = new TwoEndpoints({ ceilingBytes: 65_000 }).warmUp();
    for (let turn = 0; turn < 10; turn++) {
      wire.sent.length = 0;
      for (let i = 0; i < 60; i++) wire.call('safe', { body: new Uint8Array(100) });
      wire.run(100);
    }
    expect(wire.sentBy('client').length).toBeLessThanOrEqual(2);
    expect(wire.requests.length).toBeGreaterThanOrEqual(600);
  });

  // P-83: what the other side says in HELLO counts as well.
  test('stays within what interface and receiver take', () => {
    const wire = new TwoEndpoints({ ceilingBytes: 65_000, server: { maxDatagramBytes: 9000 } }).warmUp();
    wire.call('safe', { body: new Uint8Array(1_000_000) });
    wire.run(2000);
    expect(Math.max(...wire.sentBy('client').map(({ bytes }) => bytes.length))).toBe(9000);
  });

  // P-84
  test('lost probes for it do not slow the transfer down', () => {
    const elapsed = (ceilingBytes: number): number => transfer(ceilingBytes, 1200).wire.nowMs;
    expect(elapsed(65_000)).toBeLessThanOrEqual(elapsed(1200) + 100);
  });

  // P-85
  test('goes back to 1200 bytes when larger ones no longer arrive', () => {
    const { wire } = transfer(9000, 9000);
    wire.answer();
    wire.run(1000);
    wire.sent.length = 0;
    wire.lose = ({ bytes }) => bytes.length > 1200;
    const callId = wire.call('safe', { body: new Uint8Array(200_000) });
    wire.run(5000);
    expect(wire.requests.at(-1)?.ref.callId).toBe(callId);
    const beganAtMs = wire.sentBy('client')[0]!.atMs;
    const large = wire.sentBy('client').filter(({ bytes }) => bytes.length > 1200);
    expect(large.some(({ frames }) => frames[0]?.type !== 'ping')).toBe(true);
    // Afterwards nothing but probes, which need not arrive.
    const later = large.filter(({ atMs }) => atMs > beganAtMs + 500);
    expect(later.every(({ frames }) => frames[0]?.type === 'ping')).toBe(true);
  });

  // P-85
  test('goes back when the interface refuses, and not as far up again', () => {
    const { wire } = transfer(9000, 9000);
    wire.answer();
    wire.run(1000);
    wire.client.onSendError(SERVER, 'EMSGSIZE', 9000, wire.nowMs);
    wire.lose = ({ bytes }) => bytes.length > 4048;
    wire.sent.length = 0;
    wire.call('safe', { body: new Uint8Array(4_000_000) });
    wire.run(5000);
    const sizes = wire.sentBy('client').map(({ bytes }) => bytes.length);
    expect(sizes[0]).toBeLessThanOrEqual(1200);
    expect(sizes.filter((size) => size > 4000 && size <= 4048).length).toBeGreaterThan(50);
    expect(Math.max(...sizes)).toBe(8940);
    expect(wire.requests).toHaveLength(3);
    expect(wire.failures.size).toBe(0);
  });

  // P-87
  test('follows a path that shrinks and grows: down at once, up again after ten minutes', () => {
    const wire = new TwoEndpoints({ ceilingBytes: 9000 }).warmUp();
    let pathBytes = 9000;
    wire.lose = ({ bytes }) => bytes.length > pathBytes;
    const largestOf = (transferBytes: number): number => {
      wire.sent.length = 0;
      const requests = wire.requests.length;
      wire.call('safe', { body: new Uint8Array(transferBytes) });
      wire.run(5000);
      expect(wire.requests).toHaveLength(requests + 1);
      wire.answer();
      wire.run(1000);
      const pieces = wire
        .sentBy('client')
        .filter(({ frames }) => frames.some(({ type }) => type === 'request'));
      return Math.max(...pieces.slice(-20).map(({ bytes }) => bytes.length));
    };
    expect(largestOf(1_500_000)).toBeGreaterThan(8900);
    pathBytes = 1452;
    // Several, so that the search is over.
    for (let i = 0; i < 4; i++) expect(largestOf(3_000_000)).toBeLessThanOrEqual(1452);
    expect(largestOf(1_500_000)).toBeGreaterThan(1440);
    pathBytes = 9000;
    expect(largestOf(1_500_000)).toBeLessThanOrEqual(1452);
    wire.run(600_000);
    let largest = 0;
    for (let i = 0; i < 6 && largest < 8900; i++) largest = largestOf(3_000_000);
    expect(largest).toBeGreaterThan(8900);
    expect(wire.failures.size).toBe(0);
  });

  // P-89
  test('that is less than 1200 bytes is an error, told at once when the peer answers smaller ones', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = ({ bytes }) => bytes.length > 600;
    const large = wire.call('safe', { body: new Uint8Array(100_000) });
    // Others are answered meanwhile: the peer is there.
    for (let i = 0; i < 100 && !wire.failures.has(large); i++) {
      wire.call('safe');
      wire.run(100);
      wire.answer();
    }
    expect(wire.failures.get(large)).toEqual({ code: 'NETWORK_UNREACHABLE', executed: 'no' });
    expect(wire.client.health(calleeAt(SERVER))).toBe('live');
    wire.lose = () => false;
    wire.run(2000);
    const again = wire.call('safe', { body: new Uint8Array(100_000) });
    wire.run(1000);
    wire.answer();
    wire.run(100);
    expect(wire.answers.has(again)).toBe(true);
  });

  // P-89
  test('is an error, too, when the local network refuses 1200 bytes', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(50);
    wire.client.onSendError(SERVER, 'EMSGSIZE', 1200, wire.nowMs);
    wire.run(0);
    expect(wire.failures.get(callId)).toEqual({ code: 'NETWORK_UNREACHABLE', executed: 'unknown' });
  });

  // P-88
  test('begins anew at an address that the client has moved to', () => {
    const wire = new TwoEndpoints({ ceilingBytes: 9000 }).warmUp();
    const first = wire.call('safe');
    wire.run(LATENCY_MS);
    wire.answer(new Uint8Array(1_000_000));
    wire.run(3000);
    expect(wire.answers.has(first)).toBe(true);
    wire.clientAddress = ELSEWHERE;
    wire.lose = ({ bytes, to }) => to.host === ELSEWHERE.host && bytes.length > 1452;
    wire.call('safe');
    wire.run(LATENCY_MS);
    wire.sent.length = 0;
    wire.answer(new Uint8Array(1_000_000));
    wire.run(5000);
    const [firstThere] = wire.sentBy('server');
    expect(firstThere!.bytes.length).toBeLessThanOrEqual(1200);
    expect(wire.answers.size).toBe(3);
  });
});

// P-86
test('calls to an address that the local network refuses fail at once', () => {
  const wire = new TwoEndpoints();
  wire.lose = () => true;
  const first = wire.call('safe');
  const second = wire.call('safe', { body: new Uint8Array(50_000) });
  wire.run(0);
  wire.client.onSendError(SERVER, 'ENETUNREACH', 1200, wire.nowMs);
  wire.run(0);
  expect(wire.failures.get(first)).toEqual({ code: 'NETWORK_UNREACHABLE', executed: 'unknown' });
  expect(wire.failures.get(second)).toEqual({ code: 'NETWORK_UNREACHABLE', executed: 'no' });
});

describe('loss', () => {
  // P-67
  test('what leaves before the first acknowledgement is the initial window, whatever was granted', () => {
    const wire = new TwoEndpoints({ client: { initialGrantBytes: 1e6 }, server: { initialGrantBytes: 1e6 } });
    wire.warmUp();
    wire.call('safe', { body: new Uint8Array(500_000) });
    wire.run(2 * LATENCY_MS - 1);
    expect(sizeOf(wire.sentBy('client'))).toBeGreaterThan(10_000);
    expect(sizeOf(wire.sentBy('client'))).toBeLessThanOrEqual(12_000);
  });

  // P-70
  test('without a grant no more than the first part leaves, however large the window', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = ({ frames }) => frames.some(({ type }) => type === 'grant');
    wire.call('safe', { body: new Uint8Array(1_000_000) });
    wire.run(400);
    const reach = Math.max(
      ...wire.framesOf('client', 'request').map(({ offset, data }) => offset + data.length),
    );
    expect(reach).toBe(64 * 1024);
  });

  // P-70
  test('a receiver that takes less, or more, unasked than the sender would is heeded', () => {
    for (const initialGrantBytes of [5000, 40_000]) {
      const wire = new TwoEndpoints({
        client: { initialGrantBytes: 20_000 },
        server: { initialGrantBytes, grantAheadBytes: 1 },
      }).warmUp();
      wire.lose = ({ frames }) => frames.some(({ type }) => type === 'grant');
      wire.call('safe', { body: new Uint8Array(200_000) });
      wire.run(400);
      const pieces = wire.framesOf('client', 'request');
      expect(Math.max(...pieces.map(({ offset, data }) => offset + data.length))).toBe(initialGrantBytes);
    }
  });

  // P-70
  test('the same holds for an answer', () => {
    const wire = new TwoEndpoints({
      client: { initialGrantBytes: 5000, grantAheadBytes: 1 },
      server: { initialGrantBytes: 20_000 },
    }).warmUp();
    wire.lose = ({ frames }) => frames.some(({ type }) => type === 'grant');
    wire.call('safe');
    wire.run(LATENCY_MS);
    wire.answer(new Uint8Array(200_000));
    wire.run(400);
    const pieces = wire.framesOf('server', 'response');
    expect(Math.max(...pieces.map(({ offset, data }) => offset + data.length))).toBe(5000);
  });

  // P-65, P-66
  test('the probe timeout sends again what was not acknowledged, at doubled distances up to a bound', () => {
    const wire = new TwoEndpoints({ client: { earlyDuplicates: false } }).warmUp();
    wire.lose = () => true;
    wire.call('safe');
    wire.run(660);
    const times = [...new Set(wire.sentBy('client', 'data').map(({ atMs }) => atMs))];
    for (const { frames } of wire.sentBy('client', 'data')) expect(frames.length).toBeGreaterThan(0);
    expect(wire.framesOf('client', 'request-start').length).toBeGreaterThan(2);
    const distances = times.slice(1).map((atMs, i) => atMs - times[i]!);
    expect(distances.length).toBeGreaterThanOrEqual(3);
    for (const [i, distance] of distances.slice(1).entries()) {
      expect(distance / distances[i]!).toBeGreaterThan(1.8);
      expect(distance / distances[i]!).toBeLessThan(2.3);
    }
  });

  // P-6, P-64
  test('numbers are never used twice, though much is sent twice', () => {
    const wire = new TwoEndpoints().warmUp();
    let count = 0;
    wire.lose = () => count++ % 8 === 0;
    const callId = wire.call('safe', { body: new Uint8Array(100_000) });
    wire.run(10_000);
    wire.answer(new Uint8Array(100_000));
    wire.run(10_000);
    expect(wire.answers.get(callId)).toHaveLength(100_000);
    for (const by of ['client', 'server'] as const) {
      const numbers = wire.sentBy(by, 'data').map(({ header }) => {
        return header.kind === 'data' ? `${header.to}:${header.packetNumber}` : '';
      });
      expect(new Set(numbers).size).toBe(numbers.length);
    }
  });
});

describe('silence', () => {
  // P-91, P-92, P-93
  test('all calls fail in one turn, within about a second, and then single questions are asked', () => {
    const wire = new TwoEndpoints().warmUp();
    const ids = [
      wire.call('safe'),
      wire.call('safe'),
      wire.call('careful', { body: new Uint8Array(200_000) }),
    ];
    wire.lose = () => true;
    wire.run(550);
    expect(wire.client.health(calleeAt(SERVER))).toBe('suspect');
    wire.run(1000);
    expect(wire.client.health(calleeAt(SERVER))).toBe('silent');
    expect(ids.map((callId) => wire.failures.get(callId))).toEqual([
      { code: 'PEER_SILENT', executed: 'unknown' },
      { code: 'PEER_SILENT', executed: 'unknown' },
      { code: 'PEER_SILENT', executed: 'no' },
    ]);
    expect(wire.otherEvents.filter(({ type }) => type === 'peer-silent')).toMatchObject([{ failedCalls: 3 }]);
    wire.sent.length = 0;
    wire.run(60_000);
    expect(wire.sent.length).toBeLessThan(9);
    expect(wire.sent.every(({ frames }) => frames.every(({ type }) => type === 'ping'))).toBe(true);
  });

  // P-93: nothing of what was cancelled while the peer was already gone.
  test('cancels that were under way are not repeated to a silent peer', () => {
    const wire = new TwoEndpoints().warmUp();
    const [first, second] = [wire.call('safe'), wire.call('safe'), wire.call('safe')];
    wire.run(50);
    wire.lose = () => true;
    wire.cancel(first!);
    wire.run(5);
    wire.cancel(second!);
    wire.run(3000);
    expect(wire.client.health(calleeAt(SERVER))).toBe('silent');
    wire.sent.length = 0;
    wire.run(10_000);
    expect(wire.framesOf('client', 'cancel')).toEqual([]);
    expect(wire.sent.length).toBeLessThan(6);
  });

  // P-49
  test('what a peer has missed it is told with one frame when it is heard again', () => {
    const wire = new TwoEndpoints().warmUp();
    const ids = [wire.call('safe'), wire.call('careful'), wire.call('safe'), wire.call('careful')];
    wire.run(50);
    wire.lose = () => true;
    const [first, second, third, last] = ids as [number, number, number, number];
    wire.cancel(third);
    wire.run(5);
    wire.cancel(first);
    wire.run(3000);
    expect(wire.failures.get(second)?.code).toBe('PEER_SILENT');
    wire.lose = () => false;
    wire.sent.length = 0;
    wire.run(5000);
    expect(wire.framesOf('client', 'cancel')).toEqual([{ type: 'cancel', ranges: [[first, last]] }]);
    expect(wire.requestsCancelled).toHaveLength(4);
    wire.run(60_000);
    expect(wire.framesOf('client', 'cancel')).toHaveLength(1);
  });

  // P-49
  test('of more ranges than a server remembers, one is told', () => {
    const wire = new TwoEndpoints({ client: { maxSettledRanges: 2 } }).warmUp();
    const ids = Array.from({ length: 7 }, () => wire.call('safe'));
    wire.run(50);
    // Three of them in between are answered.
    for (const index of [1, 3, 5]) wire.answer(Uint8Array.of(1), wire.requests.at(index - 7)!.ref);
    wire.run(50);
    wire.lose = () => true;
    wire.run(3000);
    wire.lose = () => false;
    wire.sent.length = 0;
    wire.run(5000);
    expect(wire.framesOf('client', 'cancel')).toEqual([{ type: 'cancel', ranges: [[ids[0], ids[6]]] }]);
  });

  // P-49
  test('another incarnation is told nothing of what the one before has missed', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe');
    wire.run(50);
    wire.lose = () => true;
    wire.run(3000);
    wire.restartServer();
    wire.lose = () => false;
    wire.sent.length = 0;
    wire.run(20_000);
    expect(wire.client.health(calleeAt(SERVER))).toBe('live');
    expect(wire.framesOf('client', 'cancel')).toEqual([]);
  });

  // P-94, P-95
  test('a call fails at once, asks again, and the answer makes the peer live', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = () => true;
    wire.call('safe');
    wire.run(60_000);
    wire.lose = () => false;
    wire.sent.length = 0;
    const refused = wire.call('safe');
    expect(wire.failures.get(refused)).toEqual({ code: 'PEER_SILENT', executed: 'no' });
    wire.run(2 * LATENCY_MS + 10);
    expect(wire.client.health(calleeAt(SERVER))).toBe('live');
    expect(wire.otherEvents.at(-1)).toMatchObject({ type: 'peer-back' });
    const callId = wire.call('safe');
    wire.run(50);
    wire.answer();
    wire.run(50);
    expect(wire.answers.has(callId)).toBe(true);
  });

  // P-92
  test('a peer that was never there is silent after four handshakes', () => {
    const wire = new TwoEndpoints();
    wire.lose = () => true;
    const callId = wire.call('safe');
    wire.run(10_000);
    expect(wire.failures.get(callId)).toEqual({ code: 'PEER_SILENT', executed: 'unknown' });
  });

  // P-98
  test('a port that nobody listens at is believed of a suspect peer only', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(50);
    wire.client.onSendError(SERVER, 'ECONNREFUSED', 1200, wire.nowMs);
    expect(wire.client.health(calleeAt(SERVER))).toBe('live');
    wire.lose = () => true;
    wire.run(600);
    expect(wire.otherEvents).toContainEqual({ type: 'peer-suspect', address: SERVER });
    wire.client.onSendError(SERVER, 'ECONNREFUSED', 1200, wire.nowMs);
    wire.run(0);
    expect(wire.failures.get(callId)).toEqual({ code: 'PEER_UNREACHABLE', executed: 'unknown' });
    expect(wire.otherEvents.at(-1)).toMatchObject({ type: 'peer-silent', why: 'refused' });
  });

  // P-90
  test('while a call waits, the peer is asked whether it is there, and is left alone otherwise', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe');
    wire.run(10_000);
    expect(wire.client.health(calleeAt(SERVER))).toBe('live');
    expect(wire.framesOf('client', 'ping').length).toBeGreaterThan(30);
    wire.answer();
    wire.run(1000);
    wire.sent.length = 0;
    // P-96
    wire.run(3_600_000);
    expect(wire.sent).toEqual([]);
    expect(wire.client.timerAtMs()).toBe(Number.POSITIVE_INFINITY);
    expect(wire.server.timerAtMs()).toBe(Number.POSITIVE_INFINITY);
  });

  // P-97
  test('a server stops sending to a client that has gone, and goes on when it is heard', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe');
    wire.run(50);
    wire.lose = () => true;
    wire.answer(new Uint8Array(50_000));
    wire.run(10_000);
    wire.sent.length = 0;
    wire.run(100_000);
    expect(wire.sentBy('server')).toEqual([]);
    wire.forgeData([{ type: 'ping' }]);
    expect(wire.framesOf('server', 'response').length).toBeGreaterThan(0);
  });

  // P-58
  test('a client that was not heard for a minute is told that nobody knows of its call when it is heard', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(50);
    wire.lose = () => true;
    wire.run(59_000);
    wire.sent.length = 0;
    wire.run(100_000);
    expect(wire.requestsCancelled).toMatchObject([{ ref: { callId } }]);
    expect(wire.sentBy('server')).toEqual([]);
    wire.forgeData([{ type: 'ping' }]);
    expect(wire.framesOf('server', 'unknown')).toEqual([{ type: 'unknown', callId }]);
  });

  // P-68
  test('a standstill of our own is held against nobody', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(50);
    // The laptop sleeps; nothing is read, no timer fires.
    wire.nowMs += 3_600_000;
    wire.run(100);
    expect(wire.failures.has(callId)).toBe(false);
    expect(wire.client.health(calleeAt(SERVER))).toBe('live');
    wire.answer();
    wire.run(500);
    expect(wire.answers.has(callId)).toBe(true);
  });
});

describe('memory', () => {
  // P-73
  test('a request that there is no memory for is refused; an answer fails', () => {
    const wire = new TwoEndpoints({
      client: { maxReassemblyBytes: 50_000 },
      server: { maxReassemblyBytesPerPeer: 50_000 },
    }).warmUp();
    const refused = wire.call('safe', { body: new Uint8Array(60_000) });
    wire.run(200);
    expect(wire.failures.get(refused)).toEqual({ code: 'OVERLOADED', executed: 'no' });
    const failing = wire.call('safe');
    wire.run(50);
    wire.answer(new Uint8Array(60_000));
    wire.run(200);
    expect(wire.failures.get(failing)).toEqual({ code: 'OVERLOADED', executed: 'yes' });
    // What was reserved came back: as much fits as before.
    const fits = wire.call('safe', { body: new Uint8Array(49_000) });
    wire.run(500);
    wire.answer(new Uint8Array(49_000));
    wire.run(500);
    expect(wire.answers.get(fits)).toHaveLength(49_000);
  });
});

test('an INIT of somebody else does not move a client that has a session', () => {
  const wire = new TwoEndpoints().warmUp();
  const hello = wire.firstInit!.frames[0]!;
  wire.forge(initDatagram(4711, [hello]), ELSEWHERE);
  const callId = wire.call('safe');
  wire.run(50);
  wire.answer();
  wire.run(50);
  expect(wire.answers.has(callId)).toBe(true);
  expect(wire.sentBy('server', 'data').every(({ to }) => to === CLIENT)).toBe(true);
});
