// Peers that vanish: noticed quickly, all calls at once, one event; and nobody is blamed for our own pauses.

import { describe, expect, it } from 'vitest';
import { printableAddress } from '../../src/transport/address.ts';
import { explain } from '../../src/transport/explain.ts';
import { addressOfNobody } from '../transport/addresses.ts';
import { CLIENT_HOST, outcomes, SERVER_HOST, SimPair } from './sim-pair.ts';

/** A call that its handler never answers, known to be at work. */
function hang(pair: SimPair, count: number): Promise<unknown>[] {
  pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
  return Array.from({ length: count }, (_, index) =>
    pair.peer.call('hang', index, { deadline: Number.POSITIVE_INFINITY }),
  );
}

describe('a peer that is cut off with 102 calls outstanding', () => {
  it.each([
    { rttMs: 1, withinMs: 1000 },
    { rttMs: 200, withinMs: 3000 },
  ])(
    'fails all of them with PEER_SILENT in one event, at $rttMs ms RTT within $withinMs ms',
    async ({ rttMs, withinMs }) => {
      const pair = new SimPair({ link: { latencyMs: rttMs / 2 } });
      const calls = hang(pair, 102);
      const settled = outcomes(calls);
      await pair.pass(5000);
      const cutAtMs = pair.clock.now();
      pair.network.blackhole(SERVER_HOST);
      expect(await pair.run(settled)).toEqual(Array(102).fill('PEER_SILENT'));
      expect(pair.clock.now() - cutAtMs).toBeLessThan(withinMs);
      expect(pair.events.filter((event) => event.type === 'peer:silent')).toEqual([
        expect.objectContaining({ peer: printableAddress(pair.server.address), failedCalls: 102 }),
      ]);
      expect(pair.peer.health).toBe('silent');
      expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
    },
  );
});

describe('a silent peer', () => {
  it('fails further calls at once, is asked ever more rarely, and comes back when it answers', async () => {
    const pair = new SimPair();
    const calls = outcomes(hang(pair, 1));
    await pair.pass(1000);
    pair.network.blackhole(SERVER_HOST);
    await pair.run(calls);
    const before = pair.sent.length;
    const failed = await pair.run(outcomes([pair.peer.call('hang', 1)]));
    expect(failed).toEqual(['PEER_SILENT']);
    await pair.pass(60_000);
    expect(pair.sent.length - before).toBeLessThan(12);
    pair.network.unblackhole(SERVER_HOST);
    await pair.pass(35_000);
    expect(pair.peer.health).toBe('live');
    expect(pair.events.map((event) => event.type)).toContain('peer:back');
    pair.server.handle('echo', (body) => body);
    expect(await pair.run(pair.peer.call('echo', 7))).toBe(7);
    expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
  });

  it('is not one whose handler is slow: a call may run for an hour', async () => {
    const pair = new SimPair();
    pair.server.handle('slow', async () => {
      await pair.sleep(3_600_000);
      return 'done';
    });
    const call = pair.peer.call('slow', null, { deadline: Number.POSITIVE_INFINITY });
    expect(await pair.clock.runUntil(call, 4_000_000)).toBe('done');
    expect(pair.events.filter((event) => event.type === 'peer:silent')).toEqual([]);
  });

  it('is not one that was never there long enough to tell: a port that nobody has takes a few seconds', async () => {
    const pair = new SimPair();
    const nobody = pair.client.peer(addressOfNobody('10.0.0.9', 1));
    const started = pair.clock.now();
    expect(await pair.run(outcomes([nobody.call('echo', 1)]))).toEqual(['PEER_SILENT']);
    expect(pair.clock.now() - started).toBeLessThan(5000);
  });

  it('is nobody after our own process stood still for a minute', async () => {
    const pair = new SimPair();
    const calls = hang(pair, 10);
    void outcomes(calls);
    await pair.pass(2000);
    pair.network.pause(CLIENT_HOST);
    await pair.pass(60_000);
    pair.network.resume(CLIENT_HOST);
    await pair.pass(5000);
    expect(pair.peer.health).toBe('live');
    expect(pair.events.filter((event) => event.type === 'peer:silent')).toEqual([]);
    await pair.close();
  });
});

describe('why a peer is silent', () => {
  // P-99
  it('is told: its machine lives and its process does not run, or nothing comes from its machine either', async () => {
    for (const [why, fault, message] of [
      ['frozen', 'pause', 'its process says nothing'],
      ['vanished', 'blackhole', 'nor from its machine'],
    ] as const) {
      const pair = new SimPair();
      const [call] = hang(pair, 1);
      const failed = call!.catch((error: unknown) => error);
      await pair.pass(1000);
      pair.network[fault](SERVER_HOST);
      const error = await pair.run(failed);
      expect(error).toMatchObject({
        code: 'PEER_SILENT',
        message: expect.stringContaining(message),
        report: { peer: { silence: why } },
      });
      expect(pair.events.filter(({ type }) => type === 'peer:silent')).toMatchObject([{ why }]);
      expect(pair.client.status().silentPeers).toMatchObject([{ why }]);
      await expect(pair.run(pair.peer.call('hang', 2))).rejects.toThrow(message);
      expect(explain(error)).toContain(why === 'frozen' ? 'answered' : 'did not answer');
      await pair.close();
    }
  });

  it('is found anew each time', async () => {
    const pair = new SimPair();
    const first = outcomes(hang(pair, 1));
    await pair.pass(1000);
    pair.network.blackhole(SERVER_HOST);
    await pair.run(first);
    pair.network.unblackhole(SERVER_HOST);
    await pair.pass(40_000);
    const second = outcomes([pair.peer.call('hang', 2, { deadline: Number.POSITIVE_INFINITY })]);
    await pair.pass(1000);
    pair.network.pause(SERVER_HOST);
    await pair.run(second);
    const reasons = pair.events.flatMap((event) => (event.type === 'peer:silent' ? [event.why] : []));
    expect(reasons).toEqual(['vanished', 'frozen']);
    await pair.close();
  });
});
