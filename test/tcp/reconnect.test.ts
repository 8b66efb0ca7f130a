// Connections that are refused, lost, unanswered or not used: what callers are told, and when it is tried again.

import { describe, expect, test } from 'vitest';
import { DEFAULT_TCP_CONFIG } from '../../src/tcp/config.ts';
import { CLIENT, outcomes, PORT, SERVER, TcpPair } from './tcp-pair.ts';

const NEVER = { deadline: Number.POSITIVE_INFINITY };

describe('the connection to a peer', () => {
  test('is one for all calls, and made by the first', async () => {
    const pair = new TcpPair();
    pair.server.handle('echo', (request) => request);
    await pair.pass(1000);
    expect(pair.server.stats.connectionsAccepted).toBe(0);
    await pair.run(Promise.all([1, 2, 3].map((number) => pair.peer.call('echo', number))));
    await pair.run(pair.peer.call('echo', 4));
    expect(pair.server.stats.connectionsAccepted).toBe(1);
  });

  test('is closed when nobody has used it for a while, and made again', async () => {
    const pair = new TcpPair();
    pair.server.handle('echo', (request) => request);
    await pair.run(pair.peer.call('echo', 1));
    await pair.pass(DEFAULT_TCP_CONFIG.idleCloseMs - 1000);
    expect(pair.net.openSockets).toBe(4);
    await pair.pass(2000);
    expect(pair.net.openSockets).toBe(2);
    expect(await pair.run(pair.peer.call('echo', 2))).toBe(2);
    expect(pair.events).toEqual([]);
  });

  test('stays while a handler takes long: PINGs are answered', async () => {
    const pair = new TcpPair();
    pair.server.handle(
      'slow',
      () => new Promise((resolve) => pair.clock.setTimer(3_600_000 / 2, () => resolve('done'))),
    );
    expect(await pair.run(pair.peer.call('slow', null, NEVER))).toBe('done');
    expect(pair.server.stats.connectionsAccepted).toBe(1);
    expect(pair.events).toEqual([]);
  });
});

describe('a connection that is lost', () => {
  test('leaves open whether a request that was written whole has run', async () => {
    const pair = new TcpPair();
    pair.server.handle('hang', () => new Promise(() => {}));
    const calls = [pair.peer.call('hang', 1), pair.peer.call('hang', 2)];
    const told = outcomes(calls);
    await pair.pass(100);
    pair.net.breakAll('ECONNRESET');
    expect(await pair.run(told)).toEqual([
      'OUTCOME_UNKNOWN, executed: unknown',
      'OUTCOME_UNKNOWN, executed: unknown',
    ]);
  });

  test('is made again for idempotent calls, which run again', async () => {
    const pair = new TcpPair();
    let runs = 0;
    pair.server.handle('work', () => (++runs === 1 ? new Promise(() => {}) : 'the second time'));
    const call = pair.peer.call('work', null, { idempotent: true });
    await pair.pass(100);
    expect(runs).toBe(1);
    pair.net.breakAll('ETIMEDOUT');
    expect(await pair.run(call)).toBe('the second time');
    expect(pair.client.stats.callsRepeated).toBe(1);
  });

  test('does not make unsaid that a call may have run over it', async () => {
    const pair = new TcpPair();
    pair.server.handle('work', () => new Promise(() => {}));
    const told = outcomes([pair.peer.call('work', null, { idempotent: true })]);
    await pair.pass(100);
    pair.net.crash(SERVER);
    // The process that is started next does not know the method: it has not run it.
    pair.startServer();
    expect(await pair.run(told)).toEqual(['UNKNOWN_METHOD, executed: unknown']);
  });

  test('is made again for a request that was written in part, which has not run', async () => {
    const pair = new TcpPair({ bufferBytes: 100_000 });
    const sizes: number[] = [];
    pair.server.handle('work', (request) => {
      sizes.push((request as Uint8Array).length);
      return 'done';
    });
    pair.net.freeze(SERVER);
    const call = pair.peer.call('work', new Uint8Array(3_000_000));
    await pair.pass(1000);
    pair.net.breakAll('ECONNRESET');
    pair.net.thaw(SERVER);
    expect(await pair.run(call)).toBe('done');
    expect(sizes).toEqual([3_000_000]);
  });

  test('in the middle of an answer leaves open what it was', async () => {
    const pair = new TcpPair({ bufferBytes: 100_000 });
    pair.server.handle('work', () => new Uint8Array(3_000_000));
    const told = outcomes([pair.peer.call('work', null)]);
    await pair.pass(32);
    pair.net.breakAll('ECONNRESET');
    expect(await pair.run(told)).toEqual(['OUTCOME_UNKNOWN, executed: unknown']);
  });

  test('without a call that needs it is not made again', async () => {
    const pair = new TcpPair();
    pair.server.handle('echo', (request) => request);
    await pair.run(pair.peer.call('echo', 1));
    pair.net.breakAll('ECONNRESET');
    await pair.pass(60_000);
    expect(pair.server.stats.connectionsAccepted).toBe(1);
    expect(pair.peer.health).toBe('live');
    expect(await pair.run(pair.peer.call('echo', 2))).toBe(2);
  });

  test('again and again is made again after a growing, uneven time', async () => {
    const pair = new TcpPair();
    const atMs: number[] = [];
    pair.server.handle('work', () => {
      atMs.push(pair.clock.now());
      pair.net.breakAll('ECONNRESET');
      return null;
    });
    const told = outcomes([pair.peer.call('work', null, { idempotent: true, deadline: 60_000 })]);
    expect(await pair.run(told)).toEqual(['DEADLINE_EXCEEDED, executed: unknown']);
    const distances = atMs.slice(1).map((time, index) => time - atMs[index]!);
    expect(distances.length).toBeGreaterThan(6);
    expect(distances.length).toBeLessThan(15);
    const { reconnectMinMs } = DEFAULT_TCP_CONFIG;
    for (const [index, distanceMs] of distances.entries()) {
      // The way there and back, and 0.5 to 1.5 times the doubling distance.
      expect(distanceMs).toBeGreaterThanOrEqual(10 + 0.5 * reconnectMinMs * 2 ** index);
      expect(distanceMs).toBeLessThanOrEqual(30 + 1.5 * reconnectMinMs * 2 ** index);
    }
    expect(
      new Set(distances.map((distanceMs, index) => Math.round(distanceMs / 2 ** index))).size,
    ).toBeGreaterThan(3);
  });
});

