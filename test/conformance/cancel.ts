// Never mind, in every state that a call can be in; and deadlines, which are a cancel by the clock.

import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { RpcError } from '../../src/transport/error.ts';
import { failure, pattern } from './calls.ts';
import { type Adapter, Gate, pass } from './world.ts';

/** More than any transport sends without having heard from the other side. */
const LARGE_BYTES = 15 * 1024 * 1024;

const ENOUGH = new Error('enough others have answered');

export function describeCancel(adapter: Adapter): void {
  describe('never mind', () => {
    test('before the call: nothing is sent', () =>
      adapter.run(async ({ server, peer }) => {
        const methods = recorder(server);
        const signal = AbortSignal.abort(ENOUGH);
        await expect(peer.call('work', null, { signal })).rejects.toBe(ENOUGH);
        expect(peer.health).toBe('unknown');
        await peer.call('other', null);
        expect(methods).toEqual(['other']);
      }));

    test('before the first contact: the server never hears of it', () =>
      adapter.run(async ({ server, peer }) => {
        const methods = recorder(server);
        const caller = new AbortController();
        const call = peer.call('work', null, { signal: caller.signal });
        caller.abort(ENOUGH);
        await expect(call).rejects.toBe(ENOUGH);
        await peer.call('other', null);
        expect(methods).toEqual(['other']);
      }));

    test('of a request not sent yet, to a server that is known: it never hears of it', () =>
      adapter.run(async ({ server, peer }) => {
        const methods = recorder(server);
        await peer.call('other', null);
        const caller = new AbortController();
        const call = peer.call('work', null, { signal: caller.signal });
        caller.abort(ENOUGH);
        await expect(call).rejects.toBe(ENOUGH);
        await peer.call('other', null);
        expect(methods).toEqual(['other', 'other']);
      }));

    test('of a request sent in part: it never looks complete', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const methods = recorder(server);
        await peer.call('other', null);
        const caller = new AbortController();
        const call = peer.call('work', pattern(LARGE_BYTES), { signal: caller.signal });
        // In the next turn some of it is on its way; all of it cannot be, before the server has taken some.
        await pass(world, 0);
        caller.abort(ENOUGH);
        await expect(call).rejects.toBe(ENOUGH);
        await peer.call('other', null);
        expect(methods).toEqual(['other', 'other']);
      }));

    test('while the handler runs: it is told, and the caller does not wait for it', () =>
      adapter.run(async ({ server, peer }) => {
        const started = new Gate();
        const told = new Gate<RpcError>();
        server.handle('work', (_request, { signal }) => {
          signal.addEventListener('abort', () => told.open(signal.reason as RpcError));
          started.open();
          return new Promise(() => {});
        });
        const caller = new AbortController();
        const call = peer.call('work', null, { signal: caller.signal });
        await started.opened;
        caller.abort(ENOUGH);
        await expect(call).rejects.toBe(ENOUGH);
        expect((await told.opened).code).toBe('CANCELLED');
      }));

    test('while the handler runs, which answers all the same: nobody hears it', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const started = new Gate();
        const done = new Gate();
        server.handle('work', () => {
          started.open();
          return done.opened.then(() => 'too late');
        });
        server.handle('other', () => 'in time');
        const caller = new AbortController();
        const call = peer.call('work', null, { signal: caller.signal });
        await started.opened;
        caller.abort(ENOUGH);
        done.open();
        await expect(call).rejects.toBe(ENOUGH);
        expect(await peer.call('other', null)).toBe('in time');
      }));

    test('while a large answer arrives: the rest is not waited for', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const answered = new Gate();
        server.handle('work', () => {
          answered.open();
          return pattern(LARGE_BYTES);
        });
        server.handle('other', () => 'in time');
        await peer.call('other', null);
        const caller = new AbortController();
        const call = peer.call('work', null, { signal: caller.signal });
        await answered.opened;
        await pass(world, 0);
        caller.abort(ENOUGH);
        await expect(call).rejects.toBe(ENOUGH);
        expect(await peer.call('other', null)).toBe('in time');
      }));

    test('after the answer changes nothing', () =>
      adapter.run(async ({ server, peer }) => {
        const reasons: unknown[] = [];
        server.handle('work', (_request, { signal }) => {
          signal.addEventListener('abort', () => reasons.push(signal.reason));
          return 'done';
        });
        const caller = new AbortController();
        const call = peer.call('work', null, { signal: caller.signal });
        expect(await call).toBe('done');
        caller.abort(ENOUGH);
        expect(await call).toBe('done');
        expect(await peer.call('work', null)).toBe('done');
        expect(reasons).toEqual([]);
      }));

    test('of a whole operation: one signal ends all its calls, and only those', () =>
      adapter.run(async ({ server, peer }) => {
        let running = 0;
        const all = new Gate();
        server.handle('work', (_request, { signal }) => {
          if (++running === 100) all.open();
          return new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              running--;
              resolve(null);
            });
          });
        });
        const release = new Gate();
        server.handle('stay', () => release.opened.then(() => 'stayed'));
        const caller = new AbortController();
        const calls = Array.from({ length: 100 }, () => peer.call('work', null, { signal: caller.signal }));
        const other = peer.call('stay', null);
        await all.opened;
        caller.abort(ENOUGH);
        const outcomes = await Promise.allSettled(calls);
        expect(outcomes).toEqual(outcomes.map(() => ({ status: 'rejected', reason: ENOUGH })));
        release.open();
        expect(await other).toBe('stayed');
        await peer.call('stay', null);
        expect(running).toBe(0);
      }));

    test('leaves no listener on the signal, however the call has ended', () =>
      adapter.run(async ({ server, peer }) => {
        server.handle('work', () => 'done');
        server.handle('fail', () => Promise.reject(new Error('no')));
        server.handle('hang', () => new Promise(() => {}));
        const caller = new AbortController();
        const { signal } = caller;
        const listeners = (): number => getEventListeners(signal, 'abort').length;
        await peer.call('work', null, { signal });
        expect(listeners()).toBe(0);
        await failure(peer.call('fail', null, { signal }));
        await failure(peer.call('missing', null, { signal }));
        await failure(peer.call('work', () => {}, { signal }));
        await failure(peer.call('work', new Uint8Array(17e6), { signal }));
        await failure(peer.call('hang', null, { signal, deadline: 20 }));
        expect(listeners()).toBe(0);
        const hanging = peer.call('hang', null, { signal });
        expect(listeners()).toBeGreaterThan(0);
        caller.abort(ENOUGH);
        await expect(hanging).rejects.toBe(ENOUGH);
        expect(listeners()).toBe(0);
      }));
  });

  describe('a deadline', () => {
    test('ends a call whose handler does not, and the handler is told', () =>
      adapter.run(async ({ server, peer, clock }) => {
        const told = new Gate<RpcError>();
        server.handle('hang', (_request, { signal }) => {
          signal.addEventListener('abort', () => told.open(signal.reason as RpcError));
          return new Promise(() => {});
        });
        const startedAtMs = clock.now();
        const error = await failure(peer.call('hang', null, { deadline: 100 }));
        expect([error.code, error.executed]).toEqual(['DEADLINE_EXCEEDED', 'unknown']);
        expect(clock.now() - startedAtMs).toBeGreaterThanOrEqual(100);
        // By its own clock or by the caller's CANCEL, whichever comes first.
        expect(['CANCELLED', 'DEADLINE_EXCEEDED']).toContain((await told.opened).code);
      }));

    test('that passes before all of the request is there keeps it from running', () =>
      adapter.run(async ({ server, peer }) => {
        const methods = recorder(server);
        await peer.call('other', null);
        const error = await failure(peer.call('work', pattern(LARGE_BYTES), { deadline: 1 }));
        expect([error.code, error.executed]).toEqual(['DEADLINE_EXCEEDED', 'no']);
        await peer.call('other', null);
        expect(methods).toEqual(['other', 'other']);
      }));

    test('that is far does not hold a call up, and one of Infinity never comes', () =>
      adapter.run(async (world) => {
        const { server, peer } = world;
        const gate = new Gate();
        server.handle('wait', () => gate.opened.then(() => 'answered'));
        const calls = [
          peer.call('wait', null, { deadline: Number.POSITIVE_INFINITY }),
          peer.call('wait', null, { deadline: 10 * 86_400_000 * 365 }),
        ];
        if (adapter.capabilities.exactTime) await pass(world, 600_000);
        gate.open();
        expect(await Promise.all(calls)).toEqual(['answered', 'answered']);
      }));

    test('of nobody is 15 to 60 s, where time is virtual', () =>
      adapter.run(async ({ server, peer, clock }) => {
        server.handle('hang', () => new Promise(() => {}));
        if (!adapter.capabilities.exactTime) return;
        const startedAtMs = clock.now();
        const error = await failure(peer.call('hang', null));
        expect(error.code).toBe('DEADLINE_EXCEEDED');
        expect(clock.now() - startedAtMs).toBeGreaterThanOrEqual(15_000);
        expect(clock.now() - startedAtMs).toBeLessThanOrEqual(60_000);
      }));
  });
}

/** Handlers for `work` and `other` that write down that they ran. */
function recorder(server: { handle(method: string, handler: () => unknown): void }): string[] {
  const methods: string[] = [];
  for (const method of ['work', 'other']) server.handle(method, () => void methods.push(method));
  return methods;
}
