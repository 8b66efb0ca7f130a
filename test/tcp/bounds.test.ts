// What is bounded: by clients that send what they should not, and by those that do not take what they asked for.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_TCP_CONFIG } from '../../src/tcp/config.ts';
import { cancelFrame, PING_FRAME, PONG_FRAME, PREFACE } from '../../src/tcp/frame.ts';
import { FrameReader } from '../../src/tcp/frame-reader.ts';
import { parseErrorBody } from '../../src/wire/message.ts';
import { encode, requestFrame } from './frames.ts';
import { CLIENT, outcomes, SERVER, TcpPair } from './tcp-pair.ts';

const MIB = 1024 * 1024;

describe('a client', () => {
  test.each<[string, Uint8Array[]]>([
    ['another protocol', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a frame longer than any', [PREFACE, Uint8Array.of(255, 255, 255, 1)]],
    ['a frame of no type', [PREFACE, Uint8Array.of(0, 0, 0, 0)]],
    [
      'a response',
      [
        PREFACE,
        encode({ type: 'response', callId: 1, status: 0, heldUs: 0, total: 0, data: new Uint8Array(0) }),
      ],
    ],
    ['a PONG', [PREFACE, PONG_FRAME]],
    ['an id twice', [PREFACE, requestFrame(1, 'work', 1), requestFrame(1, 'work', 2)]],
    ['an id from before', [PREFACE, requestFrame(2, 'work', 1), requestFrame(1, 'work', 2)]],
    [
      'the end of a request without its beginning',
      [PREFACE, encode({ type: 'more', callId: 1, data: new Uint8Array(9) })],
    ],
    ['a CANCEL of what it has not sent', [PREFACE, cancelFrame(1)]],
    [
      'more of a request than it has',
      [
        PREFACE,
        encode({ type: 'request', callId: 1, remainingMs: 0, total: 9, data: new Uint8Array(8) }),
        encode({ type: 'more', callId: 1, data: new Uint8Array(2) }),
      ],
    ],
  ])('that sends %s is disconnected, and nothing of it is run twice', async (_name, bytes) => {
    const pair = new TcpPair();
    const runs: unknown[] = [];
    pair.server.handle('work', (request) => runs.push(request));
    const { stream, closed } = await pair.dial();
    stream.write(bytes);
    await pair.pass(100);
    expect([closed(), pair.server.stats.peerErrors]).toEqual([true, 1]);
    expect(runs.length).toBeLessThan(2);
    pair.server.handle('other', () => 'as ever');
    expect(await pair.run(pair.peer.call('other', null))).toBe('as ever');
  });

  test('that sends any bytes harms nobody', async () => {
    const pair = new TcpPair();
    pair.server.handle('work', (request) => request);
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.constantFrom(PING_FRAME, cancelFrame(1), requestFrame(1, 'work', 1), requestFrame(2, 'nothing', 1)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 10 }), async (frames) => {
        const { stream } = await pair.dial();
        stream.write([PREFACE, ...frames]);
        await pair.pass(20);
        stream.destroy();
        await pair.pass(20);
        expect(await pair.run(pair.peer.call('work', 'fine'))).toBe('fine');
      }),
      { numRuns: 100 },
    );
  });

  test('that announces more than fits is told so, and may go on', async () => {
    const pair = new TcpPair();
    pair.server.handle('work', () => 'done');
    const { stream, received, closed } = await pair.dial();
    const begin = (callId: number, total: number): Uint8Array =>
      encode({ type: 'request', callId, remainingMs: 0, total, data: new Uint8Array(1) });
    stream.write([
      PREFACE,
      begin(1, 17 * MIB),
      // Four fit into what one client may have half-arrived, the fifth does not.
      ...[2, 3, 4, 5, 6].map((callId) => begin(callId, 16 * MIB)),
      // Sent before the refusal was heard of.
      encode({ type: 'more', callId: 1, data: new Uint8Array(100) }),
      cancelFrame(2),
      cancelFrame(3),
      begin(7, 16 * MIB),
      requestFrame(8, 'work', null),
    ]);
    await pair.pass(100);
    expect(closed()).toBe(false);
    expect(responses(received())).toEqual([
      [1, 'TOO_LARGE'],
      [6, 'OVERLOADED'],
      [8, 'ok'],
    ]);
    stream.destroy();
    await pair.pass(100);
    // All memory has been given back: it fits again.
    const again = await pair.dial();
    again.stream.write([PREFACE, begin(1, 16 * MIB), requestFrame(2, 'work', null)]);
    await pair.pass(100);
    expect(responses(again.received())).toEqual([[2, 'ok']]);
  });

  test('that falls silent in the middle of a request is disconnected, one that has sent it all is not', async () => {
    const pair = new TcpPair();
    pair.server.handle('work', () => 'done');
    const whole = await pair.dial();
    whole.stream.write([PREFACE, requestFrame(1, 'work', null)]);
    const half = await pair.dial();
    half.stream.write([
      PREFACE,
      encode({ type: 'request', callId: 1, remainingMs: 0, total: 9, data: new Uint8Array(8) }),
    ]);
    await pair.pass(DEFAULT_TCP_CONFIG.receiveTimeoutMs - 100);
    expect(half.closed()).toBe(false);
    await pair.pass(200);
    expect([half.closed(), whole.closed()]).toEqual([true, false]);
  });

  test('too many are refused', async () => {
    const pair = new TcpPair({ config: { maxConnections: 2 } });
    const all = [await pair.dial(), await pair.dial(), await pair.dial()];
    for (const { stream } of all) stream.write([PREFACE]);
    await pair.pass(100);
    expect(all.map(({ closed }) => closed())).toEqual([false, false, true]);
    all[0]!.stream.destroy();
    await pair.pass(100);
    const next = await pair.dial();
    next.stream.write([PREFACE]);
    await pair.pass(100);
    expect(next.closed()).toBe(false);
    expect(pair.server.status().gauges.acceptedConnections).toBe(2);
  });
});

