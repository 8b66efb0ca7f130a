// status(): what a transport counts, holds and knows, as plain data; and that silent peers leave the table.

import { describe, expect, it } from 'vitest';
import { printableAddress } from '../../src/transport/address.ts';
import { CLIENT_HOST, outcomes, SERVER_HOST, SimPair } from './sim-pair.ts';

const NEVER = { deadline: Number.POSITIVE_INFINITY };

describe('status()', () => {
  it('of a fresh transport is empty', () => {
    const pair = new SimPair();
    const status = pair.client.status();
    expect(status).toMatchObject({
      address: printableAddress(pair.client.address),
      atMs: 0,
      peers: [],
      silentPeers: [],
      callers: [],
    });
    expect(Object.values(status.counters).every((count) => count === 0)).toBe(true);
    expect(Object.values(status.gauges).every((count) => count === 0)).toBe(true);
  });

  it('does not list a peer that was only asked how long it would take', () => {
    const pair = new SimPair();
    pair.peer.overdueAfterMs('read');
    expect(pair.client.status().peers).toEqual([]);
  });

  it('has the table of live peers: round trip, calls, bytes, window, loss, response times by method', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    for (let i = 0; i < 20; i++) await pair.run(pair.peer.call('echo', i));
    for (let i = 0; i < 3; i++) pair.peer.call('hang', i, NEVER).catch(() => {});
    await pair.pass(1000);
    const { peers, counters, gauges, atMs } = pair.client.status();
    expect(peers).toHaveLength(1);
    const [peer] = peers;
    expect(peer).toMatchObject({
      address: printableAddress(pair.server.address),
      health: 'live',
      outstandingCalls: 3,
      unansweredProbes: 0,
      path: { bytesInFlight: 0, datagramBytes: expect.any(Number), lossRate: expect.any(Number) },
    });
    expect(peer!.sinceHeardMs).toBeLessThan(300);
    expect(peer!.rtt?.smoothedMs).toBeGreaterThan(9);
    expect(peer!.rtt?.smoothedMs).toBeLessThan(16);
    expect(peer!.rtt?.minMs).toBe(10);
    expect(peer!.path!.windowBytes).toBeGreaterThan(10_000);
    expect(peer!.path!.pacingBytesPerMs).toBeGreaterThan(100);
    expect(peer!.path!.lossRate).toBeLessThan(0.05);
    // Those that hang have not been answered yet.
    expect(peer!.responseTimes).toEqual([
      {
        method: 'echo',
        sizeMaxBytes: 16_384,
        samples: expect.any(Number),
        medianMs: expect.any(Number),
        p95Ms: expect.any(Number),
      },
    ]);
    // The way there and back is told apart.
    expect(peer!.responseTimes[0]!.p95Ms).toBeLessThan(9);
    expect(counters.callsAnswered).toBe(20);
    expect(gauges.outstandingCalls).toBe(3);
    expect(atMs).toBe(pair.clock.now());
  });

  it('shows bytes on their way', async () => {
    const pair = new SimPair({ link: { bandwidthBytesPerMs: 100 } });
    pair.server.handle('swallow', () => 1);
    const call = outcomes([pair.peer.call('swallow', new Uint8Array(1_000_000))]);
    await pair.pass(200);
    const [peer] = pair.client.status().peers;
    expect(peer!.path!.bytesInFlight).toBeGreaterThan(1000);
    const [caller] = pair.server.status().callers;
    expect(caller).toMatchObject({ heldRequests: 1, runningRequests: 0 });
    expect(pair.server.status().gauges.reassemblyBytes).toBeGreaterThan(999_999);
    await pair.run(call);
  });

  it('of a server shows who calls it', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    for (let i = 0; i < 5; i++) pair.peer.call('hang', i, NEVER).catch(() => {});
    await pair.pass(100);
    const { callers, gauges } = pair.server.status();
    expect(callers).toEqual([expect.objectContaining({ runningRequests: 5, heldRequests: 5 })]);
    expect(callers[0]!.address).toMatch(new RegExp(`^nm://${CLIENT_HOST}:`));
    expect(gauges.runningRequests).toBe(5);
    await pair.client.close();
    await pair.pass(1000);
    expect(pair.server.status().gauges.runningRequests).toBe(0);
  });

  it('moves a peer that goes silent out of the table, and back when it answers', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const calls = outcomes([pair.peer.call('hang', 1, NEVER)]);
    await pair.pass(500);
    pair.network.blackhole(SERVER_HOST);
    await pair.pass(300);
    expect(pair.client.status().peers).toMatchObject([{ health: 'suspect' }]);
    await pair.run(calls);
    await pair.pass(10_000);
    const { peers, silentPeers } = pair.client.status();
    expect(peers).toEqual([]);
    expect(silentPeers).toMatchObject([{ address: printableAddress(pair.server.address) }]);
    expect(silentPeers[0]!.silentForMs).toBeGreaterThanOrEqual(10_000);
    expect(silentPeers[0]!.sinceHeardMs).toBeGreaterThan(silentPeers[0]!.silentForMs);
    expect(silentPeers[0]!.nextProbeInMs).toBeGreaterThan(0);
    pair.network.unblackhole(SERVER_HOST);
    await pair.pass(35_000);
    expect(pair.client.status()).toMatchObject({ peers: [{ health: 'live' }], silentPeers: [] });
  });

  it('is a snapshot, and plain data', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    await pair.run(pair.peer.call('echo', 1));
    const before = pair.client.status();
    const copy = structuredClone(before);
    await pair.run(pair.peer.call('echo', 2));
    expect(before).toEqual(copy);
    expect(pair.client.status()).not.toEqual(before);
    expect(JSON.parse(JSON.stringify(before)).peers).toHaveLength(1);
  });
});
