// The life of calls, their cancelling and that they run at most once, seen as datagrams.

import { describe, expect, test } from 'vitest';
import { decodeFrames, type Frame } from '../../src/wire/frame.ts';
import { parseErrorBody } from '../../src/wire/message.ts';
import { calleeAt, dataDatagram, LATENCY_MS, SERVER, TwoEndpoints } from './two-endpoints.ts';

/** A whole request for `safe` (or its first bytes), as a client would write it. */
function request(callId: number, firstIncomplete: number, pieceBytes?: number): Frame {
  const data = Buffer.from('\x04safe\xf6', 'latin1');
  const piece = data.subarray(0, pieceBytes);
  return { type: 'request-start', callId, firstIncomplete, remainingMs: 0, total: data.length, data: piece };
}

/** Ids that were answered with an error, and its code. */
function refusals(wire: TwoEndpoints): (readonly [number, string])[] {
  return wire
    .framesOf('server', 'response-start')
    .filter(({ status }) => status === 1)
    .map(({ callId, data }) => [callId, parseErrorBody(data).code] as const);
}

function fromServer(wire: TwoEndpoints, frames: readonly Frame[]): void {
  wire.client.receive(dataDatagram(wire.clientSession, 90_000, frames), SERVER, wire.nowMs);
}

describe('requests and answers', () => {
  // P-15
  test('calls started within one turn leave in one datagram', () => {
    const wire = new TwoEndpoints().warmUp();
    for (let i = 0; i < 20; i++) wire.call('safe');
    wire.run(0);
    expect(wire.sent).toHaveLength(1);
    expect(wire.framesOf('client', 'request-start')).toHaveLength(20);
  });

  // P-16
  test('a short request passes a long one', () => {
    const wire = new TwoEndpoints().warmUp();
    const long = wire.call('safe', { body: new Uint8Array(200_000) });
    wire.run(0);
    const short = wire.call('safe');
    // The window is full for one round trip.
    wire.run(LATENCY_MS * 3);
    expect(wire.requests.at(-1)?.ref.callId).toBe(short);
    wire.run(2000);
    expect(wire.requests.at(-1)?.ref.callId).toBe(long);
  });

  test('a message is repeated as it was, while others use the memory of those that have settled', () => {
    const wire = new TwoEndpoints({ seed: 3 }).warmUp();
    let datagrams = 0;
    wire.lose = () => datagrams++ % 4 === 0;
    const allOf = (number: number): Uint8Array => new Uint8Array(20_000 + number).fill(number);
    const only = (bytes: Uint8Array): number | undefined =>
      bytes.subarray(-20_000).every((byte) => byte === bytes.at(-1)) ? bytes.at(-1) : undefined;
    const answerSince = (known: number): void => {
      for (const { body, ref } of wire.requests.slice(known)) {
        wire.server.answer(ref, [body.subarray(0, 1), body.subarray(1)], wire.nowMs);
      }
    };
    const ids: number[] = [];
    for (let number = 1; number <= 60; number++) {
      ids.push(wire.call('safe', { body: allOf(number) }));
      if (number % 5 === 0) wire.cancel(ids.at(-1)!);
      const known = wire.requests.length;
      wire.run(40);
      answerSince(known);
    }
    for (let round = 0; round < 50; round++) {
      const known = wire.requests.length;
      wire.run(100);
      answerSince(known);
    }
    const settled = ids.map((callId) => {
      const answer = wire.answers.get(callId);
      return answer && only(answer);
    });
    expect(settled).toEqual(ids.map((_, index) => ((index + 1) % 5 === 0 ? undefined : index + 1)));
  });

  // P-36
  test('an answer in the session with another peer is not an answer', () => {
    const wire = new TwoEndpoints().warmUp();
    const elsewhere = { host: '10.0.0.3', port: 3000 };
    const call = { method: 'safe', body: [new Uint8Array(1)], deadline: Infinity, idempotent: false };
    const callId = wire.client.call(calleeAt(elsewhere), { ...call, expectedBytes: 0 }, wire.nowMs);
    const answer: Frame = {
      type: 'response-start',
      callId,
      status: 0,
      heldUs: 0,
      total: 1,
      data: Uint8Array.of(1),
    };
    fromServer(wire, [answer, { type: 'unknown', callId }]);
    wire.run(10);
    expect(wire.answers.has(callId)).toBe(false);
    expect(wire.failures.has(callId)).toBe(false);
  });

  // P-37, P-60
  test('a handler that takes more than 5 ms is told WORKING, once, and the request is not repeated', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe');
    wire.run(5000);
    const [working, ...more] = wire.framesOf('server', 'working');
    expect(working).toBeDefined();
    expect(more).toEqual([]);
    expect(wire.sentBy('server')[0]?.atMs).toBe(100 + 3 * LATENCY_MS + LATENCY_MS + 5);
    expect(wire.framesOf('client', 'request-start')).toHaveLength(1);
  });

  // P-60: the answer is the acknowledgement.
  test('a handler that is quicker answers and acknowledges in one datagram', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe');
    wire.run(LATENCY_MS + 4);
    wire.answer();
    wire.run(LATENCY_MS);
    expect(wire.sentBy('server').map(({ frames }) => frames.map(({ type }) => type))).toEqual([
      ['ack', 'response-start'],
    ]);
  });

  // P-32
  test('a message that is too large fails here, is refused there, or was run for nothing', () => {
    const wire = new TwoEndpoints({ client: { maxMessageBytes: 5000 }, server: { maxMessageBytes: 2000 } });
    wire.warmUp();
    const tooLargeHere = wire.call('safe', { body: new Uint8Array(5000) });
    expect(wire.failures.get(tooLargeHere)).toEqual({ code: 'TOO_LARGE', executed: 'no' });
    const tooLargeThere = wire.call('safe', { body: new Uint8Array(4000) });
    const answeredTooLarge = wire.call('safe');
    wire.run(50);
    wire.answer(new Uint8Array(2001));
    wire.run(50);
    expect(wire.failures.get(tooLargeThere)).toEqual({ code: 'TOO_LARGE', executed: 'no' });
    expect(wire.failures.get(answeredTooLarge)).toEqual({ code: 'TOO_LARGE', executed: 'yes' });
  });

  // P-33
  test('a piece that contradicts its message is an error of the peer, and the message still arrives', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([request(50, 0, 3)]);
    wire.forgeData([{ type: 'request', callId: 50, offset: 3, total: 9, data: Uint8Array.of(1, 2) }]);
    expect(wire.server.stats.peerErrors).toBe(1);
    const rest = Buffer.from('\x04safe\xf6', 'latin1').subarray(3);
    wire.forgeData([{ type: 'request', callId: 50, offset: 3, total: 6, data: rest }]);
    expect(wire.requests.at(-1)?.ref.callId).toBe(50);
  });

  // P-34
  test('what is no request, and an unknown method, are refused', () => {
    const wire = new TwoEndpoints().warmUp();
    const unknown = wire.call('no such method');
    wire.run(50);
    expect(wire.failures.get(unknown)).toEqual({ code: 'UNKNOWN_METHOD', executed: 'no' });
    const data = Uint8Array.of(0, 1, 2);
    wire.forgeData([
      { type: 'request-start', callId: 50, firstIncomplete: 0, remainingMs: 0, total: 3, data },
    ]);
    expect(refusals(wire)).toContainEqual([50, 'BAD_MESSAGE']);
    expect(wire.requests).toHaveLength(1);
  });
});