describe('answers that a client does not take', () => {
  const config = { maxBacklogBytes: 100_000, batchBytes: 20_000, pieceBytes: 10_000 };

  /** A client that reads nothing more, and goes on asking: one request each millisecond. */
  async function stuckPair(count: number, requestBytes: number) {
    const pair = new TcpPair({ config, bufferBytes: 30_000 });
    let runs = 0;
    pair.server.handle('read', () => {
      runs++;
      return new Uint8Array(50_000);
    });
    await pair.connect();
    // Its bytes leave; what comes is not read.
    pair.net.deafen(CLIENT);
    const caller = new AbortController();
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < count; i++) {
      calls.push(pair.peer.call('read', new Uint8Array(requestBytes), { signal: caller.signal }));
      await pair.pass(1);
    }
    const told = outcomes(calls);
    await pair.pass(1000);
    return { pair, caller, told, runs: () => runs };
  }

  test('keep its other requests waiting, and are followed by theirs', async () => {
    const { pair, told, runs } = await stuckPair(40, 10);
    // As many answers as may wait, and what fits on the way; the other requests have not run.
    expect(runs()).toBeGreaterThan(2);
    expect(runs()).toBeLessThan(8);
    pair.net.undeafen(CLIENT);
    const answers = await pair.run(told);
    expect(answers.every((answer) => answer instanceof Uint8Array)).toBe(true);
    expect([runs(), pair.server.stats.unsentAnswerBytes]).toEqual([40, 0]);
  });

  test('do not keep a CANCEL from being read: what waits is not run, what is unsent is dropped', async () => {
    const { pair, caller, told, runs } = await stuckPair(40, 10);
    const before = runs();
    caller.abort(new Error('never mind'));
    await pair.run(told);
    await pair.pass(1000);
    expect(runs()).toBe(before);
    expect(pair.server.stats.cancelSavedBytes).toBeGreaterThan(config.maxBacklogBytes);
    expect(pair.server.stats.unsentAnswerBytes).toBe(0);
    pair.net.undeafen(CLIENT);
    expect(await pair.run(pair.peer.call('read', null))).toHaveLength(50_000);
  });

  test('and too many requests that wait for them: nothing more is read, until they are taken', async () => {
    const { pair, told, runs } = await stuckPair(60, 9000);
    expect(runs()).toBeLessThan(8);
    // Those that ran, half the backlog in waiting requests, what is on its way: the others are still at the client.
    const { writtenBytes } = pair.net;
    expect(writtenBytes).toBeLessThan(450_000);
    pair.net.undeafen(CLIENT);
    await pair.run(told);
    expect([runs(), pair.server.stats.unsentAnswerBytes]).toEqual([60, 0]);
    expect(pair.net.writtenBytes).toBeGreaterThan(60 * 59_000);
  });

  test('are forgotten when there are too many over all, and their callers told', async () => {
    const pair = new TcpPair({ config: { maxUnsentAnswerBytes: 120_000 }, bufferBytes: 1000 });
    let runs = 0;
    pair.server.handle('read', () => {
      runs++;
      return new Uint8Array(50_000);
    });
    const told = outcomes(Array.from({ length: 10 }, () => pair.peer.call('read', null)));
    const kinds = (await pair.run(told)).map((outcome) =>
      typeof outcome === 'string' ? outcome : 'answered',
    );
    expect(runs).toBe(10);
    expect(new Set(kinds)).toEqual(new Set(['answered', 'OUTCOME_UNKNOWN, executed: yes']));
  });
});

