// What the driver does when the operating system does not take datagrams as fast as they are made.

import { describe, expect, test } from 'vitest';
import type { DatagramSocket, SocketAddress } from '../../src/datagram/datagram-socket.ts';
import { DatagramTransport } from '../../src/datagram/datagram-transport.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { addressAt, identityAt } from '../../src/sim/transport.ts';

/** Takes nothing before it is told to. */
class StuckSocket implements DatagramSocket {
  readonly local: SocketAddress = { host: '127.0.0.1', port: 1 };
  queuedBytes = 0;
  sent = 0;
  /** What it has been given to read, and what that was then. */
  readonly queue: { readonly bytes: Uint8Array; readonly asSent: Uint8Array }[] = [];
  onTaken: () => void = () => {};
  onDatagram: (bytes: Uint8Array, from: SocketAddress) => void = () => {};
  onSendError: (to: SocketAddress, code: string, sizeBytes: number) => void = () => {};

  datagramCeilingBytes(): number {
    return 1452;
  }

  send(bytes: Uint8Array): void {
    this.queuedBytes += bytes.length;
    this.sent++;
    this.queue.push({ bytes, asSent: new Uint8Array(bytes) });
  }

  take(bytes: number): void {
    this.queuedBytes -= bytes;
    this.onTaken();
  }

  async close(): Promise<void> {}
}

function transportOn(socket: DatagramSocket, clock: VirtualClock): DatagramTransport {
  return new DatagramTransport(socket, {
    clock,
    random: new SeededRandom(1),
    unixMs: () => 0,
    identity: identityAt('10.0.0.1', 1),
    swissnum: 'swissnum',
    soon: (task) => void clock.setTimer(0, task),
    resolve: async (host) => host,
  });
}

// P-75
test('a full socket is given no more datagrams until it has taken half; what waits can be taken back', async () => {
  const clock = new VirtualClock();
  const socket = new StuckSocket();
  const transport = transportOn(socket, clock);
  const caller = new AbortController();
  // A first datagram to each of so many strangers.
  const calls = Array.from({ length: 10_000 }, (_, i) =>
    transport.peer(addressAt(`10.0.${i >> 8}.${i & 255}`, 4820)).call('hi', null, { signal: caller.signal }),
  );
  const settled = Promise.allSettled(calls);
  await clock.run({ forMs: 1 });
  const limitBytes = 4 * 1024 * 1024;
  expect(socket.queuedBytes).toBeGreaterThan(limitBytes);
  expect(socket.queuedBytes).toBeLessThanOrEqual(limitBytes + 1452);
  const { sent } = socket;
  socket.take(limitBytes / 4);
  await clock.run({ forMs: 1 });
  expect(socket.sent).toBe(sent);
  socket.take(limitBytes / 2);
  await clock.run({ forMs: 1 });
  expect(socket.sent).toBeGreaterThan(sent);
  expect(transport.status().gauges).toMatchObject({ socketQueuedBytes: socket.queuedBytes });
  const before = socket.sent;
  caller.abort(new Error('enough'));
  socket.take(socket.queuedBytes);
  await clock.run({ forMs: 1 });
  expect(socket.sent).toBe(before);
  await settled;
  await transport.close();
});

describe('the memory of datagrams', () => {
  /** Sends a first datagram to one stranger after the other. */
  async function sendTo(socket: StuckSocket, strangers: number): Promise<void> {
    const clock = new VirtualClock();
    await using transport = transportOn(socket, clock);
    for (let i = 0; i < strangers; i++) {
      transport
        .peer(addressAt(`10.0.0.${i + 2}`, 4820))
        .call('hi', null)
        .catch(() => {});
      await clock.run({ forMs: 1 });
    }
  }

  test('is left alone while the operating system has not taken all of them', async () => {
    const socket = new StuckSocket();
    await sendTo(socket, 20);
    expect(socket.queue.length).toBeGreaterThanOrEqual(20);
    for (const { bytes, asSent } of socket.queue) expect(Buffer.compare(bytes, asSent)).toBe(0);
  });

  test('is used again as soon as it has', async () => {
    class QuickSocket extends StuckSocket {
      override send(bytes: Uint8Array): void {
        super.send(bytes);
        this.queuedBytes = 0;
      }
    }
    const socket = new QuickSocket();
    await sendTo(socket, 20);
    const places = new Set(socket.queue.map(({ bytes }) => bytes.byteOffset));
    expect(socket.queue.length).toBeGreaterThanOrEqual(20);
    expect([...places]).toEqual([0]);
    expect(new Set(socket.queue.map(({ bytes }) => bytes.buffer)).size).toBe(1);
  });
});
