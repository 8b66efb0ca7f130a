// Streams at their server, against clients that do not keep to the protocol; and how much may be under way.

import { describe, expect, test } from 'vitest';
import { Download } from '../../src/transport/download.ts';
import { ReadAheadBudget } from '../../src/transport/read-ahead.ts';
import { StreamHandlers } from '../../src/transport/stream-handlers.ts';
import { PIECE_BYTES } from '../../src/transport/stream-parts.ts';
import type { Handler, HandlerContext } from '../../src/transport/transport.ts';
import { NO_MORE, Upload } from '../../src/transport/upload.ts';

const ID = new Uint8Array(16).fill(7);
const PIECE = Uint8Array.of(1, 2, 3);

function request(): { context: HandlerContext; abort: (reason?: unknown) => void } {
  const controller = new AbortController();
  const { signal } = controller;
  return {
    context: { signal, deadlineAtMs: Number.POSITIVE_INFINITY, from: '10.0.0.9:9' },
    abort: (reason) => controller.abort(reason),
  };
}

function serve(handler: Handler): { streams: StreamHandlers } & ReturnType<StreamHandlers['partsOf']> {
  const streams = new StreamHandlers(new ReadAheadBudget());
  return { streams, ...streams.partsOf(handler) };
}

async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield Uint8Array.of(i);
}

