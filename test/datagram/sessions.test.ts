// Sessions are soft state: forgotten, repeated, moved and recorded ones, and what runs at most once through it all.

import { describe, expect, it } from 'vitest';
import { CLIENT_HOST, outcomes, SERVER_HOST, SERVER_PORT, SimPair } from './sim-pair.ts';

/** Counts executions per argument. */
function counting(pair: SimPair, method: string, options?: { early: 'safe' }): Map<unknown, number> {
  const executions = new Map<unknown, number>();
  pair.server.handle(
    method,
    (body) => {
      executions.set(body, (executions.get(body) ?? 0) + 1);
      return body;
    },
    options,
  );
  return executions;
}

describe('the first call to a peer', () => {
  it('takes one round trip when its method is safe to run early, two when not', async () => {
    for (const { options, roundTrips } of [
      { options: { early: 'safe' } as const, roundTrips: 1 },
      { options: undefined, roundTrips: 2 },
    ]) {
      const pair = new SimPair({ link: { latencyMs: 50 } });
      counting(pair, 'echo', options);
      expect(await pair.run(pair.peer.call('echo', 5))).toBe(5);
      expect(pair.clock.now()).toBeGreaterThanOrEqual(roundTrips * 100);
      expect(pair.clock.now()).toBeLessThan(roundTrips * 100 + 10);
    }
  });

  it('recorded and sent again later runs nothing a second time', async () => {
    for (const options of [{ early: 'safe' } as const, undefined]) {
      const pair = new SimPair();
      const executions = counting(pair, 'add', options);
      await pair.run(pair.peer.call('add', 1));
      await pair.run(pair.peer.call('add', 2));
      const recorded = pair.sent.filter((datagram) => datagram.to === SERVER_HOST);
      const attacker = pair.network.open('10.6.6.6', 666);
      for (const { bytes } of recorded) {
        attacker.send(bytes, { host: SERVER_HOST, port: SERVER_PORT });
        await pair.pass(50);
      }
      await pair.pass(5000);
      expect([...executions.values()]).toEqual([1, 1]);
      expect(await pair.run(pair.peer.call('add', 3))).toBe(3);
    }
  });

  it('recorded and sent to a restarted server does not run there unless it is safe early', async () => {
    const pair = new SimPair();
    counting(pair, 'add');
    await pair.run(pair.peer.call('add', 1));
    const recorded = pair.sent.filter((datagram) => datagram.to === SERVER_HOST);
    pair.network.crash(SERVER_HOST);
    pair.startServer();
    const executions = counting(pair, 'add');
    const attacker = pair.network.open('10.6.6.6', 666);
    for (const { bytes } of recorded) attacker.send(bytes, { host: SERVER_HOST, port: SERVER_PORT });
    await pair.pass(5000);
    expect([...executions.values()]).toEqual([]);
  });
});

describe('a server that restarts', () => {
  // P-59
  it('while nobody calls it costs the next call two round trips, and no outcome', async () => {
    const pair = new SimPair({ link: { latencyMs: 50 } });
    counting(pair, 'add');
    await pair.run(pair.peer.call('add', 1));
    await pair.pass(11_000);
    pair.network.crash(SERVER_HOST);
    pair.startServer();
    const executions = counting(pair, 'add');
    const startedAtMs = pair.clock.now();
    expect(await pair.run(pair.peer.call('add', 2))).toBe(2);
    expect(pair.clock.now() - startedAtMs).toBeLessThan(3 * 100 + 20);
    expect([...executions]).toEqual([[2, 1]]);
    // Of the second half of a minute nobody is in doubt.
    const soonAtMs = pair.clock.now();
    expect(await pair.run(pair.peer.call('add', 3))).toBe(3);
    expect(pair.clock.now() - soonAtMs).toBeLessThan(110);
    expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
  });

  // P-59
  it('and one that did not: after a pause the last byte waits for a sign of life, unless the call may be repeated', async () => {
    const pair = new SimPair({ link: { latencyMs: 50 } });
    const executions = counting(pair, 'add');
    await pair.run(pair.peer.call('add', 1));
    for (const [idempotent, roundTrips] of [
      [false, 2],
      [true, 1],
    ] as const) {
      await pair.pass(11_000);
      const startedAtMs = pair.clock.now();
      const body = `idempotent: ${idempotent}`;
      expect(await pair.run(pair.peer.call('add', body, { idempotent }))).toBe(body);
      const elapsedMs = pair.clock.now() - startedAtMs;
      expect(elapsedMs).toBeGreaterThanOrEqual(roundTrips * 100);
      expect(elapsedMs).toBeLessThan(roundTrips * 100 + 15);
    }
    expect([...executions.values()]).toEqual([1, 1, 1]);
    expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
  });

  it('runs idempotent calls again and leaves the outcome of the others unknown', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const options = { deadline: Number.POSITIVE_INFINITY };
    const calls = outcomes([
      pair.peer.call('hang', 1, { ...options, idempotent: true }),
      pair.peer.call('hang', 2, options),
    ]);
    await pair.pass(300);
    pair.network.crash(SERVER_HOST);
    pair.startServer();
    pair.server.handle('hang', (body) => body, { early: 'safe' });
    expect(await pair.run(calls)).toEqual([1, 'OUTCOME_UNKNOWN']);
    expect(pair.clock.now()).toBeLessThan(1500);
    expect(await pair.run(pair.peer.call('hang', 3))).toBe(3);
  });

  it('is found out in a round trip by the next call, which runs once', async () => {
    const pair = new SimPair({ link: { latencyMs: 50 } });
    counting(pair, 'add');
    await pair.run(pair.peer.call('add', 1));
    await pair.pass(1000);
    pair.network.crash(SERVER_HOST);
    pair.startServer();
    const executions = counting(pair, 'add');
    const started = pair.clock.now();
    // Sent inside the forgotten session: the new server answers that it does not know it, and has run nothing.
    const outcome = await pair.run(outcomes([pair.peer.call('add', 2)]));
    expect([[2], ['OUTCOME_UNKNOWN']]).toContainEqual(outcome);
    expect(pair.clock.now() - started).toBeLessThan(420);
    expect(executions.get(2) ?? 0).toBeLessThanOrEqual(1);
  });
});

