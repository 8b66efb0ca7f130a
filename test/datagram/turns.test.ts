// What the driver does within one turn of the event loop that brings or takes much.

import { describe, expect, test } from 'vitest';
import type { DatagramSocket, SocketAddress } from '../../src/datagram/datagram-socket.ts';
import { DatagramTransport } from '../../src/datagram/datagram-transport.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { identityAt } from '../../src/sim/transport.ts';

/** What it sends waits until the test has it arrive. */
class WaitingSocket implements DatagramSocket {
  readonly local: SocketAddress;
  readonly queuedBytes = 0;
  readonly sent: Uint8Array[] = [];
  /** Each datagram takes its sender so long. */
  sendMs = 0;
  spentMs = 0;
  onDatagram: (bytes: Uint8Array, from: SocketAddress) => void = () => {};
  onSendError: (to: SocketAddress, code: string, sizeBytes: number) => void = () => {};

  constructor(host: string) {
    this.local = { host, port: 1 };
  }

  datagramCeilingBytes(): number {
    return 65_507;
  }

  send(bytes: Uint8Array): void {
    this.sent.push(new Uint8Array(bytes));
    this.spentMs += this.sendMs;
  }

  async close(): Promise<void> {}
}

/** A client and a server, whose turns the test makes. */
class Pair {
  readonly client = new WaitingSocket('10.0.0.1');
  readonly server = new WaitingSocket('10.0.0.2');
  readonly transports: readonly [DatagramTransport, DatagramTransport];
  readonly #clock = new VirtualClock();
  #soon: (() => void)[] = [];

  constructor() {
    this.transports = [this.#transportOn(this.client), this.#transportOn(this.server)];
  }

  #transportOn(socket: WaitingSocket): DatagramTransport {
    const { host, port } = socket.local;
    return new DatagramTransport(socket, {
      clock: {
        now: () => this.#clock.now() + socket.spentMs,
        wokeAtMs: () => this.#clock.wokeAtMs(),
        setTimer: (delayMs, fire) => this.#clock.setTimer(delayMs, fire),
      },
      random: new SeededRandom(port),
      unixMs: () => 0,
      identity: identityAt(host, port),
      swissnum: 'swissnum',
      soon: (task) => void this.#soon.push(task),
      resolve: async (name) => name,
    });
  }

  /** All that waits arrives in one turn at the server, then in one at the client. `onServerRead`: before its turn ends. */
  async turns(onServerRead: (bytes: number) => void): Promise<void> {
    for (const [from, to] of [
      [this.client, this.server],
      [this.server, this.client],
    ] as const) {
      const arriving = from.sent.splice(0);
      for (const bytes of arriving) to.onDatagram(bytes, from.local);
      if (to === this.server) onServerRead(arriving.reduce((sum, { length }) => sum + length, 0));
      for (const task of this.#soon.splice(0)) task();
      await this.#clock.run({ forMs: 0.1 });
      for (const task of this.#soon.splice(0)) task();
    }
  }
}

async function upload(pair: Pair, onServerRead: (bytes: number) => void = () => {}): Promise<void> {
  const [client, server] = pair.transports;
  server.handle('take', (bytes) => (bytes as Uint8Array).length);
  let answer: unknown;
  const call = client.peer(server.address).call('take', new Uint8Array(12_000_000), { deadline: 60_000 });
  void call.then((value) => {
    answer = value;
  });
  for (let turn = 0; turn < 2000 && answer === undefined; turn++) await pair.turns(onServerRead);
  expect(answer).toBe(12_000_000);
}

describe('a turn of the event loop', () => {
  // P-15
  test('in which many small calls begin sends the first of them before it is over, and few at its end together', async () => {
    const pair = new Pair();
    const [client, server] = pair.transports;
    server.handle('echo', (body) => body, { early: 'safe' });
    const peer = client.peer(server.address);
    const first = peer.call('echo', new Uint8Array(64));
    for (let turn = 0; turn < 5; turn++) await pair.turns(() => {});
    await first;
    const calls = Array.from({ length: 20 }, () => peer.call('echo', new Uint8Array(64)));
    expect(pair.client.sent).toEqual([]);
    for (let i = 0; i < 108; i++) calls.push(peer.call('echo', new Uint8Array(64)));
    expect(pair.client.sent.length).toBeGreaterThan(1);
    let sentByServer = 0;
    await pair.turns(() => {
      sentByServer = pair.server.sent.length;
    });
    expect(sentByServer).toBeGreaterThan(1);
    for (let turn = 0; turn < 20; turn++) await pair.turns(() => {});
    expect(await Promise.all(calls)).toHaveLength(128);
  });

  // P-15
  test('that brings more than 512 KiB is answered before it is over, one that brings less after it', async () => {
    const pair = new Pair();
    const turns: { readonly bytes: number; readonly answers: number }[] = [];
    await upload(pair, (bytes) => turns.push({ bytes, answers: pair.server.sent.length }));
    const long = turns.filter(({ bytes }) => bytes > 640 * 1024);
    const short = turns.filter(({ bytes }) => bytes > 0 && bytes < 400 * 1024);
    expect(long.length).toBeGreaterThan(3);
    expect(short.length).toBeGreaterThan(3);
    for (const { bytes, answers } of long)
      expect(answers).toBeGreaterThanOrEqual(Math.floor(bytes / (640 * 1024)));
    for (const { answers } of short) expect(answers).toBe(0);
  });

  // P-83
  test('that takes long to send neither makes round trips seem longer, nor hides that datagrams may be', async () => {
    const pair = new Pair();
    pair.client.sendMs = 0.2;
    await upload(pair);
    const { rtt, path } = pair.transports[0].status().peers[0]!;
    expect(path?.datagramBytes).toBe(65_000);
    // A turn of 30 datagrams takes 6 ms; the network, 0.1.
    expect(rtt?.smoothedMs).toBeLessThan(2);
  });
});