/** Lets everything run that can. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the parts of a stream', () => {
  test('that are malformed are refused, and leave nothing', async () => {
    const { streams, open, next, give } = serve(() => pieces(1));
    const { context } = request();
    const large = new Uint8Array(PIECE_BYTES + 1);
    const wrong: [Handler, unknown][] = [
      ...[null, 7, [], [ID], [ID, null, 0], [ID, null, 4], [ID, null, 1.5], [ID.subarray(1), null, 2]].map(
        (body): [Handler, unknown] => [open, body],
      ),
      ...[null, [ID, -1, 0], [ID, 0.5, 0], [ID, 2 ** 53, 0], [ID, 0], ['id', 0, 0], [ID, 0, '1']].map(
        (body): [Handler, unknown] => [next, body],
      ),
      ...[null, [ID, 1, 'text'], [ID, 1, new Uint8Array(0)], [ID, 1, large], [ID, 1]].map(
        (body): [Handler, unknown] => [give, body],
      ),
    ];
    for (const [part, body] of wrong)
      await expect(async () => part(body, context)).rejects.toThrow(TypeError);
    expect(streams.size).toBe(0);
  });

  // P-110
  test('may come before the one that opens it, and wait for nothing else', async () => {
    const { streams, open, next } = serve(() => pieces(2));
    const answers = [2, 0, 3, 1].map((seq) => next([ID, seq, 0], request().context));
    await turn();
    expect(streams.size).toBe(1);
    const opened = open([ID, null, 2], request().context);
    const bytes = [Uint8Array.of(1), [undefined], null, Uint8Array.of(0)];
    expect(await Promise.all(answers)).toEqual(bytes);
    expect(await opened).toBe(null);
    expect(streams.size).toBe(0);
  });

  // P-115
  test('leave nothing when their caller takes them back before it is opened', async () => {
    const { streams, next, give } = serve(() => pieces(2));
    const parts = [request(), request(), request()];
    const waiting = [
      next([ID, 5, 0], parts[0]!.context),
      next([ID, 6, 0], parts[1]!.context),
      give([ID, 2, PIECE], parts[2]!.context),
    ];
    const settled = Promise.allSettled(waiting);
    await turn();
    for (const { abort } of parts) abort();
    for (const { status } of await settled) expect(status).toBe('rejected');
    expect(streams.size).toBe(0);
  });

  test('are not opened, asked for or given twice', async () => {
    const { open, next, give } = serve(() => new Promise(() => {}));
    const opener = request();
    const opened = open([ID, null, 3], opener.context);
    await expect(open([ID, null, 3], request().context)).rejects.toThrow('opened before');
    const first = next([ID, 0, 0], request().context);
    await expect(next([ID, 0, 0], request().context)).rejects.toThrow('asked for twice');
    const given = give([ID, 1, PIECE], request().context);
    await expect(give([ID, 1, PIECE], request().context)).rejects.toThrow('given twice');
    opener.abort(new Error('enough'));
    expect(await opened).toBe(null);
    expect(await first).toBe(null);
    expect(await given).toBe(NO_MORE);
  });
});

describe('an upload', () => {
  // P-112
  test('takes no piece before it was wanted', async () => {
    const upload = new Upload(new ReadAheadBudget());
    upload.begin('10.0.0.9:9');
    const first = upload.give(1, PIECE);
    const second = upload.give(2, PIECE);
    await expect(upload.give(3, PIECE)).rejects.toThrow('before it was wanted');
    expect(await upload.next()).toEqual({ done: false, value: PIECE });
    expect(await first).toBe(4);
    const third = upload.give(3, null);
    await upload.next();
    expect(await second).toBe(5);
    expect(await upload.next()).toEqual({ done: true, value: undefined });
    expect(await third).toBe(NO_MORE);
    expect(await upload.give(4, PIECE)).toBe(NO_MORE);
  });
});

describe('a download', () => {
  // P-113
  test('makes no more than its share of what is not known to have come', async () => {
    // So many streams that each may have one piece under way.
    const download = new Download({ streams: 10_000 });
    let made = 0;
    const done = download.run(async () =>
      (async function* () {
        for (; made < 5; ) yield Uint8Array.of(made++);
      })(),
    );
    const answers = [0, 1, 2, 3].map((seq) => download.pull(seq, 0));
    expect(await answers[0]).toEqual([undefined]);
    await turn();
    expect(made).toBe(0);
    const later = download.pull(4, 2);
    expect(await answers[1]).toEqual(Uint8Array.of(0));
    await turn();
    expect(made).toBe(1);
    // What cannot have come yet does not count.
    void download.pull(5, 1000);
    expect(await Promise.all([answers[2]])).toEqual([Uint8Array.of(1)]);
    await turn();
    expect(made).toBe(2);
    download.cancel();
    expect(await done).toBe(null);
    expect(await later).toBe(null);
  });
});

describe('what may be under way', () => {
  // P-111
  test('is two pieces, twice as many when the reader had to wait for it, 2 MiB at most', () => {
    const stream = new ReadAheadBudget().begin('a');
    const counts: number[] = [];
    for (let i = 0; i < 8; i++) {
      stream.onStarved();
      counts.push(stream.pieces);
      for (let read = 0; read < stream.pieces; read++) stream.onRead();
    }
    expect(counts).toEqual([2, 4, 8, 16, 32, 34, 34, 34]);
    for (let i = 0; i < 5; i++) stream.onStarved();
    expect(stream.pieces * PIECE_BYTES).toBeLessThanOrEqual(2 * 2 ** 20);
  });

  // P-111
  test('of a peer is 4 MiB, of all 8 MiB, but for two pieces of each', () => {
    const budget = new ReadAheadBudget();
    const streams = ['a', 'a', 'a', 'b', 'b', 'c', 'd'].map((peer) => budget.begin(peer));
    for (const stream of streams) {
      for (let i = 0; i < 8; i++) {
        for (let read = 0; read < stream.pieces; read++) stream.onRead();
        stream.onStarved();
      }
    }
    expect(streams.slice(0, 3).reduce((sum, { pieces }) => sum + pieces, 0)).toBe(68);
    expect(streams.reduce((sum, { pieces }) => sum + pieces, 0)).toBe(136);
    expect(streams.at(-1)!.pieces).toBe(2);
    for (const stream of streams) stream.release();
    expect(budget.promisedBytes).toBe(0);
    streams[0]!.onStarved();
    expect(streams[0]!.pieces).toBe(0);
  });
});
