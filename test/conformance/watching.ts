// What a transport shows to those who watch it: its status, and callbacks that may fail without taking it along.

import { describe, expect, test, vi } from 'vitest';
import { printableAddress } from '../../src/transport/address.ts';
import { type Adapter, Gate } from './world.ts';

const NEVER = { deadline: Number.POSITIVE_INFINITY };

export function describeWatching(adapter: Adapter): void {
  describe('status()', () => {
    test('of a fresh transport is empty', () =>
      adapter.run(async ({ client }) => {
        const { address, counters, gauges, peers, silentPeers, callers } = client.status();
        expect(address).toBe(printableAddress(client.address));
        expect([peers, silentPeers, callers]).toEqual([[], [], []]);
        for (const count of [...Object.values(counters), ...Object.values(gauges)]) expect(count).toBe(0);
      }));

    test('names who is called and who calls, with the calls under way', () =>
      adapter.run(async (world) => {
        const { client, server, peer } = world;
        server.handle('echo', (request) => request);
        const hanging = new Gate();
        server.handle('hang', () => {
          hanging.open();
          return new Promise(() => {});
        });
        for (let i = 0; i < 10; i++) await peer.call('echo', i);
        peer.call('hang', 0, NEVER).catch(() => {});
        await hanging.opened;
        const status = client.status();
        expect(status.peers).toEqual([
          expect.objectContaining({
            address: peer.address,
            health: 'live',
            outstandingCalls: 1,
            responseTimes: [expect.objectContaining({ method: 'echo' })],
          }),
        ]);
        expect(status.counters).toMatchObject({ callsStarted: 11, callsAnswered: 10 });
        expect(status.gauges).toMatchObject({ outstandingCalls: 1 });
        const served = server.status();
        expect(served.callers).toEqual([expect.objectContaining({ runningRequests: 1 })]);
        expect(served.counters).toMatchObject({ requestsRun: 11 });
        expect(served.gauges).toMatchObject({ runningRequests: 1 });
        // Plain data, and a snapshot.
        expect(structuredClone(status)).toEqual(status);
        await peer.call('echo', 'once more');
        expect(status.counters).toMatchObject({ callsAnswered: 10 });
      }));

    test('moves a peer that goes silent out of the table', () =>
      adapter.runCuttable(async (world) => {
        const { client, server, peer } = world;
        const running = new Gate();
        server.handle('hang', () => {
          running.open();
          return new Promise(() => {});
        });
        const call = peer.call('hang', null, NEVER);
        call.catch(() => {});
        await running.opened;
        world.silence();
        await expect(call).rejects.toMatchObject({ code: 'PEER_SILENT' });
        const { peers, silentPeers, counters } = client.status();
        expect(peers).toEqual([]);
        expect(silentPeers).toEqual([expect.objectContaining({ address: peer.address })]);
        expect(silentPeers[0]!.silentForMs).toBeGreaterThanOrEqual(0);
        expect(counters).toMatchObject({ peersSilent: 1 });
      }));
  });

  describe('a callback that throws', () => {
    test('is raised later, and interrupts neither the transport nor the other listeners', () =>
      adapter.run(async (world) => {
        const { client, server, peer } = world;
        const raised: unknown[] = [];
        const bothRaised = new Gate();
        const microtasks = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
          try {
            task();
          } catch (error) {
            if (raised.push(error) === 2) bothRaised.open();
          }
        });
        try {
          const seen: string[] = [];
          client.subscribe(() => {
            throw new Error('a listener’s fault');
          });
          client.subscribe(({ type }) => seen.push(type));
          server.handle('echo', (request) => request);
          server.handle('slow', async () => {
            await bothRaised.opened;
            return 'done';
          });
          for (let i = 0; i < 30; i++) await peer.call('echo', i);
          const slow = peer.call('slow', null, {
            ...NEVER,
            onOverdue: () => {
              throw new Error('a caller’s fault');
            },
          });
          // Others go on while it is overdue, and it ends as it should.
          const answers = await Promise.all([slow, ...[1, 2, 3].map((n) => peer.call('echo', n))]);
          expect(answers).toEqual(['done', 1, 2, 3]);
          expect(seen).toContain('peer:overdue');
          const messages = raised.map((error) => (error as Error).message);
          expect(new Set(messages)).toEqual(new Set(['a listener’s fault', 'a caller’s fault']));
        } finally {
          microtasks.mockRestore();
        }
      }));
  });
}
