import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DatagramSocket } from '../../src/datagram/datagram-socket.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import type { LinkSettings } from '../../src/sim/link.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { NetworkEvent } from '../../src/sim/trace.ts';

const A = '10.0.0.1';
const B = '10.0.0.2';

interface Received {
  readonly atMs: number;
  readonly bytes: Uint8Array;
  readonly from: string;
}

function setUp(
  link: Partial<LinkSettings> = {},
  options: { seed?: string; receiveBufferBytes?: number } = {},
) {
  const clock = new VirtualClock();
  const random = new SeededRandom(options.seed ?? 'network');
  const events: NetworkEvent[] = [];
  const network = new SimNetwork({
    clock,
    random,
    link,
    receiveBufferBytes: options.receiveBufferBytes,
    trace: (event) => events.push(event),
  });
  const a = network.open(A, 1);
  const b = network.open(B, 2);
  return { clock, network, events, a, b, atA: listen(clock, a), atB: listen(clock, b) };
}

function listen(clock: VirtualClock, socket: DatagramSocket): Received[] {
  const received: Received[] = [];
  socket.onDatagram = (bytes, from) => {
    received.push({ atMs: clock.now(), bytes, from: `${from.host}:${from.port}` });
  };
  return received;
}

/** A datagram that can be told from others by its number. */
function numbered(number: number, sizeBytes = 1200): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function numbers(received: readonly Received[]): number[] {
  return received.map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
}

