// Calls and answers: every kind of value, many at once, both ways, any size; and what is wrong with a call.

import { describe, expect, test } from 'vitest';
import type { RpcError } from '../../src/transport/error.ts';
import { explain } from '../../src/transport/explain.ts';
import { type Adapter, CALLS_MAX, Gate, pass, type World } from './world.ts';

const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** A message of the largest size has a method name and the header of a byte string beside these. */
const BODY_BYTES_MAX = MESSAGE_BYTES_MAX - 64;

export function describeCalls(adapter: Adapter): void {
  describe('a call', () => {
    test.each<[string, unknown]>([
      ['nothing', undefined],
      ['null', null],
      ['booleans', [true, false]],
      [
        'integers',
        [0, -1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER, -(2 ** 53) + 1],
      ],
      ['integers beyond 2^53', [2n ** 60n, -(2n ** 60n)]],
      ['fractions', [0.5, -1e300, Number.POSITIVE_INFINITY]],
      ['text', ['', 'grüße, 世界 \u{1f3a3}', 'x'.repeat(70_000)]],
      ['bytes', [new Uint8Array(0), Uint8Array.of(0, 255), new Uint8Array(70_000).fill(7)]],
      ['lists in lists', [[], [[[1]]], [null, [undefined]]]],
      ['objects', { a: { b: [{ c: Uint8Array.of(1) }] }, '': 0, ключ: true }],
    ])('carries %s both ways', (_name, value) =>
      adapter.run(async ({ server, peer }) => {
        let seen: unknown;
        server.handle('echo', (request) => {
          seen = request;
          return request;
        });
        expect(plain(await peer.call('echo', value))).toEqual(plain(value));
        expect(plain(seen)).toEqual(plain(value));
      }),
    );

    test('carries what its body was when it began; what was received stays as it is', () =>
      adapter.run(async ({ server, peer }) => {
        const given = new Uint8Array(300_000);
        const returned = new Uint8Array(400_000);
        const seen: Uint8Array[] = [];
        server.handle('copy', (request) => {
          const [number, bytes] = request as [number, Uint8Array];
          seen.push(bytes);
          // Writes over the last answer, which is still on its way.
          return returned.fill(number);
        });
        const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
        const answers = await Promise.all(
          numbers.map((number) => peer.call('copy', [number, given.fill(number)])),
        );
        given.fill(0);
        returned.fill(0);
        const only = (bytes: Uint8Array): number | undefined =>
          bytes.every((byte) => byte === bytes[0]) ? bytes[0] : undefined;
        expect(answers.map((answer) => only(answer as Uint8Array))).toEqual(numbers);
        expect(seen.map(only).toSorted((a, b) => a! - b!)).toEqual(numbers);
      }));

    test('tells the handler who calls and until when', () =>
      adapter.run(async ({ server, peer, clock }) => {
        const deadlines: number[] = [];
        server.handle('ask', (_request, { from, deadlineAtMs, signal }) => {
          deadlines.push(deadlineAtMs - clock.now());
          return { from, aborted: signal.aborted };
        });
        const reply = await peer.call('ask', null, { deadline: 20_000 });
        expect(reply).toEqual({ from: expect.stringMatching(/^[\d.]+:\d+$/), aborted: false });
        await peer.call('ask', null, { deadline: Number.POSITIVE_INFINITY });
        await peer.call('ask', null);
        const [named, never, adaptive] = deadlines;
        expect(named).toBeGreaterThan(0);
        expect(named).toBeLessThanOrEqual(20_001);
        expect(never).toBe(Number.POSITIVE_INFINITY);
        expect(adaptive).toBeGreaterThan(10_000);
        expect(adaptive).toBeLessThanOrEqual(60_001);
      }));

    test('runs at most once, and each of a thousand gets its own answer', () =>
      adapter.run(async ({ server, peer }) => {
        const runs = new Map<number, number>();
        server.handle('double', (request) => {
          const number = request as number;
          runs.set(number, (runs.get(number) ?? 0) + 1);
          return 2 * number;
        });
        const numbers = Array.from({ length: 1000 }, (_, index) => index);
        const answers = await Promise.all(numbers.map((number) => peer.call('double', number)));
        expect(answers).toEqual(numbers.map((number) => 2 * number));
        expect([...runs.values()]).toEqual(numbers.map(() => 1));
      }));

    test('may be answered in any order', () =>
      adapter.run(async ({ server, peer }) => {
        const first = new Gate();
        server.handle('wait', () => first.opened.then(() => 'first'));
        server.handle('hurry', () => 'second');
        const waiting = peer.call('wait', null);
        expect(await peer.call('hurry', null)).toBe('second');
        first.open();
        expect(await waiting).toBe('first');
      }));

    test('goes both ways between two that serve each other', () =>
      adapter.run(async ({ server, client, peer }) => {
        const back = server.peer(client.address);
        client.handle('name', () => 'client');
        server.handle('name', async () => `server of ${await back.call('name', null)}`);
        expect(await peer.call('name', null)).toBe('server of client');
      }));

    test('makes the peer known as live, and its times known', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('echo', (request) => request);
        expect(peer.health).toBe('unknown');
        const unknownMs = peer.overdueAfterMs('echo');
        for (let i = 0; i < 20; i++) await peer.call('echo', i);
        expect(peer.health).toBe('live');
        expect(peer.overdueAfterMs('echo')).toBeLessThan(unknownMs);
      }));

    test('that takes longer than it should is told of once, and goes on', () =>
      adapter.run(async ({ server, client, peer }) => {
        const done = new Gate();
        server.handle('slow', () => done.opened.then(() => 'at last'));
        const told: unknown[] = [];
        client.subscribe((event) => told.push(event));
        let overdue = 0;
        const answer = await peer.call('slow', null, {
          onOverdue: () => {
            overdue++;
            done.open();
          },
        });
        expect([answer, overdue]).toEqual(['at last', 1]);
        expect(told).toEqual([
          expect.objectContaining({ type: 'peer:overdue', peer: peer.address, method: 'slow' }),
        ]);
      }));
  });

  describe('a large message', () => {
    test.each([
      ['64 KiB', 64 * 1024],
      ['1 MiB and a byte', 1024 * 1024 + 1],
      ['16 MiB', BODY_BYTES_MAX],
    ])('of %s arrives as it was, both ways', (_name, sizeBytes) =>
      adapter.run(async ({ server, peer }) => {
        const body = pattern(sizeBytes);
        server.handle('echo', (request) => request);
        const answer = (await peer.call('echo', body, { expectedBytes: sizeBytes })) as Uint8Array;
        expect(Buffer.compare(answer, body)).toBe(0);
      }),
    );

    test('has company: ten at once arrive as they were', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('echo', (request) => request);
        const bodies = Array.from({ length: 10 }, (_, index) => pattern(300_000 + index, index));
        const answers = await Promise.all(bodies.map((body) => peer.call('echo', body)));
        for (const [index, body] of bodies.entries()) {
          expect(Buffer.compare(answers[index] as Uint8Array, body)).toBe(0);
        }
      }));

    test('does not hold up a small one', () =>
      adapter.run(async ({ server, peer }) => {
        const order: string[] = [];
        const asked = new Gate();
        server.handle('large', () => {
          asked.open();
          return pattern(BODY_BYTES_MAX);
        });
        server.handle('small', () => null);
        await peer.call('small', null);
        const large = peer.call('large', null).then(() => order.push('large'));
        await asked.opened;
        await peer.call('small', null).then(() => order.push('small'));
        await large;
        expect(order).toEqual(['small', 'large']);
      }));

    test('is refused above the limit, as request and as answer', () =>
      adapter.run(async ({ server, peer }) => {
        let runs = 0;
        server.handle('large', () => {
          runs++;
          return new Uint8Array(MESSAGE_BYTES_MAX);
        });
        const request = await failure(peer.call('large', new Uint8Array(MESSAGE_BYTES_MAX)));
        expect([request.code, request.executed, runs]).toEqual(['TOO_LARGE', 'no', 0]);
        const answer = await failure(peer.call('large', null));
        expect([answer.code, answer.executed, runs]).toEqual(['TOO_LARGE', 'yes', 1]);
      }));
  });

  describe('a call that fails', () => {
    test.each([
      [
        'an error with a code',
        () => Promise.reject(coded('NO_SPACE', 'the disk is full')),
        'NO_SPACE',
        'the disk is full',
      ],
      ['an error without one', () => Promise.reject(new RangeError('too far')), 'RangeError', 'too far'],
      ['something else', () => Promise.reject('a word'), 'Error', 'a word'],
      [
        'an error, without a promise',
        () => {
          throw coded('EARLY', 'at once');
        },
        'EARLY',
        'at once',
      ],
      ['something without text', () => throwing(Object.create(null)), 'Error', 'no text'],
      [
        'an error without text',
        () => throwing(Object.assign(new Error(), { message: Object.create(null) })),
        'Error',
        'no text',
      ],
      [
        'an error with a number',
        () => throwing(Object.assign(new Error(), { message: 404 })),
        'Error',
        '404',
      ],
    ])('says what its handler threw: %s', (_name, handler, code, message) =>
      adapter.run(async ({ server, peer }) => {
        server.handle('fail', handler);
        const error = await failure(peer.call('fail', null));
        expect(error).toMatchObject({
          code: 'HANDLER_FAILED',
          executed: 'yes',
          detail: { code, message: expect.stringContaining(message) },
          peer: peer.address,
          method: 'fail',
        });
        expect(error.message).toContain(message);
      }),
    );

    test('because its answer cannot be encoded says so', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('odd', () => () => {});
        expect(await failure(peer.call('odd', null))).toMatchObject({
          code: 'HANDLER_FAILED',
          executed: 'yes',
          detail: { code: 'TypeError' },
        });
      }));

    test('because there is no such method has not run', () =>
      adapter.run(async ({ peer }) => {
        const error = await failure(peer.call('nothing', null));
        expect([error.code, error.executed]).toEqual(['UNKNOWN_METHOD', 'no']);
      }));

    test.each<[string, (world: World) => Promise<unknown>]>([
      ['a body that cannot be encoded', ({ peer }) => peer.call('m', () => {})],
      ['no method', ({ peer }) => peer.call('', null)],
      ['an endless method', ({ peer }) => peer.call('m'.repeat(256), null)],
      ['a deadline of nothing', ({ peer }) => peer.call('m', null, { deadline: 0 })],
      ['a deadline in the past', ({ peer }) => peer.call('m', null, { deadline: -1 })],
      ['a deadline that is no number', ({ peer }) => peer.call('m', null, { deadline: Number.NaN })],
    ])('because of %s fails before anything is sent', (_name, call) =>
      adapter.run(async (world) => {
        const error = await failure(call(world));
        expect([error.code, error.executed]).toEqual(['BAD_ARGUMENT', 'no']);
        expect(world.peer.health).toBe('unknown');
      }),
    );

    test('says what it went through: how far it got, its limits, its peer', () =>
      adapter.run(async ({ server, peer }) => {
        const never = new Gate();
        server.handle('hang', () => never.opened);
        const late = await failure(peer.call('hang', pattern(1000), { deadline: 100 }));
        expect(late.report).toMatchObject({
          state: expect.stringMatching(/^(sent|working)$/),
          requestBytes: expect.any(Number),
          answerArrivedBytes: 0,
          overdue: false,
          limits: { deadline: 'given', deadlineAfterMs: 100, basis: { source: 'none', samples: 0 } },
          peer: { health: 'live', outstandingCalls: 1 },
        });
        expect(late.report!.requestBytes).toBeGreaterThan(1000);
        expect(late.report!.sinceSentMs).toBeGreaterThan(0);
        const tooLarge = await failure(peer.call('hang', new Uint8Array(MESSAGE_BYTES_MAX)));
        expect(tooLarge.report).toMatchObject({
          state: 'refused',
          refusedBy: { limit: 'maxMessageBytes', max: MESSAGE_BYTES_MAX },
          limits: { deadline: 'adaptive' },
        });
        expect(explain(late)).toContain('Its caller gave it 100 ms');
      }));

    test('leaves the next one alone', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('fail', () => Promise.reject(new Error('no')));
        server.handle('work', () => 'yes');
        const outcomes = await Promise.allSettled([
          peer.call('fail', null),
          peer.call('nothing', null),
          peer.call('work', null),
        ]);
        expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
      }));
  });

  describe('a transport', () => {
    test('gives the same peer for the same address, and refuses what is none', () =>
      adapter.run(async ({ client, server }) => {
        expect(client.peer(server.address)).toBe(client.peer(server.address));
        for (const address of ['', 'nm://', 'nm://host', 'nm://host:0', 'nm://host:65536', 'http://host:1']) {
          expect(() => client.peer(address)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
        }
      }));

    test('has one handler for a method', () =>
      adapter.run(async ({ server }) => {
        server.handle('m', () => 1);
        expect(() => server.handle('m', () => 2)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
      }));

    test('refuses more calls to a peer than are outstanding to it, and works on with the others', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const gate = new Gate();
        server.handle('wait', () => gate.opened.then(() => 'done'));
        const calls = Array.from({ length: 5000 }, () => peer.call('wait', null, { deadline: 600_000 }));
        const settled = Promise.allSettled(calls);
        await pass(world, 100);
        gate.open();
        const refused = (await settled).filter((one) => one.status === 'rejected');
        expect(refused.length).toBe(5000 - CALLS_MAX);
        for (const { reason } of refused) {
          expect(reason).toMatchObject({ code: 'OVERLOADED', executed: 'no', retryable: true });
        }
      }));
  });
}

/** The error that a call fails with. */
export async function failure(call: Promise<unknown>): Promise<RpcError> {
  return call.then(
    (answer) => Promise.reject(new Error(`answered ${String(answer)}`)),
    (error) => error as RpcError,
  );
}

/** Bytes in which every misplaced piece shows. */
export function pattern(sizeBytes: number, seed = 0): Uint8Array {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed * 7919 + 1, 2_654_435_761);
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

function throwing(what: unknown): never {
  throw what;
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Buffers as the Uint8Arrays that they are. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