describe('deadlines', () => {
  // P-40
  test('at its deadline a call fails, and the server is told', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe', { deadline: 300 });
    wire.run(299);
    expect(wire.failures.has(callId)).toBe(false);
    wire.run(1);
    expect(wire.failures.get(callId)).toEqual({ code: 'DEADLINE_EXCEEDED', executed: 'unknown' });
    expect(wire.framesOf('client', 'cancel')).toEqual([{ type: 'cancel', ranges: [[callId, callId]] }]);
  });

  // P-38
  test('a request tells how long its caller waits, and what has expired on arrival is not run', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe', { deadline: 1234.5 });
    wire.run(0);
    expect(wire.framesOf('client', 'request-start')[0]?.remainingMs).toBe(1235);
    const late: Frame = { ...request(50, 0, 3), remainingMs: 20 } as Frame;
    wire.forgeData([late]);
    wire.run(21);
    const rest = Buffer.from('\x04safe\xf6', 'latin1').subarray(3);
    wire.forgeData([{ type: 'request', callId: 50, offset: 3, total: 6, data: rest }]);
    expect(refusals(wire)).toContainEqual([50, 'DEADLINE_EXCEEDED']);
    expect(wire.requests.map(({ ref }) => ref.callId)).not.toContain(50);
  });

  // P-39
  test('when its time has passed the handler is told, and its answer is not sent', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe', { deadline: 300 });
    wire.run(LATENCY_MS);
    const { ref, deadlineAtMs } = wire.requests.at(-1)!;
    expect(deadlineAtMs).toBe(wire.nowMs + 300);
    // Not even the cancel arrives.
    wire.lose = ({ by }) => by === 'client';
    wire.run(301);
    expect(wire.requestsCancelled).toMatchObject([{ ref, reason: 'deadline' }]);
    wire.sent.length = 0;
    wire.answer(Uint8Array.of(1), ref);
    wire.run(10);
    expect(wire.framesOf('server', 'response-start')).toEqual([]);
  });

  // P-41
  test('a half-arrived request of a client that is not heard any more is refused', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([request(50, 0, 3)]);
    wire.run(29_000);
    expect(refusals(wire)).toEqual([]);
    wire.run(2000);
    expect(refusals(wire).map(([callId]) => callId)).toContain(50);
  });
});