describe('a quiet link', () => {
  test('delivers a copy after its latency, and says who sent it', async () => {
    const { clock, a, b, atB, network } = setUp({ latencyMs: 25 });
    const bytes = Uint8Array.of(1, 2, 3);
    a.send(bytes, b.local);
    bytes.fill(9);
    expect(atB).toEqual([]);
    await clock.run();
    expect(atB).toEqual([{ atMs: 25, bytes: Uint8Array.of(1, 2, 3), from: `${A}:1` }]);
    expect(network.counters).toMatchObject({ sent: 1, delivered: 1, lost: 0 });
    expect([network.sentBytes, network.deliveredBytes]).toEqual([3, 3]);
  });

  test('keeps order, even under jitter', async () => {
    const { clock, a, b, atB } = setUp({ latencyMs: 5, jitterMs: 30 });
    for (let i = 0; i < 200; i++) {
      clock.setTimer(i * 0.7, () => a.send(numbered(i), b.local));
    }
    await clock.run();
    expect(numbers(atB)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test('two sockets of one host reach each other, and a host itself', async () => {
    const { clock, network, a, atA } = setUp({ latencyMs: 1 });
    const other = network.open(A);
    other.send(numbered(1), a.local);
    a.send(numbered(2), a.local);
    await clock.run();
    expect(numbers(atA)).toEqual([1, 2]);
  });

  test('an event trace names kind, time and addresses', async () => {
    const { clock, a, b, events } = setUp({ latencyMs: 3 });
    a.send(numbered(1), b.local);
    await clock.run();
    expect(events.map((event) => [event.kind, event.atMs, event.datagram.to.port])).toEqual([
      ['sent', 0, 2],
      ['delivered', 3, 2],
    ]);
  });
});

describe('faults of a link', () => {
  test('lose about as many datagrams as they should', async () => {
    const { clock, a, b, atB, network } = setUp({ lossProbability: 0.2 });
    for (let i = 0; i < 5000; i++) a.send(numbered(i, 8), b.local);
    await clock.run();
    // Standard deviation 28; five of them on each side.
    expect(Math.abs(network.counters.lost - 1000)).toBeLessThan(140);
    expect(atB).toHaveLength(5000 - network.counters.lost);
  });

  test('lose everything for a while, in a burst', async () => {
    const { clock, a, b, atB, network } = setUp({ burstProbability: 1, burstMs: 50 });
    a.send(numbered(0), b.local);
    clock.setTimer(20, () => network.setDefaultLink({ burstProbability: 1e-9 }));
    for (const atMs of [30, 49, 50, 60]) clock.setTimer(atMs, () => a.send(numbered(atMs), b.local));
    await clock.run();
    expect(numbers(atB)).toEqual([50, 60]);
    expect(network.counters.lost).toBe(3);
  });

  test('duplicate, and the copy has its own bytes', async () => {
    const { clock, a, b, atB } = setUp({ duplicateProbability: 1, reorderMs: 10 });
    a.send(numbered(7), b.local);
    await clock.run();
    expect(numbers(atB)).toEqual([7, 7]);
    expect(atB[0]!.bytes.buffer).not.toBe(atB[1]!.bytes.buffer);
  });

  test('reorder: some come late and nothing waits for them', async () => {
    const { clock, a, b, atB, network } = setUp({ latencyMs: 1, reorderProbability: 0.3, reorderMs: 20 });
    for (let i = 0; i < 100; i++) clock.setTimer(i, () => a.send(numbered(i), b.local));
    await clock.run();
    const order = numbers(atB);
    expect(order.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(order).not.toEqual(order.toSorted((x, y) => x - y));
    expect(network.counters.reordered).toBeGreaterThan(10);
    for (const { atMs, bytes } of atB) {
      const sentAtMs = new DataView(bytes.buffer).getUint32(0);
      expect(atMs - sentAtMs).toBeGreaterThanOrEqual(1);
      expect(atMs - sentAtMs).toBeLessThanOrEqual(21);
    }
  });

  test('corrupt one to three bits and nothing of what the sender holds', async () => {
    const { clock, a, b, atB } = setUp({ corruptProbability: 1 });
    const sent = numbered(0, 64);
    for (let i = 0; i < 200; i++) a.send(sent, b.local);
    a.send(new Uint8Array(0), b.local);
    await clock.run();
    expect(sent).toEqual(numbered(0, 64));
    expect(atB).toHaveLength(201);
    for (const { bytes } of atB.slice(0, 200)) {
      const flipped = bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
      expect(flipped).toBeLessThanOrEqual(3);
    }
    expect(atB.some(({ bytes }) => bytes.some((byte) => byte !== 0))).toBe(true);
  });

  test('hold everything up in a spike', async () => {
    const { clock, a, b, atB, network } = setUp({ latencyMs: 1, spikeProbability: 1, spikeMs: 100 });
    a.send(numbered(1), b.local);
    network.setDefaultLink({ spikeProbability: 0 });
    clock.setTimer(10, () => a.send(numbered(2), b.local));
    await clock.run();
    expect(atB.map(({ atMs }) => atMs)).toEqual([101, 101]);
    expect(numbers(atB)).toEqual([1, 2]);
  });

  test('swallow what is larger than the MTU', async () => {
    const { clock, network, a, b, atB } = setUp({ mtuBytes: 1300, interfaceBytes: 9000 });
    expect(a.datagramCeilingBytes(b.local)).toBe(9000);
    a.send(numbered(1, 1300), b.local);
    a.send(numbered(2, 1301), b.local);
    await clock.run();
    expect(numbers(atB)).toEqual([1]);
    expect(network.counters['too-large']).toBe(1);
  });

  test('work in one direction only where they were set for one', async () => {
    const { clock, network, a, b, atA, atB } = setUp({ latencyMs: 2 });
    network.setLink(A, B, { lossProbability: 1 });
    network.setLink(B, A, { latencyMs: 9 });
    network.setDefaultLink({ latencyMs: 4 });
    a.send(numbered(1), b.local);
    b.send(numbered(2), a.local);
    await clock.run();
    expect(atB).toEqual([]);
    expect(atA.map(({ atMs }) => atMs)).toEqual([9]);
  });
});

describe('bandwidth', () => {
  test('spaces datagrams and drops what its queue cannot hold', async () => {
    const { clock, network, a, b, atB } = setUp({
      latencyMs: 10,
      bandwidthBytesPerMs: 1000,
      queueBytes: 3000,
    });
    for (let i = 0; i < 6; i++) a.send(numbered(i, 1000), b.local);
    await clock.run();
    expect(atB.map(({ atMs }) => atMs)).toEqual([11, 12, 13]);
    expect(network.counters['queue-full']).toBe(3);
    a.send(numbered(9, 1000), b.local);
    await clock.run();
    expect(atB.at(-1)!.atMs).toBe(24);
  });

  test("of a host's uplink is shared by all whom it sends to", async () => {
    const { clock, network, a, b, atB } = setUp({ latencyMs: 1 });
    const c = network.open('10.0.0.3', 3);
    const atC = listen(clock, c);
    network.setUplink(A, { bandwidthBytesPerMs: 100, queueBytes: 1e6 });
    a.send(numbered(1, 1000), b.local);
    a.send(numbered(2, 1000), c.local);
    await clock.run();
    expect([atB[0]!.atMs, atC[0]!.atMs]).toEqual([11, 21]);
  });

  test("of a host's downlink is shared by all who send to it, and overflows", async () => {
    const { clock, network, a, b, atA } = setUp({ latencyMs: 1 });
    const c = network.open('10.0.0.3', 3);
    network.setDownlink(A, { bandwidthBytesPerMs: 100, queueBytes: 2000 });
    b.send(numbered(1, 1000), a.local);
    c.send(numbered(2, 1000), a.local);
    c.send(numbered(3, 1000), a.local);
    await clock.run();
    expect(atA.map(({ atMs }) => atMs)).toEqual([11, 21]);
    expect(network.counters['queue-full']).toBe(1);
    network.setDownlink(A, undefined);
    c.send(numbered(4, 1000), a.local);
    await clock.run();
    expect(atA.at(-1)!.atMs).toBe(22);
  });
});

describe('partitions', () => {
  test('cut one direction, what is under way too, until mended', async () => {
    const { clock, network, a, b, atA, atB } = setUp({ latencyMs: 10 });
    a.send(numbered(1), b.local);
    clock.setTimer(5, () => network.cut(A, B));
    clock.setTimer(6, () => {
      a.send(numbered(2), b.local);
      b.send(numbered(3), a.local);
    });
    clock.setTimer(20, () => {
      network.mend(A, B);
      a.send(numbered(4), b.local);
    });
    await clock.run();
    expect(numbers(atB)).toEqual([4]);
    expect(numbers(atA)).toEqual([3]);
    expect(network.counters.partitioned).toBe(2);
  });

  test('separate groups, and a blackhole swallows both directions; heal ends both and the faults', async () => {
    const { clock, network, a, b, atA, atB } = setUp({ lossProbability: 1, latencyMs: 7 });
    const c = network.open('10.0.0.3', 3);
    const atC = listen(clock, c);
    network.setDefaultLink({ lossProbability: 0 });
    network.setLink(A, B, { corruptProbability: 1 });
    network.partition([A], [B]);
    network.blackhole('10.0.0.3');
    const sendAll = () => {
      a.send(numbered(1), b.local);
      b.send(numbered(2), a.local);
      c.send(numbered(3), a.local);
      a.send(numbered(4), c.local);
    };
    sendAll();
    await clock.run();
    expect([atA, atB, atC]).toEqual([[], [], []]);
    expect(network.counters).toMatchObject({ partitioned: 2, blackholed: 2 });
    network.heal();
    sendAll();
    await clock.run();
    expect([numbers(atA), numbers(atB), numbers(atC)]).toEqual([[2, 3], [1], [4]]);
    expect(atB[0]!.atMs).toBe(7);
    expect(network.counters.corrupted).toBe(0);
  });

  test('a host without a route, or a datagram beyond UDP, comes back as an error of the socket', async () => {
    const { clock, network, a, b, atB } = setUp();
    const errors: string[] = [];
    a.onSendError = (to, code) => errors.push(`${to.host} ${code}`);
    network.setReachable(B, false);
    a.send(numbered(1), b.local);
    expect(errors).toEqual([]);
    await clock.run();
    network.setReachable(B, true);
    a.send(new Uint8Array(65_508), b.local);
    a.send(numbered(2, 65_507), b.local);
    await clock.run();
    expect(errors).toEqual([`${B} ENETUNREACH`, `${B} EMSGSIZE`]);
    expect(numbers(atB)).toEqual([2]);
    expect(network.counters).toMatchObject({ refused: 2, sent: 1 });
  });
});

describe('a paused host', () => {
  test('gets nothing until it is resumed; then its timers first, its datagrams in order', async () => {
    const { clock, network, a, b } = setUp({ latencyMs: 1 });
    const seen: string[] = [];
    b.onDatagram = (bytes) => seen.push(`datagram ${bytes[0]} at ${clock.now()}`);
    const bClock = network.clockOf(B);
    bClock.setTimer(50, () => seen.push(`timer 50 at ${bClock.now()}`));
    bClock.setTimer(2000, () => seen.push(`timer 2000 at ${bClock.now()}`));
    bClock.setTimer(60, () => seen.push('cancelled')).cancel();
    network.clockOf(A).setTimer(70, () => seen.push(`timer of A at ${clock.now()}`));
    network.pause(B);
    a.send(Uint8Array.of(1), b.local);
    a.send(Uint8Array.of(2), b.local);
    clock.setTimer(1000, () => network.resume(B));
    await clock.run();
    expect(seen).toEqual([
      'timer of A at 70',
      'timer 50 at 1000',
      'datagram 1 at 1000',
      'datagram 2 at 1000',
      'timer 2000 at 2000',
    ]);
  });

  test('a timer that came due while frozen can still be cancelled by the first turn after it', async () => {
    const { clock, network } = setUp();
    const bClock = network.clockOf(B);
    const seen: string[] = [];
    bClock.setTimer(10, () => {
      seen.push('first');
      second.cancel();
    });
    const second = bClock.setTimer(20, () => seen.push('second'));
    network.pause(B);
    clock.setTimer(100, () => network.resume(B));
    await clock.run();
    expect(seen).toEqual(['first']);
    expect(clock.armedTimers).toBe(0);
  });

  test('buffers what comes up to its socket buffer, per socket, and drops the rest', async () => {
    const { clock, network, a, b, atB } = setUp({}, { receiveBufferBytes: 3000 });
    network.pause(B);
    for (let i = 0; i < 5; i++) a.send(numbered(i, 1000), b.local);
    await clock.run();
    expect(network.counters['buffer-full']).toBe(2);
    network.resume(B);
    await clock.run();
    expect(numbers(atB)).toEqual([0, 1, 2]);
    a.send(numbered(9, 1000), b.local);
    await clock.run();
    expect(numbers(atB)).toEqual([0, 1, 2, 9]);
  });

  test('sends nothing until it is resumed', async () => {
    const { clock, network, a, b, atB } = setUp({ latencyMs: 1 });
    network.pause(A);
    a.send(numbered(1), b.local);
    await clock.run({ forMs: 100 });
    expect([atB.length, a.queuedBytes]).toEqual([0, 1200]);
    network.resume(A);
    network.resume(A);
    await clock.run();
    expect([atB[0]!.atMs, a.queuedBytes]).toEqual([101, 0]);
  });

  test('paused again before its turn comes stays paused', async () => {
    const { clock, network, a, b, atB } = setUp();
    network.pause(B);
    a.send(numbered(1), b.local);
    await clock.run();
    network.resume(B);
    network.pause(B);
    await clock.run();
    expect(atB).toEqual([]);
    network.resume(B);
    await clock.run();
    expect(numbers(atB)).toEqual([1]);
  });
});

describe('sockets', () => {
  test('a port is bound once, and free again after close', async () => {
    const { network } = setUp();
    expect(() => network.open(A, 1)).toThrow(expect.objectContaining({ code: 'ADDRESS_IN_USE' }));
    const socket = network.open(A);
    expect(socket.local.port).not.toBe(network.open(A).local.port);
    await socket.close();
    await socket.close();
    expect(network.open(A, socket.local.port).local).toEqual(socket.local);
  });

  test('a closed socket neither sends nor receives', async () => {
    const { clock, network, a, b, atB } = setUp({ latencyMs: 5 });
    a.send(numbered(1), b.local);
    await clock.run({ forMs: 1 });
    await b.close();
    b.send(numbered(2), a.local);
    a.send(numbered(3), { host: '10.9.9.9', port: 1 });
    await clock.run();
    expect(atB).toEqual([]);
    expect(network.counters).toMatchObject({ sent: 2, unbound: 2 });
    expect(network.openSockets).toBe(1);
  });

  test('a crash takes timers, sockets and buffers, and the host can start again', async () => {
    const { clock, network, a, b, atB } = setUp({ latencyMs: 1 });
    const seen: string[] = [];
    network.clockOf(B).setTimer(10, () => seen.push('timer of the dead'));
    network.pause(B);
    a.send(numbered(1), b.local);
    b.send(numbered(2), a.local);
    await clock.run({ forMs: 20 });
    network.crash(B);
    b.send(numbered(3), a.local);
    const reborn = network.open(B, 2);
    const atReborn = listen(clock, reborn);
    network.clockOf(B).setTimer(10, () => seen.push('timer of the reborn'));
    a.send(numbered(4), reborn.local);
    await clock.run();
    expect(seen).toEqual(['timer of the reborn']);
    expect(atB).toEqual([]);
    expect(numbers(atReborn)).toEqual([4]);
    expect(clock.armedTimers).toBe(0);
  });
});

describe('a NAT that forgets', () => {
  test('shows a socket at another port, and leads nothing to the old one', async () => {
    const { clock, network, a, b, atA, atB } = setUp({ latencyMs: 1 });
    a.send(numbered(1), b.local);
    network.rebind(A);
    a.send(numbered(2), b.local);
    await clock.run();
    expect(atB.map(({ from }) => from)).toEqual([`${A}:1`, expect.not.stringContaining(`${A}:1`)]);
    b.send(numbered(3), { host: A, port: 1 });
    b.send(numbered(4), { host: A, port: Number(atB[1]!.from.split(':')[1]) });
    await clock.run();
    expect(numbers(atA)).toEqual([4]);
    expect(network.counters.unbound).toBe(1);
    await a.close();
    expect(network.openSockets).toBe(1);
  });
});

describe('a seed', () => {
  async function run(seed: string, disturb = false): Promise<string> {
    const { clock, network, a, b } = setUp(
      {
        jitterMs: 3,
        lossProbability: 0.1,
        duplicateProbability: 0.1,
        reorderProbability: 0.1,
        corruptProbability: 0.05,
        bandwidthBytesPerMs: 5000,
      },
      { seed },
    );
    b.onDatagram = (bytes) => b.send(bytes, a.local);
    for (let i = 0; i < 100; i++) clock.setTimer(i / 3, () => a.send(numbered(i), b.local));
    if (disturb) clock.setTimer(20, () => a.send(Uint8Array.of(1), b.local));
    await clock.run();
    return network.traceHash;
  }

  test('gives the same trace twice, and another seed or another event another trace', async () => {
    const hash = await run('one');
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(await run('one')).toBe(hash);
    expect(await run('two')).not.toBe(hash);
    expect(await run('one', true)).not.toBe(hash);
  });

  test('accounts for every datagram, whatever the faults', async () => {
    const probability = fc.double({ min: 0, max: 0.5, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          jitterMs: fc.nat(20),
          lossProbability: probability,
          duplicateProbability: probability,
          reorderProbability: probability,
          corruptProbability: probability,
          mtuBytes: fc.integer({ min: 500, max: 1500 }),
          bandwidthBytesPerMs: fc.integer({ min: 100, max: 10_000 }),
          queueBytes: fc.integer({ min: 0, max: 5000 }),
        }),
        fc.string(),
        async (link, seed) => {
          const { clock, network, a, b, atB } = setUp(link, { seed });
          for (let i = 0; i < 60; i++)
            clock.setTimer(i / 4, () => a.send(numbered(i, 100 * (1 + (i % 15))), b.local));
          await clock.run();
          const {
            sent,
            delivered,
            lost,
            duplicated,
            'queue-full': queueFull,
            'too-large': tooLarge,
          } = network.counters;
          expect(sent).toBe(60);
          expect(delivered).toBe(sent + duplicated - lost - queueFull - tooLarge);
          expect(atB).toHaveLength(delivered);
        },
      ),
      { numRuns: 30 },
    );
  });
});
