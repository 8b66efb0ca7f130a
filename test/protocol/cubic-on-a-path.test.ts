// CUBIC and the pacer driving one bulk flow over a simulated bottleneck, with the plainest of loss detection
// (three later acknowledgements): do they fill the path, and do they share it?

import { describe, expect, test } from 'vitest';
import { RttEstimator } from '../../src/base/rtt.ts';
import { CubicController } from '../../src/protocol/cubic.ts';
import { Pacer } from '../../src/protocol/pacer.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const SIZE = 1200;
const RECEIVER = { host: '10.0.0.9', port: 9 };

/** A sender that always has more to send. */
class BulkFlow {
  readonly cubic = new CubicController(SIZE);
  ackedBytes = 0;
  lostPackets = 0;
  sentPackets = 0;
  readonly #pacer = new Pacer(SIZE);
  readonly #rtt = new RttEstimator(333);
  /** Send times by packet number, in order of sending. */
  readonly #inFlight = new Map<number, number>();
  readonly #clock: VirtualClock;
  readonly #socket;
  #waiting = false;

  constructor(clock: VirtualClock, network: SimNetwork, host: string) {
    this.#clock = clock;
    this.#socket = network.open(host);
    this.#socket.onDatagram = (bytes) => this.#onAck(new DataView(bytes.buffer).getUint32(0));
  }

  send(): void {
    const nowMs = this.#clock.now();
    this.#pacer.setRate(nowMs, this.cubic.pacingBytesPerMs(this.#rtt));
    while ((this.#inFlight.size + 1) * SIZE <= this.cubic.windowBytes) {
      const atMs = this.#pacer.nextSendAt(nowMs, SIZE);
      if (atMs > nowMs) {
        if (!this.#waiting) {
          this.#waiting = true;
          this.#clock.setTimerAt(atMs, () => {
            this.#waiting = false;
            this.send();
          });
        }
        return;
      }
      const bytes = new Uint8Array(SIZE);
      new DataView(bytes.buffer).setUint32(0, this.sentPackets);
      this.#inFlight.set(this.sentPackets++, nowMs);
      this.#pacer.onSent(nowMs, SIZE);
      this.cubic.onSent(nowMs, SIZE, this.#inFlight.size * SIZE);
      this.#socket.send(bytes, RECEIVER);
    }
  }

  #onAck(packet: number): void {
    const nowMs = this.#clock.now();
    const largestSentAtMs = this.#inFlight.get(packet);
    if (largestSentAtMs === undefined) return;
    this.#inFlight.delete(packet);
    this.#rtt.update(nowMs - largestSentAtMs, 0);
    let newestLostMs = -1;
    let lost = 0;
    for (const [number, sentAtMs] of this.#inFlight) {
      if (number > packet - 3) break;
      this.#inFlight.delete(number);
      newestLostMs = sentAtMs;
      lost++;
    }
    const inFlightBytes = this.#inFlight.size * SIZE;
    if (lost > 0) {
      this.lostPackets += lost;
      this.cubic.onLost({ nowMs, lostBytes: lost * SIZE, largestSentAtMs: newestLostMs, inFlightBytes });
    }
    this.ackedBytes += SIZE;
    const { cubic } = this;
    cubic.onAcked({
      nowMs,
      ackedBytes: SIZE,
      largestSentAtMs,
      rtt: this.#rtt,
      inFlightBytes,
      appLimited: false,
    });
    this.send();
  }
}

async function runFlows(options: {
  readonly flows: number;
  readonly bandwidthBytesPerMs: number;
  readonly rttMs: number;
  readonly queueBytes: number;
  readonly forMs: number;
}): Promise<BulkFlow[]> {
  const clock = new VirtualClock();
  const network = new SimNetwork({
    clock,
    random: new SeededRandom('bulk'),
    link: { latencyMs: options.rttMs / 2 },
  });
  const receiver = network.open(RECEIVER.host, RECEIVER.port);
  receiver.onDatagram = (bytes, from) => receiver.send(bytes.slice(0, 4), from);
  network.setDownlink(RECEIVER.host, options);
  const flows = Array.from(
    { length: options.flows },
    (_, i) => new BulkFlow(clock, network, `10.0.0.${i + 1}`),
  );
  for (const flow of flows) flow.send();
  await clock.run({ forMs: options.forMs });
  return flows;
}

describe('CUBIC on a bottleneck', () => {
  // 16 Mbit/s, 40 ms: 80 kB, or 67 datagrams, are under way when the path is full.
  const path = { bandwidthBytesPerMs: 2000, rttMs: 40, queueBytes: 80_000 };

  test('fills it, and loses little', async () => {
    const [flow] = await runFlows({ ...path, flows: 1, forMs: 6000 });
    expect(flow!.ackedBytes / (2000 * 6000)).toBeGreaterThan(0.93);
    expect(flow!.lostPackets / flow!.sentPackets).toBeLessThan(0.01);
  });

  test('leaves slow start when the queue builds up, not when it overflows', async () => {
    const [flow] = await runFlows({ ...path, queueBytes: 1_000_000, flows: 1, forMs: 2000 });
    expect(flow!.cubic.inSlowStart).toBe(false);
    expect(flow!.lostPackets).toBe(0);
    expect(flow!.ackedBytes / (2000 * 2000)).toBeGreaterThan(0.9);
  });

  test('shares it: two flows get between a third and two thirds each', async () => {
    const flows = await runFlows({ ...path, flows: 2, forMs: 12_000 });
    const total = flows[0]!.ackedBytes + flows[1]!.ackedBytes;
    expect(total / (2000 * 12_000)).toBeGreaterThan(0.93);
    for (const flow of flows) expect(flow.ackedBytes / total).toBeGreaterThan(1 / 3);
  });
});