describe('never mind', () => {
  // P-43
  test('of a call that never left, the peer never hears', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.cancel(wire.call('safe'));
    wire.run(1000);
    expect(wire.sent).toEqual([]);
  });

  // P-43, P-45, P-47
  test('a call at work is ended: CANCEL, the handler is told, CANCELLED says that it had run', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS * 2);
    wire.cancel(callId);
    wire.run(50);
    expect(wire.framesOf('client', 'cancel')).toHaveLength(1);
    expect(wire.requestsCancelled).toMatchObject([{ ref: { callId }, reason: 'cancelled' }]);
    expect(wire.framesOf('server', 'cancelled')).toEqual([
      { type: 'cancelled', executed: 'yes', ranges: [[callId, callId]] },
    ]);
    expect(wire.client.stats.cancelledExecuted).toBe(1);
    expect(wire.failures.has(callId)).toBe(false);
  });

  // P-42, P-64
  test('from then on nothing of it is sent, though parts of it were lost', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe', { body: new Uint8Array(500_000) });
    let count = 0;
    wire.lose = ({ by }) => by === 'client' && count++ % 3 === 0;
    wire.run(25);
    wire.cancel(callId);
    wire.sent.length = 0;
    wire.run(2000);
    expect(wire.framesOf('client', 'request')).toEqual([]);
    expect(wire.framesOf('client', 'cancel').length).toBeGreaterThan(0);
    expect(wire.client.stats.cancelSavedBytes).toBeGreaterThan(300_000);
  });

  // P-43
  test('CANCEL is repeated until it arrives', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS * 2);
    const failFrom = wire.nowMs;
    wire.lose = ({ by, atMs }) => by === 'client' && atMs < failFrom + 100;
    wire.cancel(callId);
    wire.run(1000);
    expect(wire.framesOf('client', 'cancel').length).toBeGreaterThan(1);
    expect(wire.requestsCancelled).toHaveLength(1);
    const afterArrival = wire.framesOf('client', 'cancel').length;
    wire.run(5000);
    expect(wire.framesOf('client', 'cancel')).toHaveLength(afterArrival);
  });

  // P-43
  test('CANCEL is repeated also when the call was all that there was, and the answer to its handshake is lost', () => {
    const wire = new TwoEndpoints();
    wire.lose = ({ by, atMs }) => by === 'server' || (atMs > 50 && atMs < 1000);
    const callId = wire.call('safe');
    wire.run(40);
    wire.cancel(callId);
    wire.run(4000);
    expect(wire.requestsCancelled).toMatchObject([{ ref: { callId }, reason: 'cancelled' }]);
  });

  // P-43, P-49, P-92
  test('and who answers none of them is silent, and told when it is heard', () => {
    const wire = new TwoEndpoints();
    wire.lose = ({ by, atMs }) => (by === 'server' ? atMs < 20_000 : atMs > 50 && atMs < 20_000);
    const callId = wire.call('safe');
    wire.run(40);
    wire.cancel(callId);
    wire.run(10_000);
    expect(wire.client.stats.peersSilent).toBe(1);
    expect(wire.requestsCancelled).toEqual([]);
    wire.run(60_000);
    expect(wire.requestsCancelled).toMatchObject([{ ref: { callId }, reason: 'cancelled' }]);
  });

  // P-44
  test('a whole operation is cancelled with one frame, also when the window is full', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = ({ by }) => by === 'client';
    const ids = Array.from({ length: 40 }, () => wire.call('safe', { body: new Uint8Array(2000) }));
    wire.run(0);
    const before = wire.sent.length;
    for (const callId of ids) wire.cancel(callId);
    wire.run(0);
    expect(wire.sent).toHaveLength(before + 1);
    const known = wire.framesOf('client', 'request-start').map(({ callId }) => callId);
    // Only of those of which something had left.
    expect(known.length).toBeLessThan(ids.length);
    expect(wire.framesOf('client', 'cancel')).toEqual([
      { type: 'cancel', ranges: [[Math.min(...known), Math.max(...known)]] },
    ]);
  });

  // P-46, P-47
  test('a CANCEL that comes before its request keeps it from running', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([{ type: 'cancel', ranges: [[50, 52]] }]);
    expect(wire.framesOf('server', 'cancelled')).toEqual([
      { type: 'cancelled', executed: 'no', ranges: [[50, 52]] },
    ]);
    for (const callId of [50, 51, 52, 53]) wire.forgeData([request(callId, 0)]);
    expect(wire.requests.slice(1).map(({ ref }) => ref.callId)).toEqual([53]);
  });

  // P-46
  test('a CANCEL of all ids that there can be is one tombstone', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([{ type: 'cancel', ranges: [[0, Number.MAX_SAFE_INTEGER - 1]] }]);
    wire.forgeData([request(50, 0)]);
    expect(wire.requests).toHaveLength(1);
  });

  // P-45, P-47
  test('ids that had ended before, or are cancelled twice, are not answered again', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([{ type: 'cancel', ranges: [[50, 50]] }]);
    wire.sent.length = 0;
    wire.forgeData([
      {
        type: 'cancel',
        ranges: [
          [1, 1],
          [50, 50],
        ],
      },
    ]);
    expect(wire.framesOf('server', 'cancelled')).toEqual([]);
  });

  // P-45
  test('the unsent rest of an answer is not sent', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS * 2);
    wire.answer(new Uint8Array(1_000_000));
    wire.run(LATENCY_MS * 3);
    wire.cancel(callId);
    wire.run(LATENCY_MS);
    wire.sent.length = 0;
    wire.run(1000);
    expect(wire.framesOf('server', 'response')).toEqual([]);
    expect(wire.server.stats.cancelSavedBytes).toBeGreaterThan(500_000);
  });

  // P-48
  test('an answer that crosses with the cancel is ignored', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS);
    wire.answer();
    wire.run(1);
    wire.cancel(callId);
    wire.run(1000);
    expect(wire.framesOf('server', 'response-start').some((frame) => frame.callId === callId)).toBe(true);
    expect(wire.answers.has(callId)).toBe(false);
    expect(wire.failures.has(callId)).toBe(false);
  });
});

