// Early duplicates of small messages on a path that loses, seen as datagrams.

import { describe, expect, test } from 'vitest';
import { LATENCY_MS, type Options, type Sent, TwoEndpoints } from './two-endpoints.ts';

/** Lets time pass; the server answers what it is asked, with as many bytes. */
function serve(wire: TwoEndpoints, forMs: number, answerBytes = 1): void {
  for (let ms = 0; ms < forMs; ms++) {
    const known = wire.requests.length;
    wire.run(1);
    for (const { ref } of wire.requests.slice(known)) wire.answer(new Uint8Array(answerBytes), ref);
  }
  wire.run(0);
}

function has(type: 'request-start' | 'response-start'): (sent: Sent) => boolean {
  return ({ frames }) => frames.some((frame) => frame.type === type);
}

function isAckOnly({ frames }: Sent): boolean {
  return frames.every(({ type }) => type === 'ack');
}

/** Loses the next datagram that has such a frame. */
function loseOne(wire: TwoEndpoints, type: 'request-start' | 'response-start'): void {
  wire.lose = (sent) => {
    if (!has(type)(sent)) return false;
    wire.lose = () => false;
    return true;
  };
}

/** A session in which each side knows that something it sent was lost. */
function lossyWire(earlyDuplicates: number | false = 0): TwoEndpoints {
  const config = { earlyDuplicates };
  const options: Options = { client: config, server: config };
  const wire = new TwoEndpoints(options).warmUp();
  for (const type of ['request-start', 'response-start'] as const) {
    loseOne(wire, type);
    const callId = wire.call('safe');
    serve(wire, 500);
    expect(wire.answers.has(callId)).toBe(true);
  }
  wire.sent.length = 0;
  return wire;
}

/** Ids of the requests, or answers, in each datagram of one side that has any. */
function idsOf(wire: TwoEndpoints, by: Sent['by']): number[][] {
  const type = by === 'client' ? 'request-start' : 'response-start';
  return wire
    .sentBy(by)
    .map(({ frames }) => frames.flatMap((frame) => (frame.type === type ? [frame.callId] : [])))
    .filter((ids) => ids.length > 0);
}

// P-118
test('where nothing was lost, nothing is sent twice', () => {
  const wire = new TwoEndpoints({ client: { earlyDuplicates: 2 } }).warmUp();
  const first = wire.call('safe');
  serve(wire, 2);
  const second = wire.call('safe');
  serve(wire, 500);
  expect(idsOf(wire, 'client')).toEqual([[first], [second]]);
  expect(idsOf(wire, 'server')).toEqual([[first], [second]]);
});