describe('an address', () => {
  it('that has not proved itself is sent at most three times what it sent', async () => {
    const pair = new SimPair();
    pair.server.handle('much', () => new Uint8Array(500_000), { early: 'safe' });
    pair.network.cut(CLIENT_HOST, SERVER_HOST);
    void outcomes([pair.peer.call('much', 1)]);
    await pair.pass(3);
    const [first] = pair.sent;
    // The first datagram of somebody else, as if it came from the victim: which never answers.
    const spoofed = pair.network.open('10.7.7.7', 7);
    spoofed.send(first!.bytes, { host: SERVER_HOST, port: SERVER_PORT });
    await pair.pass(60_000);
    expect(pair.bytesTo('10.7.7.7')).toBeGreaterThan(0);
    expect(pair.bytesTo('10.7.7.7')).toBeLessThanOrEqual(3 * first!.bytes.length);
  });

  it('that changes under way keeps the session: the answer goes to the new one', async () => {
    const pair = new SimPair();
    counting(pair, 'echo', { early: 'safe' });
    await pair.run(pair.peer.call('echo', 1));
    // A NAT gives the client another port: what the client sends arrives from there.
    const call = pair.peer.call('echo', 2);
    await pair.pass(2);
    expect(await pair.run(call)).toBe(2);
    const before = pair.server.stats.sessionsEstablished;
    expect(await pair.run(pair.peer.call('echo', 3))).toBe(3);
    expect(pair.server.stats.sessionsEstablished).toBe(before);
  });
});

describe('a client that is gone', () => {
  const NEVER = { deadline: Number.POSITIVE_INFINITY };

  // P-58
  it('has its handlers told after a minute', async () => {
    const pair = new SimPair();
    let toldAtMs: number | undefined;
    pair.server.handle('hang', (_body, { signal }) => {
      signal.addEventListener('abort', () => {
        toldAtMs = pair.clock.now();
      });
      return new Promise(() => {});
    });
    pair.peer.call('hang', null, NEVER).catch(() => {});
    await pair.pass(30_000);
    // A client that is there asks again and again, and may wait as long as it likes.
    await pair.pass(90_000);
    expect(toldAtMs).toBeUndefined();
    pair.network.crash(CLIENT_HOST);
    await pair.pass(59_000);
    expect(toldAtMs).toBeUndefined();
    await pair.pass(2_000);
    expect(toldAtMs).toBeGreaterThan(120_000);
    expect(pair.server.status().gauges).toMatchObject({ runningRequests: 0 });
  });

  // P-58
  it('and comes back after that learns that nobody knows the outcome', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}));
    const call = pair.peer.call('hang', null, NEVER);
    const outcome = outcomes([call]);
    await pair.pass(1000);
    pair.network.pause(CLIENT_HOST);
    await pair.pass(90_000);
    pair.network.resume(CLIENT_HOST);
    expect(await pair.run(outcome)).toEqual(['OUTCOME_UNKNOWN']);
    expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
  });
});

describe('datagrams that are nobody’s', () => {
  it('are dropped, and answered by no more bytes than they had', async () => {
    const pair = new SimPair();
    const stranger = pair.network.open('10.6.6.6', 666);
    const random = pair.random.fork('noise');
    let sentBytes = 0;
    for (let i = 0; i < 3000; i++) {
      const bytes = random.bytes(random.int(0, 100));
      if (random.chance(0.8) && bytes.length > 0) bytes[0] = 0x10 | random.int(0, 6);
      sentBytes += bytes.length;
      stranger.send(bytes, { host: SERVER_HOST, port: SERVER_PORT });
    }
    await pair.pass(10_000);
    expect(pair.bytesTo('10.6.6.6')).toBeLessThanOrEqual(sentBytes);
    expect(pair.server.stats.datagramsDropped).toBe(3000);
    counting(pair, 'echo');
    expect(await pair.run(pair.peer.call('echo', 'still here'))).toBe('still here');
  });
});
