// Streams: bytes of any length behind a request, behind an answer, or both, and whatever may happen midway.

import { describe, expect, test } from 'vitest';
import type { RpcError } from '../../src/transport/error.ts';
import type { HandlerContext } from '../../src/transport/transport.ts';
import { withHead } from '../../src/transport/with-head.ts';
import { failure } from './calls.ts';
import { type Adapter, Gate, pass, type World } from './world.ts';

const PIECE_BYTES = 50_000;

/** More than both sides together let be under way of one stream, several times. */
const MANY_PIECES = 120;

/** What may be under way of one stream, or wait for its reader (P-111), with what is being made and read. */
const UNREAD_PIECES_MAX = 40;

const ENOUGH = new Error('the rest is not needed');

export function describeStreams(adapter: Adapter): void {
  describe('a streamed answer', () => {
    test('arrives whole and in order, whatever the handler cuts it into', () =>
      adapter.run(async ({ server, peer }) => {
        const chunks = [1, 100_000, 61_440, 61_441, 3, 250_000].map((size, i) => bytesOf(i, size));
        server.handle('read', async function* () {
          yield* chunks;
        });
        const read = await collect(peer.stream('read', null));
        expectBytes(Buffer.concat(read), Buffer.concat(chunks));
        expect(Math.max(...read.map(({ length }) => length))).toBeLessThanOrEqual(60 * 1024);
      }));

    test('has a head before its bytes, if the handler gives one', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('read', (name) => withHead({ name, sizeBytes: 5 }, source([bytesOf(1, 5)])));
        const stream = peer.stream('read', 'a.txt');
        expect(await stream.head()).toEqual({ name: 'a.txt', sizeBytes: 5 });
        expectBytes(Buffer.concat(await collect(stream)), bytesOf(1, 5));
        expect(await stream.next()).toEqual({ done: true, value: undefined });
      }));

    test('may be made in one buffer, used again and again', () =>
      adapter.run(async ({ server, peer }) => {
        const buffer = new Uint8Array(1000);
        const reused = async function* (): AsyncGenerator<Uint8Array> {
          for (let i = 0; i < 50; i++) yield buffer.fill(i);
        };
        server.handle('read', reused);
        server.handle('write', async (_request, { upload }) => firstBytes(await collect(upload!)));
        const numbers = Array.from({ length: 50 }, (_, i) => i);
        expect(firstBytes(await collect(peer.stream('read', null)))).toEqual(numbers);
        expect(await peer.call('write', null, { upload: reused() })).toEqual(numbers);
      }));

    test('may be empty, and a plain answer is a head without bytes', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('nothing', () => source([]));
        server.handle('plain', () => ({ a: 1 }));
        expect(await collect(peer.stream('nothing', null))).toEqual([]);
        const stream = peer.stream('plain', null);
        expect(await stream.head()).toEqual({ a: 1 });
        expect(await collect(stream)).toEqual([]);
      }));

    test('is asked for only when somebody reads, and only by who can read it', () =>
      adapter.run(async ({ server, peer }) => {
        let runs = 0;
        server.handle('read', () => {
          runs++;
          return source([bytesOf(1, 5)]);
        });
        peer.stream('read', null);
        const call = await failure(peer.call('read', null));
        expect(call).toMatchObject({ code: 'HANDLER_FAILED', detail: { code: 'BAD_ARGUMENT' } });
        expect(call.message).toContain('peer.stream()');
        expect(runs).toBe(1);
      }));

    // P-111, P-113
    test('holds its producer back while nobody reads, with bounded bytes on both sides', () =>
      adapter.run(async (world) => {
        const { client, server, peer } = world;
        let made = 0;
        server.handle('read', async function* () {
          for (; made < MANY_PIECES; made++) yield bytesOf(made, PIECE_BYTES);
        });
        const stream = peer.stream('read', null);
        let most = 0;
        for (let i = 0; i < MANY_PIECES; i++) {
          expectBytes((await stream.next()).value, bytesOf(i, PIECE_BYTES));
          most = Math.max(most, made - i);
          if (i % 40 !== 20) continue;
          await settled(world, () => made);
          most = Math.max(most, made - i);
          expect(held(client)).toBeLessThan(3 * 2 ** 20);
          expect(held(server)).toBeLessThan(3 * 2 ** 20);
        }
        expect(most).toBeLessThanOrEqual(UNREAD_PIECES_MAX);
        expect(await stream.next()).toEqual({ done: true, value: undefined });
        await nothingLeft(world);
      }));

    // P-115
    test('tells the producer when the reader breaks off, with pieces asked for and with none', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        for (const pieces of [1, MANY_PIECES]) {
          const stopped = new Gate<RpcError>();
          const cleanedUp = new Gate();
          server.handle(`read ${pieces}`, async function* (_request, { signal }) {
            signal.addEventListener('abort', () => stopped.open(signal.reason as RpcError));
            try {
              for (let i = 0; i < pieces; i++) yield bytesOf(i, PIECE_BYTES);
              await new Promise((resolve) => signal.addEventListener('abort', resolve));
            } finally {
              cleanedUp.open();
            }
          });
          for await (const _piece of peer.stream(`read ${pieces}`, null)) {
            // Everything that may be under way has come, and waits.
            await pass(world, 20);
            break;
          }
          expect((await stopped.opened).code).toBe('CANCELLED');
          await cleanedUp.opened;
        }
        await nothingLeft(world);
      }));

    // P-114
    test('ends with the error of its producer, behind all that came before', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        server.handle('read', async function* () {
          for (let i = 0; i < 7; i++) yield bytesOf(i, PIECE_BYTES);
          throw Object.assign(new Error('the disk is gone'), { code: 'EIO' });
        });
        const read: Uint8Array[] = [];
        const error = await failure(collect(peer.stream('read', null), read));
        expectBytes(
          Buffer.concat(read),
          Buffer.concat([0, 1, 2, 3, 4, 5, 6].map((i) => bytesOf(i, PIECE_BYTES))),
        );
        expect(error).toMatchObject({ code: 'HANDLER_FAILED', executed: 'yes', method: 'read' });
        expect(error.detail).toEqual({ code: 'EIO', message: 'the disk is gone' });
        await nothingLeft(world);
      }));

    test('fails as a call does: thrown at once, of an unknown method, no bytes at all', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        server.handle('throws', () => {
          throw new RangeError('not that');
        });
        server.handle('strings', async function* () {
          yield 'text' as unknown as Uint8Array;
        });
        const thrown = await failure(collect(peer.stream('throws', null)));
        expect(thrown).toMatchObject({ code: 'HANDLER_FAILED', detail: { code: 'RangeError' } });
        const unknown = await failure(peer.stream('unknown', null).head());
        expect(unknown).toMatchObject({ code: 'UNKNOWN_METHOD', executed: 'no', method: 'unknown' });
        const strings = await failure(collect(peer.stream('strings', null)));
        expect(strings).toMatchObject({ code: 'HANDLER_FAILED', detail: { code: 'TypeError' } });
        await expect(failure(peer.stream('strings', () => {}).head())).resolves.toMatchObject({
          code: 'BAD_ARGUMENT',
        });
        await nothingLeft(world);
      }));

    test('does not wait for another one that nobody reads', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        server.handle('read', async function* () {
          for (let i = 0; i < MANY_PIECES; i++) yield bytesOf(i, PIECE_BYTES);
        });
        const stuck = Array.from({ length: 8 }, () => peer.stream('read', null));
        await Promise.all(stuck.map((stream) => stream.next()));
        const read = await collect(peer.stream('read', null));
        expect(read.length).toBe(MANY_PIECES);
        await Promise.all(stuck.map((stream) => stream.return()));
        await nothingLeft(world);
      }));
  });

  describe('a streamed request', () => {
    test('arrives whole and in order, and the answer is that of the handler', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const chunks = [1, 100_000, 61_440, 61_441, 3, 250_000].map((size, i) => bytesOf(i, size));
        server.handle('write', async (name, { upload }) => {
          const read = Buffer.concat(await collect(upload!));
          return { name, same: Buffer.compare(read, Buffer.concat(chunks)) === 0 };
        });
        const reply = await peer.call('write', 'a.txt', { upload: source(chunks) });
        expect(reply).toEqual({ name: 'a.txt', same: true });
        expect(await peer.call('write', 'b', { upload: source([]) })).toMatchObject({ same: false });
        await nothingLeft(world);
      }));

    test('is there for no other call, and is made of bytes', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('write', (_request, { upload }) => upload === undefined);
        expect(await peer.call('write', null)).toBe(true);
        const upload = [Uint8Array.of(1)] as unknown as AsyncIterable<Uint8Array>;
        expect((await failure(peer.call('write', null, { upload }))).code).toBe('BAD_ARGUMENT');
      }));

    // P-111, P-112
    test('holds its source back while the handler does not read, with bounded bytes on both sides', () =>
      adapter.run(async (world) => {
        const { client, server, peer } = world;
        let made = 0;
        let read = 0;
        let most = 0;
        const upload = (async function* () {
          for (; made < MANY_PIECES; made++) {
            most = Math.max(most, made - read);
            yield bytesOf(made, PIECE_BYTES);
          }
        })();
        server.handle('write', async (_request, context) => {
          for await (const piece of context.upload!) {
            expectBytes(piece, bytesOf(read, PIECE_BYTES));
            if (read++ % 40 !== 20) continue;
            await settled(world, () => made);
            expect(held(client)).toBeLessThan(3 * 2 ** 20);
            expect(held(server)).toBeLessThan(3 * 2 ** 20);
          }
          return read;
        });
        expect(await peer.call('write', null, { upload })).toBe(MANY_PIECES);
        expect(most).toBeLessThanOrEqual(UNREAD_PIECES_MAX);
        await nothingLeft(world);
      }));

    test('stops when the handler has had enough, or has answered', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        server.handle('first', async (_request, { upload }) => {
          for await (const piece of upload!) return piece[0];
          return undefined;
        });
        server.handle('refuse', () => 'no thanks');
        for (const [method, answer] of [
          ['first', '0'.charCodeAt(0)] as const,
          ['refuse', 'no thanks'] as const,
        ]) {
          const endless = new Endless();
          expect(await peer.call(method, null, { upload: endless })).toBe(answer);
          await endless.stopped.opened;
          expect(endless.made).toBeLessThanOrEqual(UNREAD_PIECES_MAX);
        }
        await nothingLeft(world);
      }));

    // P-115
    test('that breaks off never looks complete', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const heard = new Gate<unknown>();
        server.handle('write', async (_request, { upload }) => {
          try {
            heard.open(await collect(upload!));
          } catch (error) {
            heard.open(error);
          }
        });
        const broken = (async function* () {
          yield bytesOf(0, 10);
          await pass(world, 60);
          throw ENOUGH;
        })();
        await expect(peer.call('write', null, { upload: broken })).rejects.toBe(ENOUGH);
        expect(await heard.opened).toMatchObject({ code: 'CANCELLED' });
        await nothingLeft(world);
      }));
  });

  describe('both at once', () => {
    // P-110
    test('as a pipe: what goes in comes out, more than either side holds', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        server.handle('pipe', async function* (_request, { upload }) {
          for await (const piece of upload!) yield piece.map((byte) => byte ^ 0xff);
        });
        const chunks = Array.from({ length: 80 }, (_, i) => bytesOf(i, PIECE_BYTES));
        let i = 0;
        for await (const piece of peer.stream('pipe', null, { upload: source(chunks) })) {
          expectBytes(
            piece,
            chunks[i++]!.map((byte) => byte ^ 0xff),
          );
        }
        expect(i).toBe(80);
        await nothingLeft(world);
      }));
  });

  describe('never mind, midway', () => {
    test.each(['before anything', 'before the answer', 'between two pieces', 'with pieces that wait'])(
      'of a streamed answer, %s: the reader gets the reason, the server is told',
      (moment) =>
        adapter.run(async (world) => {
          const { server, peer } = world;
          const begun = new Gate();
          const told = new Gate<RpcError>();
          const hangs = moment === 'before the answer' ? 0 : moment === 'between two pieces' ? 1 : 20;
          server.handle('read', async function* (_request, { signal }: HandlerContext) {
            begun.open();
            signal.addEventListener('abort', () => told.open(signal.reason as RpcError));
            for (let i = 0; i < hangs; i++) yield bytesOf(i, PIECE_BYTES);
            await new Promise(() => {});
          });
          const caller = new AbortController();
          if (moment === 'before anything') caller.abort(ENOUGH);
          const stream = peer.stream('read', null, { signal: caller.signal });
          if (moment === 'before anything') {
            await expect(stream.next()).rejects.toBe(ENOUGH);
            return;
          }
          if (hangs > 0) await stream.next();
          const next = hangs === 20 ? undefined : stream.next();
          await begun.opened;
          await pass(world, 30);
          caller.abort(ENOUGH);
          await expect(next ?? stream.next()).rejects.toBe(ENOUGH);
          await expect(stream.next()).rejects.toBe(ENOUGH);
          expect((await told.opened).code).toBe('CANCELLED');
          await nothingLeft(world);
        }),
    );

    test('of a streamed request: the source stops, the handler is told, the reader of it too', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const begun = new Gate();
        const heard = new Gate<RpcError>();
        server.handle('write', async (_request, { upload }) => {
          begun.open();
          await collect(upload!).catch((error) => heard.open(error as RpcError));
        });
        const caller = new AbortController();
        const endless = new Endless();
        const call = peer.call('write', null, { upload: endless, signal: caller.signal });
        await begun.opened;
        await pass(world, 50);
        caller.abort(ENOUGH);
        await expect(call).rejects.toBe(ENOUGH);
        await endless.stopped.opened;
        expect((await heard.opened).code).toBe('CANCELLED');
        await nothingLeft(world);
      }));

    test('by the clock: a deadline is for all of it', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const told = new Gate();
        server.handle('read', async function* (_request, { signal }) {
          signal.addEventListener('abort', () => told.open());
          yield bytesOf(0, 10);
          await new Promise(() => {});
        });
        const stream = peer.stream('read', null, { deadline: 200 });
        expectBytes((await stream.next()).value, bytesOf(0, 10));
        expect(await failure(stream.next())).toMatchObject({ code: 'DEADLINE_EXCEEDED', method: 'read' });
        await told.opened;
        await nothingLeft(world);
      }));

    if (adapter.capabilities.exactTime) {
      // P-116
      test('a source of our own may be as slow as it likes: that is held against nobody', () =>
        adapter.run(async (world) => {
          const { server, peer } = world;
          let overdue = 0;
          server.handle('write', async (_request, { upload }) => (await collect(upload!)).length);
          const slow = async function* (): AsyncGenerator<Uint8Array> {
            for (let i = 0; i < 3; i++) {
              await pass(world, 200_000);
              yield bytesOf(i, 10);
            }
          };
          const options = { upload: slow(), onOverdue: () => overdue++ };
          expect(await peer.call('write', null, options)).toBe(3);
          expect(overdue).toBe(0);
          await nothingLeft(world);
        }));

      // P-116
      test('without a deadline named: no stream is too long, but a piece may be', () =>
        adapter.run(async (world) => {
          const { server, peer, clock } = world;
          const overdue: number[] = [];
          server.handle('read', async function* () {
            for (let i = 0; i < 200; i++) {
              yield bytesOf(i, 10);
              await pass(world, 1000);
            }
            await new Promise(() => {});
          });
          const read: Uint8Array[] = [];
          const startedAtMs = clock.now();
          const stream = peer.stream('read', null, { onOverdue: () => overdue.push(clock.now()) });
          const error = await failure(collect(stream, read));
          expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', executed: 'unknown' });
          expect(read.length).toBe(200);
          expect(overdue.length).toBe(1);
          const elapsedMs = clock.now() - startedAtMs;
          expect(elapsedMs).toBeGreaterThan(200_000 + 15_000 - 1000);
          expect(elapsedMs).toBeLessThan(200_000 + 60_000 + 1000);
          await nothingLeft(world);
        }));
    }
  });

  describe('when the peer vanishes midway', () => {
    test('the reader gets what has come, then PEER_SILENT', () =>
      adapter.runCuttable(async (world) => {
        const { server, peer } = world;
        const cut = new Gate();
        server.handle('read', async function* () {
          yield bytesOf(0, 10);
          yield bytesOf(1, 10);
          await cut.opened;
          for (let i = 2; i < MANY_PIECES; i++) yield bytesOf(i, 10);
        });
        const stream = peer.stream('read', null, { deadline: Number.POSITIVE_INFINITY });
        expectBytes((await stream.next()).value, bytesOf(0, 10));
        expectBytes((await stream.next()).value, bytesOf(1, 10));
        world.silence();
        cut.open();
        expect(await failure(stream.next())).toMatchObject({ code: 'PEER_SILENT', executed: 'unknown' });
        world.hear();
      }));

    test('the source of an upload stops', () =>
      adapter.runCuttable(async (world) => {
        const { server, peer } = world;
        server.handle('write', async (_request, { upload }) => void (await collect(upload!)));
        await peer.call('write', null, { upload: source([bytesOf(0, 10)]) });
        const endless = new Endless();
        const call = peer.call('write', null, { upload: endless, deadline: Number.POSITIVE_INFINITY });
        call.catch(() => {});
        await pass(world, 20);
        world.silence();
        expect((await failure(call)).code).toBe('PEER_SILENT');
        await endless.stopped.opened;
        world.hear();
      }));

    // P-117
    test('and comes back without memory of it: OUTCOME_UNKNOWN, and the handler never runs again', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        let runs = 0;
        const read = async function* (): AsyncGenerator<Uint8Array> {
          runs++;
          yield bytesOf(0, 10);
          await new Promise(() => {});
        };
        server.handle('read', read);
        const stream = peer.stream('read', null);
        await stream.next();
        (await world.restartServer()).handle('read', read);
        expect(await failure(stream.next())).toMatchObject({ code: 'OUTCOME_UNKNOWN', executed: 'unknown' });
        expect(runs).toBe(1);
      }));
  });

  if (adapter.capabilities.exactTime) {
    test('a loss midway is mended, in either direction', () =>
      adapter.run(async (world) => {
        const { server, peer, clock } = world;
        server.handle('pipe', async function* (_request, { upload }) {
          for await (const piece of upload!) yield piece;
        });
        const chunks = Array.from({ length: 200 }, (_, i) => bytesOf(i, 2000));
        const stop = everyMs(clock, 7, () => world.loseNext!());
        const read = await collect(peer.stream('pipe', null, { upload: source(chunks) }));
        stop();
        expectBytes(Buffer.concat(read), Buffer.concat(chunks));
        await nothingLeft(world);
      }));
  }
}