describe('at most once', () => {
  // P-50
  test('a request that comes again and again, in whatever state, runs once', () => {
    const wire = new TwoEndpoints().warmUp();
    const again = (): void => wire.forgeData([request(50, 0)]);
    again();
    again();
    expect(wire.requests).toHaveLength(2);
    wire.answer();
    again();
    wire.run(1000);
    again();
    wire.run(1000);
    expect(wire.requests).toHaveLength(2);
  });

  // P-50, P-64: the answer is lost, not the call.
  test('a lost answer is sent again, not made again', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(LATENCY_MS);
    const untilMs = wire.nowMs + 300;
    wire.lose = ({ by, atMs }) => by === 'server' && atMs < untilMs;
    wire.answer(Uint8Array.of(7));
    wire.run(1000);
    expect(wire.answers.get(callId)).toEqual(Buffer.of(7));
    expect(wire.requests).toHaveLength(2);
  });

  // P-52, P-53
  test('an answer that had to be forgotten gives an unknown outcome, not a second run', () => {
    const wire = new TwoEndpoints({ server: { maxKeptResponseBytes: 20_000 } }).warmUp();
    const first = wire.call('safe');
    const second = wire.call('safe');
    wire.run(LATENCY_MS);
    const [, a, b] = wire.requests;
    wire.lose = ({ by }) => by === 'server';
    wire.answer(new Uint8Array(15_000), a!.ref);
    wire.run(5);
    wire.answer(new Uint8Array(15_000), b!.ref);
    wire.run(5);
    wire.lose = () => false;
    wire.run(1000);
    expect(wire.failures.get(first)).toEqual({ code: 'OUTCOME_UNKNOWN', executed: 'unknown' });
    expect(wire.answers.get(second)).toHaveLength(15_000);
    expect(wire.requests).toHaveLength(3);
  });

  // P-51
  test('what is below the first incomplete call has ended, also its handler', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.forgeData([request(50, 0)]);
    wire.forgeData([request(60, 55)]);
    expect(wire.requestsCancelled).toMatchObject([{ ref: { callId: 50 } }]);
    wire.sent.length = 0;
    wire.forgeData([request(50, 0), request(54, 0)]);
    expect(wire.requests.map(({ ref }) => ref.callId)).toEqual([1, 50, 60]);
    expect(wire.framesOf('server', 'unknown')).toEqual([]);
  });

  // P-51: one long call must not make the server remember every short one after it.
  test('the client tells its lowest call that has not settled', () => {
    const wire = new TwoEndpoints().warmUp();
    const long = wire.call('safe');
    wire.run(50);
    const longRef = wire.requests.at(-1)!.ref;
    for (let i = 0; i < 3; i++) {
      wire.call('safe');
      wire.run(LATENCY_MS);
      wire.answer();
      wire.run(50);
    }
    wire.answer(Uint8Array.of(1), longRef);
    wire.run(50);
    const last = wire.call('safe');
    wire.run(50);
    const told = wire.framesOf('client', 'request-start').map(({ firstIncomplete }) => firstIncomplete);
    expect(told).toEqual([long, long, long, long, last]);
  });

  // P-54
  test('when too many ids would have to be remembered, those between them count as settled, too', () => {
    const wire = new TwoEndpoints({ server: { maxSettledRanges: 3 } }).warmUp();
    // With the call of the warm-up five ranges: the two lowest gaps have to be closed.
    for (const callId of [50, 60, 70, 80]) wire.forgeData([{ type: 'cancel', ranges: [[callId, callId]] }]);
    wire.sent.length = 0;
    for (const callId of [40, 55, 65, 75, 85]) wire.forgeData([request(callId, 0)]);
    const run = wire.requests.slice(1).map(({ ref }) => ref.callId);
    const unknown = wire.framesOf('server', 'unknown').map(({ callId }) => callId);
    expect(unknown).toEqual([40, 55]);
    expect(run).toEqual([65, 75, 85]);
  });

  // P-57, P-74
  test('more calls than a server takes of one client fail at once, and are refused if they come all the same', () => {
    const wire = new TwoEndpoints({
      client: { maxCallsPerPeer: 3 },
      server: { maxCallsPerPeer: 2 },
    }).warmUp();
    const ids = [0, 1, 2, 3].map(() => wire.call('safe'));
    expect(wire.failures.get(ids[3]!)).toEqual({ code: 'OVERLOADED', executed: 'no' });
    wire.run(50);
    expect(wire.failures.get(ids[2]!)).toEqual({ code: 'OVERLOADED', executed: 'no' });
    expect(wire.requests).toHaveLength(3);
    for (const callId of [50, 51, 52, 53, 54]) wire.forgeData([request(callId, 0)]);
    expect(wire.requests).toHaveLength(3);
  });

  // P-74
  test('a client has so many calls and so many bytes outstanding, and no more', () => {
    const wire = new TwoEndpoints({ client: { maxClientCalls: 2, maxQueuedBytes: 10_000 } });
    const large = wire.call('safe', { body: new Uint8Array(9990) });
    const second = wire.call('safe', { body: new Uint8Array(1) });
    expect(wire.failures.get(second)).toEqual({ code: 'OVERLOADED', executed: 'no' });
    wire.cancel(large);
    const ids = [0, 1, 2].map(() => wire.call('safe', { body: new Uint8Array(1) }));
    expect(wire.failures.has(ids[1]!)).toBe(false);
    expect(wire.failures.get(ids[2]!)?.code).toBe('OVERLOADED');
  });
});

test('decoding what the harness forges gives what was forged', () => {
  const frames: Frame[] = [request(50, 3), { type: 'ping' }];
  expect(decodeFrames(dataDatagram(1, 2, frames).subarray(17))).toEqual(frames);
});