describe('on a path that has lost something', () => {
  // P-118, P-119
  test('a small request rides once more in the next one, and so does its answer', () => {
    const wire = lossyWire();
    const first = wire.call('safe');
    serve(wire, 2);
    const second = wire.call('safe');
    serve(wire, 2);
    const third = wire.call('safe');
    serve(wire, 500);
    expect(idsOf(wire, 'client')).toEqual([[first], [second, first], [third, second]]);
    expect(idsOf(wire, 'server')).toEqual([[first], [second, first], [third, second]]);
    expect(wire.sentBy('client').every((sent) => has('request-start')(sent) || isAckOnly(sent))).toBe(true);
  });

  // P-118
  test('one that is lost comes with the next, and its call is answered a few milliseconds later', () => {
    const wire = lossyWire();
    loseOne(wire, 'request-start');
    const first = wire.call('safe');
    serve(wire, 4);
    wire.call('safe');
    serve(wire, 2 * LATENCY_MS + 1);
    expect(wire.answers.has(first)).toBe(true);
  });

  // P-50, P-118, P-122
  test('what comes twice runs once', () => {
    const wire = lossyWire();
    const before = wire.requests.length;
    const duplicatesBefore = wire.client.stats.earlyDuplicates;
    for (let i = 0; i < 20; i++) {
      wire.call('careful');
      serve(wire, 2);
    }
    serve(wire, 500);
    expect(wire.requests.length - before).toBe(20);
    expect(wire.client.stats.earlyDuplicates - duplicatesBefore).toBe(19);
    expect(wire.failures.size).toBe(0);
  });

  // P-42, P-118
  test('nothing of a cancelled call is sent a second time', () => {
    const wire = lossyWire(2);
    const first = wire.call('safe');
    wire.run(2);
    wire.cancel(first);
    const second = wire.call('safe');
    serve(wire, 500);
    expect(idsOf(wire, 'client').flat()).toEqual([first, second, second]);
  });

  // P-119
  test('a lone one has a datagram of its own after 5 ms, where the budget pays for it', () => {
    const wire = lossyWire(2);
    const before = wire.client.stats.duplicateDatagrams;
    const callId = wire.call('safe');
    const atMs = wire.nowMs;
    serve(wire, 500);
    expect(wire.sentBy('client').filter(has('request-start'))).toMatchObject([
      { atMs },
      { atMs: expect.closeTo(atMs + 5) },
    ]);
    expect(idsOf(wire, 'server')).toEqual([[callId], [callId]]);
    expect(wire.client.stats.duplicateDatagrams - before).toBe(1);
  });

  // P-119
  test.each([0, 0.01])('not with a budget of %s', (share) => {
    const wire = lossyWire(share);
    const callId = wire.call('safe');
    serve(wire, 500);
    expect(idsOf(wire, 'client')).toEqual([[callId]]);
    expect(idsOf(wire, 'server')).toEqual([[callId]]);
  });

  // P-119
  test('none make acknowledgements that are to be acknowledged, without a budget', () => {
    const wire = lossyWire();
    wire.call('safe');
    serve(wire, LATENCY_MS * 2 - 2);
    // An acknowledgement of the first answer is on its way when this one is waiting for its duplicate.
    const second = wire.call('safe');
    serve(wire, 500);
    expect(idsOf(wire, 'client').filter((ids) => ids.includes(second))).toHaveLength(1);
  });

  test('there are none where none are wanted', () => {
    const wire = lossyWire(false);
    const first = wire.call('safe');
    serve(wire, 2);
    const second = wire.call('safe');
    serve(wire, 500);
    expect(idsOf(wire, 'client')).toEqual([[first], [second]]);
  });

  // P-118
  test('a message of more than 512 bytes has none', () => {
    const wire = lossyWire(2);
    const first = wire.call('safe', { body: new Uint8Array(600) });
    serve(wire, 2, 600);
    const second = wire.call('safe', { body: new Uint8Array(600) });
    serve(wire, 500, 600);
    expect(idsOf(wire, 'client')).toEqual([[first], [second]]);
    expect(idsOf(wire, 'server')).toEqual([[first], [second]]);
  });

  // P-120
  test('while much is under way, nothing is sent twice', () => {
    const wire = lossyWire(2);
    wire.call('safe', { body: new Uint8Array(2_000_000) });
    wire.run(1);
    const before = wire.client.stats.earlyDuplicates;
    for (let i = 0; i < 10; i++) {
      wire.call('safe');
      wire.run(2);
    }
    expect(wire.client.stats.earlyDuplicates).toBe(before);
  });

  // P-122
  test('a duplicate that is lost is not missed', () => {
    const wire = lossyWire(2);
    const callId = wire.call('safe');
    wire.run(2);
    loseOne(wire, 'request-start');
    serve(wire, 1000);
    expect(idsOf(wire, 'client')).toEqual([[callId], [callId]]);
    expect(wire.answers.has(callId)).toBe(true);
  });

  // P-64, P-122
  test('when both are lost, the message goes again, once in a packet', () => {
    const wire = lossyWire(2);
    let lost = 0;
    wire.lose = (sent) => has('request-start')(sent) && lost++ < 2;
    const callId = wire.call('safe');
    serve(wire, 1000);
    expect(wire.answers.has(callId)).toBe(true);
    expect(idsOf(wire, 'client').slice(0, 3)).toEqual([[callId], [callId], [callId]]);
  });
});

// P-66, P-121
test('a probe timeout sends what it repeats a second time 5 ms later, whatever the budget', () => {
  const wire = new TwoEndpoints({ client: { earlyDuplicates: 0 } }).warmUp();
  let lost = 0;
  wire.lose = (sent) => has('request-start')(sent) && lost++ < 2;
  const callId = wire.call('safe');
  serve(wire, 1000);
  const times = wire
    .sentBy('client')
    .filter(has('request-start'))
    .map(({ atMs }) => atMs);
  expect(idsOf(wire, 'client')).toEqual([[callId], [callId], [callId]]);
  expect(times[2]! - times[1]!).toBeCloseTo(5);
  expect(wire.answers.has(callId)).toBe(true);
});