// ---- what they are made of

function bytesOf(seed: number, size: number): Uint8Array {
  return Buffer.alloc(size, `${seed}, and so on; `);
}

/** Without a diff of what may be megabytes. */
function expectBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  expect(actual === undefined ? 'nothing' : Buffer.compare(actual, expected)).toBe(0);
}

async function* source(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function collect(stream: AsyncIterable<Uint8Array>, into: Uint8Array[] = []): Promise<Uint8Array[]> {
  for await (const piece of stream) into.push(new Uint8Array(piece));
  return into;
}

function firstBytes(pieces: readonly Uint8Array[]): number[] {
  return pieces.map((piece) => piece[0]!);
}

/** Has no end of its own, and counts. */
class Endless implements AsyncIterableIterator<Uint8Array> {
  made = 0;
  readonly stopped = new Gate();

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return { done: false, value: bytesOf(this.made++, PIECE_BYTES) };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.stopped.open();
    return { done: true, value: undefined };
  }
}

/** Waits until a count does not change any more. */
async function settled(world: World, count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count();
    await pass(world, 50);
  }
}

/** Bytes of messages that an endpoint holds: to be sent, on their way in, not confirmed. */
function held(transport: World['client']): number {
  const { gauges } = transport.status();
  const names = ['outstandingBytes', 'reassemblyBytes', 'keptAnswerBytes', 'unsentAnswerBytes'];
  return names.reduce((sum, name) => sum + (gauges[name] ?? 0), 0);
}

/** A few moments later neither side holds anything. */
async function nothingLeft(world: World): Promise<void> {
  const left = (): unknown => {
    const [client, server] = [world.client.status().gauges, world.server.status().gauges];
    return {
      calls: client['outstandingCalls']! + client['outstandingBytes']!,
      running: server['runningRequests'],
      streams: server['servedStreams'],
      promised: client['streamPromisedBytes']! + server['streamPromisedBytes']!,
      reassembly: client['reassemblyBytes']! + server['reassemblyBytes']!,
    };
  };
  const nothing = { calls: 0, running: 0, streams: 0, promised: 0, reassembly: 0 };
  for (let i = 0; i < 40 && JSON.stringify(left()) !== JSON.stringify(nothing); i++) await pass(world, 25);
  expect(left()).toEqual(nothing);
}

function everyMs(clock: World['clock'], ms: number, work: () => void): () => void {
  let timer = clock.setTimer(ms, tick);
  function tick(): void {
    work();
    timer = clock.setTimer(ms, tick);
  }
  return () => timer.cancel();
}