describe('a peer that is not there', () => {
  test('because nobody listens at its port is unreachable, after a moment for a restart', async () => {
    const pair = new TcpPair();
    await pair.server.close();
    const startedAtMs = pair.clock.now();
    const told = outcomes([pair.peer.call('work', 1), pair.peer.call('work', 2, NEVER)]);
    expect(await pair.run(told)).toEqual([
      'PEER_UNREACHABLE, executed: no',
      'PEER_UNREACHABLE, executed: no',
    ]);
    const afterMs = pair.clock.now() - startedAtMs;
    expect(afterMs).toBeGreaterThanOrEqual(DEFAULT_TCP_CONFIG.connectGiveUpMs);
    expect(afterMs).toBeLessThan(2 * DEFAULT_TCP_CONFIG.connectGiveUpMs + 500);
    expect(pair.events).toEqual([
      expect.objectContaining({ type: 'peer:silent', why: 'refused', failedCalls: 2 }),
    ]);
  });

  test('but starts to listen in that moment gets the call', async () => {
    const pair = new TcpPair();
    await pair.server.close();
    const call = pair.peer.call('work', null);
    await pair.pass(400);
    pair.startServer().handle('work', () => 'done');
    expect(await pair.run(call)).toBe('done');
    expect(pair.events).toEqual([]);
  });

  test('because its machine has vanished is silent when three SYNs are not answered', async () => {
    const pair = new TcpPair();
    pair.net.vanish(SERVER);
    const told = outcomes([pair.peer.call('work', null, NEVER)]);
    expect(await pair.run(told)).toEqual(['PEER_SILENT, executed: no']);
    expect(pair.clock.now()).toBe(DEFAULT_TCP_CONFIG.connectTimeoutMs);
    expect(pair.events).toEqual([expect.objectContaining({ why: 'vanished', failedCalls: 1 })]);
  });

  test('because its process is frozen is silent, though its system takes the connection and the bytes', async () => {
    const pair = new TcpPair();
    pair.net.freeze(SERVER);
    const told = outcomes([pair.peer.call('work', null, NEVER)]);
    expect(await pair.run(told)).toEqual(['PEER_SILENT, executed: no']);
    const { pingAfterMs, pingTimeoutMs } = DEFAULT_TCP_CONFIG;
    expect(pair.clock.now()).toBe(10 + pingAfterMs + pingTimeoutMs);
    expect(pair.events).toEqual([expect.objectContaining({ why: 'frozen', failedCalls: 1 })]);
    expect(pair.client.status().silentPeers).toMatchObject([{ why: 'frozen' }]);
  });

  test('is not kept alive by what others call it for', async () => {
    const pair = new TcpPair();
    pair.server.handle('hang', () => new Promise(() => {}));
    const first = outcomes([pair.peer.call('hang', 0, NEVER)]);
    await pair.pass(100);
    pair.net.vanish(SERVER);
    const later = Array.from({ length: 20 }, async (_, second) => {
      await new Promise<void>((resolve) => pair.clock.setTimer(1000 * second, resolve));
      return outcomes([pair.peer.call('hang', second, NEVER)]);
    });
    await pair.run(first);
    expect(pair.clock.now()).toBeLessThan(16_000);
    const codes = (await pair.run(Promise.all(later))).flat();
    expect(codes.at(0)).toBe('PEER_SILENT, executed: unknown');
    expect(codes.at(-1)).toBe('PEER_SILENT, executed: no');
  });

  test('is looked for with growing distance, at once told of when it is back, and then called', async () => {
    const pair = new TcpPair();
    await pair.server.close();
    await pair.run(outcomes([pair.peer.call('work', null)]));
    await pair.pass(600_000);
    pair.startServer().handle('work', () => 'done');
    await pair.pass(1.5 * DEFAULT_TCP_CONFIG.reconnectMaxMs + 100);
    expect(pair.events.map(({ type }) => type)).toEqual(['peer:silent', 'peer:back']);
    expect(pair.peer.health).toBe('live');
    expect(await pair.run(pair.peer.call('work', null))).toBe('done');
  });

  test('is looked for sooner when somebody wants it', async () => {
    const pair = new TcpPair();
    await pair.server.close();
    await pair.run(outcomes([pair.peer.call('work', null)]));
    await pair.pass(600_000);
    pair.startServer().handle('work', () => 'done');
    expect(await pair.run(outcomes([pair.peer.call('work', null)]))).toEqual(['PEER_SILENT, executed: no']);
    await pair.pass(DEFAULT_TCP_CONFIG.silentProbeMinMs + 100);
    expect(await pair.run(pair.peer.call('work', null))).toBe('done');
  });

  test('was frozen and is thawed: the connection that waited for it is used', async () => {
    const pair = new TcpPair();
    pair.server.handle('echo', (request) => request);
    pair.net.freeze(SERVER);
    await pair.run(outcomes([pair.peer.call('echo', 1)]));
    await pair.pass(120_000);
    pair.net.thaw(SERVER);
    await pair.pass(100);
    expect(pair.events.map(({ type }) => type)).toEqual(['peer:silent', 'peer:back']);
    expect(await pair.run(pair.peer.call('echo', 2))).toBe(2);
  });
});

