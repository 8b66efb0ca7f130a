// Peers that fall silent, restart or close, and networks that lose: what callers are told, and what no transport can
// make good. What TCP cannot do stands here as an expectation of its own, next to what datagrams can.

import { describe, expect, test } from 'vitest';
import { explain } from '../../src/transport/explain.ts';
import type { TransportEvent } from '../../src/transport/transport.ts';
import { failure } from './calls.ts';
import { type Adapter, Gate, pass, type World } from './world.ts';

/** On virtual networks. */
const ROUND_TRIP_MS = 10;

/** In which datagrams find a silent peer out, whatever the deadline, on a path of 10 ms. */
const EVIDENCE_MS = 3_000;

export function describeAbsence(adapter: Adapter): void {
  const { silence, lossDelays, exactTime } = adapter.capabilities;

  describe('a peer that falls silent', () => {
    test('is noticed without a deadline: all its calls fail in one event, later ones at once', () =>
      adapter.runCuttable(async (world) => {
        const { peer, client, clock } = world;
        const { calls } = await hangingCalls(world, 20);
        const events = record(client);
        world.silence();
        const silentSinceMs = clock.now();
        for (const outcome of await Promise.allSettled(calls)) {
          expect(outcome).toMatchObject({ reason: { code: 'PEER_SILENT', executed: 'unknown' } });
        }
        const noticedAfterMs = clock.now() - silentSinceMs;
        expect(peer.health).toBe('silent');
        expect(events.filter(({ type }) => type === 'peer:silent')).toEqual([
          {
            type: 'peer:silent',
            peer: peer.address,
            why: silence.why,
            failedCalls: 20,
            atMs: expect.any(Number),
          },
        ]);
        expect(client.status().silentPeers).toMatchObject([{ why: silence.why }]);
        const later = await failure(peer.call('hang', null));
        expect(explain(later)).toContain(silence.why === 'frozen' ? 'answered' : 'did not answer');
        expect([later.code, later.executed, later.retryable]).toEqual(['PEER_SILENT', 'no', true]);

        // The difference between the two: evidence, or a limit, which counts from the last sign of life.
        if (!exactTime) return;
        if (silence.by === 'evidence') expect(noticedAfterMs).toBeLessThan(EVIDENCE_MS);
        else expect(noticedAfterMs).toBeGreaterThan(silence.limitMs - ROUND_TRIP_MS);
      }));

    test(
      silence.by === 'evidence'
        ? 'is noticed by evidence, long before any limit that somebody would dare to set'
        : 'is not noticed by evidence: TCP tells nothing, and until the limit is over nobody knows',
      () =>
        adapter.runCuttable(async (world) => {
          if (!exactTime) return;
          const { peer } = world;
          const { calls } = await hangingCalls(world, 1);
          const noticed = calls[0]!.then(
            () => 'answered',
            (error) => error.code as string,
          );
          world.silence();
          const state = await Promise.race([noticed, pass(world, EVIDENCE_MS).then(() => peer.health)]);
          expect(state).toBe(silence.by === 'evidence' ? 'PEER_SILENT' : 'live');
          await noticed;
        }),
    );

    test('is found again when it is back, and told of', () =>
      adapter.runCuttable(async (world) => {
        const { peer, client, server } = world;
        server.handle('echo', (request) => request);
        const { calls } = await hangingCalls(world, 1);
        const back = new Gate();
        const events = record(client);
        client.subscribe(({ type }) => {
          if (type === 'peer:back') back.open();
        });
        world.silence();
        expect((await failure(calls[0]!)).code).toBe('PEER_SILENT');
        world.hear();
        await back.opened;
        expect(await peer.call('echo', 'again')).toBe('again');
        expect(peer.health).toBe('live');
        expect(typesOf(events)).toEqual(['peer:silent', 'peer:back']);
      }));

    test('for a moment only is nobody’s business', () =>
      adapter.runCuttable(async (world) => {
        const { peer, server, client } = world;
        server.handle('echo', (request) => request);
        await peer.call('echo', 0);
        const events = record(client);
        world.silence();
        const calls = [1, 2, 3].map((number) => peer.call('echo', number));
        await pass(world, 50);
        world.hear();
        expect(await Promise.all(calls)).toEqual([1, 2, 3]);
        expect(typesOf(events)).toEqual([]);
      }));
  });

  describe('a packet that is lost', () => {
    test(
      lossDelays === 'message'
        ? 'delays the message that it was of, and no other'
        : 'delays all messages behind it, for TCP delivers nothing out of order',
      () =>
        adapter.run(async (world) => {
          const { peer, server } = world;
          server.handle('echo', (request) => request);
          if (world.loseNext === undefined) {
            expect(exactTime, 'only a virtual network can be told what to lose').toBe(false);
            return;
          }
          for (let i = 0; i < 10; i++) await peer.call('echo', i);
          const order: string[] = [];
          world.loseNext();
          const lost = peer.call('echo', 'lost').then(() => order.push('lost'));
          await pass(world, 2);
          const behind = peer.call('echo', 'behind').then(() => order.push('behind'));
          await Promise.all([lost, behind]);
          expect(order).toEqual(lossDelays === 'message' ? ['behind', 'lost'] : ['lost', 'behind']);
        }),
    );
  });

  describe('a server that restarts', () => {
    test('leaves open whether a running call has run, and says so', () =>
      adapter.run(async (world) => {
        const { calls } = await hangingCalls(world, 3);
        await world.restartServer();
        for (const call of calls) {
          const error = await failure(call);
          expect(['OUTCOME_UNKNOWN', 'PEER_RESTARTED']).toContain(error.code);
          expect([error.executed, error.retryable]).toEqual(['unknown', false]);
        }
      }));

    test('gets idempotent calls again', () =>
      adapter.run(async (world) => {
        const { calls } = await hangingCalls(world, 3, { idempotent: true });
        const server = await world.restartServer();
        server.handle('hang', (request) => `again ${request}`);
        expect(await Promise.all(calls)).toEqual(['again 0', 'again 1', 'again 2']);
      }));

    test('works on for new calls, which run once', () =>
      adapter.run(async (world) => {
        world.server.handle('count', () => 0);
        await world.peer.call('count', null);
        let runs = 0;
        const server = await world.restartServer();
        server.handle('count', () => ++runs);
        // The first one may meet what is left of the old server: only a call that may be repeated gets past that.
        expect(await world.peer.call('count', null, { idempotent: true })).toBe(1);
        expect(await world.peer.call('count', null)).toBe(2);
      }));

    test('has told its handlers that nobody waits', () =>
      adapter.run(async (world) => {
        const { calls, aborted } = await hangingCalls(world, 2);
        const outcomes = Promise.allSettled(calls);
        await world.restartServer();
        expect(aborted()).toBe(2);
        await outcomes;
      }));
  });

  describe('a server that closes while it runs a handler', () => {
    test('begins nothing of what came together with that request', () =>
      adapter.run(async ({ server, peer }) => {
        const closed = new Gate();
        const begun: unknown[] = [];
        server.handle('close', () => {
          void server.close();
          closed.open();
        });
        server.handle('begin', (request) => void begun.push(request));
        await peer.call('begin', 'before');
        const caller = new AbortController();
        const calls = ['close', 'begin', 'begin'].map((method) =>
          peer.call(method, 'together', { signal: caller.signal }),
        );
        const outcomes = Promise.allSettled(calls);
        await closed.opened;
        caller.abort();
        await outcomes;
        expect(begun).toEqual(['before']);
      }));
  });

  describe('a client that closes', () => {
    test('fails what is outstanding with CLOSED, and whatever is called later', () =>
      adapter.run(async (world) => {
        const { client, peer } = world;
        const { calls } = await hangingCalls(world, 3);
        const notSent = peer.call('hang', 'never sent');
        const outcomes = Promise.allSettled([...calls, notSent]);
        await client.close();
        const executed = (await outcomes).map((outcome) => {
          expect(outcome).toMatchObject({ reason: { code: 'CLOSED', retryable: false } });
          return (outcome as PromiseRejectedResult).reason.executed;
        });
        expect(executed).toEqual(['unknown', 'unknown', 'unknown', 'no']);
        const later = await failure(peer.call('hang', null));
        expect([later.code, later.executed]).toEqual(['CLOSED', 'no']);
        await client.close();
      }));

    test('lets its servers’ handlers know', () =>
      adapter.run(async (world) => {
        const { calls, allAborted, aborted } = await hangingCalls(world, 5);
        const outcomes = Promise.allSettled(calls);
        await world.client.close();
        await allAborted;
        expect(aborted()).toBe(5);
        await outcomes;
      }));
  });
}