describe('a server', () => {
  test('that answers with more than fits is told never mind, and the call fails', async () => {
    const pair = new TcpPair({ config: { maxReassemblyBytesPerPeer: 100_000 } });
    pair.server.handle('read', () => new Uint8Array(200_000));
    expect(await pair.run(outcomes([pair.peer.call('read', null)]))).toEqual(['OVERLOADED, executed: yes']);
  });

  test.each<[string, Uint8Array]>([
    ['a request', requestFrame(1, 'work', 1)],
    [
      'an answer to nothing',
      encode({ type: 'response', callId: 99, status: 0, heldUs: 0, total: 0, data: new Uint8Array(0) }),
    ],
    ['the rest of nothing', encode({ type: 'more', callId: 1, data: new Uint8Array(1) })],
    ['what is no frame', Uint8Array.of(0, 0, 0, 77)],
  ])('that sends %s loses its connection; the call is left open', async (_name, bytes) => {
    const pair = new TcpPair();
    await pair.server.close();
    const server = pair.net.listen(SERVER, 4820);
    server.onStream = (stream) => {
      pair.accept(stream, (sealed) => {
        sealed.write([PREFACE]);
        sealed.onBytes = () => sealed.write([bytes]);
      });
    };
    expect(await pair.run(outcomes([pair.peer.call('work', null)]))).toEqual([
      'OUTCOME_UNKNOWN, executed: unknown',
    ]);
    expect(pair.client.stats.peerErrors).toBe(1);
  });
});

test('20,000 calls are cancelled at once, and nothing is left of them', async () => {
  const pair = new TcpPair({ config: { maxCallsPerPeer: 20_000 } });
  pair.server.handle('hang', () => new Promise(() => {}));
  const caller = new AbortController();
  const { signal } = caller;
  const calls = Array.from({ length: 20_000 }, (_, index) => pair.peer.call('hang', index, { signal }));
  const told = Promise.allSettled(calls);
  await pair.pass(100);
  caller.abort(new Error('never mind'));
  await pair.run(told);
  await pair.pass(100);
  await pair.run(Promise.all([pair.client.close(), pair.server.close()]));
  await pair.pass(1000);
  expect([pair.clock.armedTimers, pair.net.openSockets]).toEqual([0, 0]);
});

/** Call id, and `ok` or the code of the error, of each response. */
function responses(bytes: Uint8Array): [number, string][] {
  const reader = new FrameReader();
  reader.push(bytes);
  expect(reader.next()).toBe('preface');
  const all: [number, string][] = [];
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    if (typeof found !== 'object' || found.type !== 'response') throw new Error(`unexpected: ${found}`);
    all.push([found.callId, found.status === 0 ? 'ok' : parseErrorBody(found.data).code]);
  }
  return all.toSorted(([a], [b]) => a - b);
}