describe('a large message on its way', () => {
  test('is a sign of life, however slowly the other side takes it', async () => {
    const pair = new TcpPair({ bufferBytes: 50_000, config: { batchBytes: 20_000, pieceBytes: 10_000 } });
    pair.server.handle('work', () => 'done');
    let frozen = false;
    const call = pair.peer.call('work', new Uint8Array(1_000_000), NEVER);
    // The server runs for a moment every ten seconds: less than the limit in between.
    const blink = (): void => {
      frozen = !frozen;
      if (frozen) pair.net.freeze(SERVER);
      else pair.net.thaw(SERVER);
      pair.clock.setTimer(frozen ? 10_000 : 6, blink);
    };
    blink();
    expect(await pair.run(call)).toBe('done');
    expect(pair.clock.now()).toBeGreaterThan(60_000);
    expect(pair.events).toEqual([]);
  });
});

test('a server that is something else is told apart', async () => {
  const pair = new TcpPair();
  await pair.server.close();
  const other = pair.net.listen(SERVER, PORT);
  other.onStream = (stream) => stream.write([Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]);
  expect(await pair.run(outcomes([pair.peer.call('work', null)]))).toEqual(['BAD_MESSAGE, executed: no']);
});

test('the time in which our own process stood still is nobody’s silence', async () => {
  const pair = new TcpPair();
  pair.server.handle('slow', () => new Promise((done) => pair.clock.setTimer(100_000, () => done('done'))));
  const call = pair.peer.call('slow', null, NEVER);
  await pair.pass(DEFAULT_TCP_CONFIG.pingAfterMs + 27);
  expect(pair.peer.health).toBe('suspect');
  // The PING has left; its answer, and the time limit, come while nothing runs here.
  pair.net.freeze(CLIENT);
  await pair.pass(60_000);
  pair.net.thaw(CLIENT);
  expect(await pair.run(call)).toBe('done');
  expect(pair.events).toEqual([]);
});