/** Calls whose handlers run, all of them, and never answer. */
async function hangingCalls(
  { server, peer }: World,
  count: number,
  options: { readonly idempotent?: boolean } = {},
): Promise<{ calls: Promise<unknown>[]; aborted: () => number; allAborted: Promise<void> }> {
  let running = 0;
  let aborted = 0;
  const started = new Gate();
  const allAborted = new Gate();
  server.handle('hang', (_request, { signal }) => {
    signal.addEventListener('abort', () => {
      if (++aborted === count) allAborted.open();
    });
    if (++running === count) started.open();
    return new Promise(() => {});
  });
  const calls = Array.from({ length: count }, (_, index) =>
    peer.call('hang', index, { ...options, deadline: Number.POSITIVE_INFINITY }),
  );
  // Who looks at the outcome does so later.
  for (const call of calls) call.catch(() => {});
  await started.opened;
  return { calls, aborted: () => aborted, allAborted: allAborted.opened };
}

function record(transport: World['client']): TransportEvent[] {
  const events: TransportEvent[] = [];
  transport.subscribe((event) => events.push(event));
  return events;
}

/** What has happened to a peer, but for calls that were overdue. */
function typesOf(events: readonly TransportEvent[]): string[] {
  return events.map(({ type }) => type).filter((type) => type !== 'peer:overdue');
}
