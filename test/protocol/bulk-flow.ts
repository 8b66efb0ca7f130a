// Bulk flows over a simulated bottleneck: congestion controller, pacer, loss detection and acknowledgements as in
// an endpoint, without its calls. For tests of what the controllers make of a path, alone and among others.

import { RttEstimator } from '../../src/base/rtt.ts';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import type { CongestionController } from '../../src/protocol/congestion.ts';
import { Pacer } from '../../src/protocol/pacer.ts';
import { ReceivedPackets } from '../../src/protocol/received-packets.ts';
import { SentPackets } from '../../src/protocol/sent-packets.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { IdRange } from '../../src/wire/frame.ts';

export const DATAGRAM_BYTES = 1200;

/** A path through one bottleneck. */
export interface BottleneckPath {
  readonly bandwidthBytesPerMs: number;
  readonly rttMs: number;
  readonly queueBytes: number;
  /** Per datagram and direction; before the bottleneck on the way there. */
  readonly lossProbability?: number;
  /** Loss behind the bottleneck instead: what is lost has used it. */
  readonly lossBehind?: boolean;
}

/** 16 Mbit/s at 40 ms: 80 kB, or 67 datagrams, are under way when it is full; the queue holds as much again. */
export const FULL_PATH: BottleneckPath = { bandwidthBytesPerMs: 2000, rttMs: 40, queueBytes: 80_000 };

/** What one flow does. Without `bursts` it never runs out of data. */
export interface FlowPlan {
  readonly controller: CongestionController;
  readonly startsAtMs?: number;
  /** So many bytes every `everyMs`, instead of as many as possible. */
  readonly bursts?: { readonly bytes: number; readonly everyMs: number };
  /** Until then its process gets the processor only so often. */
  readonly starved?: { readonly untilMs: number; readonly everyMs: number };
}

const RECEIVER = '10.0.0.200';

/** One sender and its receiver. */
export class BulkFlow {
  readonly controller: CongestionController;
  readonly #plan: FlowPlan;
  readonly #clock: VirtualClock;
  readonly #socket;
  readonly #to;
  readonly #pacer = new Pacer(DATAGRAM_BYTES);
  readonly #rtt = new RttEstimator(DEFAULT_CONFIG.initialRttMs);
  readonly #sent: SentPackets;
  /** Acknowledgements under way; a datagram names one of them. */
  readonly #acks = new Map<number, { readonly ranges: readonly IdRange[]; readonly delayUs: number }>();
  readonly #item = {
    onAcked: () => {},
    onLost: () => {
      this.lostPackets++;
      this.#unsentBytes += DATAGRAM_BYTES;
    },
  };
  #unsentBytes: number;
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #probesAllowed = 0;
  #probeCount = 0;
  #starvedUntilMs = 0;
  ackedBytes = 0;
  sentPackets = 0;
  lostPackets = 0;
  /** Of each acknowledgement, in order: when, how much in all, and how long its newest packet took. */
  readonly samples: { readonly atMs: number; readonly ackedBytes: number; readonly roundTripMs: number }[] =
    [];

  constructor(clock: VirtualClock, network: SimNetwork, index: number, plan: FlowPlan) {
    this.controller = plan.controller;
    this.#plan = plan;
    this.#clock = clock;
    this.#sent = new SentPackets(DEFAULT_CONFIG, this.#rtt);
    this.#unsentBytes = plan.bursts === undefined ? Number.POSITIVE_INFINITY : 0;
    this.#socket = network.open(`10.0.0.${index + 1}`);
    const receiver = network.open(RECEIVER, index + 1);
    this.#to = receiver.local;
    this.#receiveAt(receiver);
    this.#socket.onDatagram = (bytes) => this.#onAck(read(bytes));
    clock.setTimer(plan.startsAtMs ?? 0, () => (plan.bursts === undefined ? this.#send() : this.#burst()));
  }

  get inFlightBytes(): number {
    return this.#sent.bytesInFlight;
  }

  get smoothedMs(): number {
    return this.#rtt.smoothedMs;
  }

  /** Acknowledged between two times, in bytes per millisecond. */
  bytesPerMs(fromMs: number, toMs: number): number {
    const before = this.samples.findLast(({ atMs }) => atMs <= fromMs)?.ackedBytes ?? 0;
    const after = this.samples.findLast(({ atMs }) => atMs <= toMs)?.ackedBytes ?? 0;
    return (after - before) / (toMs - fromMs);
  }

  /** A quantile of the round trips between two times. */
  roundTripMs(quantile: number, fromMs: number, toMs: number): number {
    const sorted = this.samples
      .filter(({ atMs }) => atMs > fromMs && atMs <= toMs)
      .map(({ roundTripMs }) => roundTripMs)
      .sort((a, b) => a - b);
    return sorted[Math.floor(quantile * (sorted.length - 1))]!;
  }

  #burst(): void {
    const { bytes, everyMs } = this.#plan.bursts!;
    this.#unsentBytes += bytes;
    this.#send();
    this.#clock.setTimer(everyMs, () => this.#burst());
  }

  #send(): void {
    const nowMs = this.#clock.now();
    const { controller } = this;
    const { starved } = this.#plan;
    if (starved !== undefined && nowMs < starved.untilMs) {
      if (nowMs < this.#starvedUntilMs) {
        this.#wakeAt(this.#starvedUntilMs);
        return;
      }
      this.#starvedUntilMs = nowMs + starved.everyMs;
    }
    while (this.#unsentBytes > 0) {
      const fits = this.#sent.bytesInFlight + DATAGRAM_BYTES <= controller.windowBytes;
      if (this.#probesAllowed === 0 && !fits) break;
      this.#pacer.setRate(nowMs, controller.pacingBytesPerMs(this.#rtt));
      const atMs = this.#pacer.nextSendAt(nowMs, DATAGRAM_BYTES);
      if (this.#probesAllowed === 0 && atMs > nowMs) {
        this.#wakeAt(atMs);
        return;
      }
      if (this.#pacer.behind) controller.onAppLimited(this.#sent.bytesInFlight);
      this.#probesAllowed = Math.max(0, this.#probesAllowed - 1);
      this.#sendOne(nowMs);
    }
    this.#pacer.stopWaiting();
    if (this.#unsentBytes === 0) controller.onAppLimited(this.#sent.bytesInFlight);
    this.#wakeAt(Math.min(this.#sent.lossAtMs, this.#probeAtMs));
  }

  #sendOne(nowMs: number): void {
    const bytes = new Uint8Array(DATAGRAM_BYTES);
    new DataView(bytes.buffer).setUint32(0, this.#sent.nextNumber);
    this.#sent.onSent({
      sentAtMs: nowMs,
      sizeBytes: DATAGRAM_BYTES,
      ackEliciting: true,
      mtuProbe: false,
      items: [this.#item],
    });
    this.#unsentBytes -= DATAGRAM_BYTES;
    this.sentPackets++;
    this.#pacer.onSent(nowMs, DATAGRAM_BYTES);
    this.controller.onSent(nowMs, DATAGRAM_BYTES, this.#sent.bytesInFlight);
    this.#socket.send(bytes, this.#to);
  }

  get #probeAtMs(): number {
    if (this.#sent.ackElicitingInFlight === 0) return Number.POSITIVE_INFINITY;
    const { granularityMs, maxAckDelayMs } = DEFAULT_CONFIG;
    const delayMs = this.#rtt.probeTimeoutMs(granularityMs, maxAckDelayMs) * 2 ** this.#probeCount;
    return this.#sent.lastAckElicitingAtMs + delayMs;
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#wakesAtMs) return;
    this.#wakesAtMs = atMs;
    this.#clock.setTimerAt(atMs, () => {
      if (this.#wakesAtMs !== atMs) return;
      this.#wakesAtMs = Number.POSITIVE_INFINITY;
      this.#onTimer();
    });
  }

  #onTimer(): void {
    const nowMs = this.#clock.now();
    if (this.#sent.lossAtMs <= nowMs) this.#detectLost(nowMs);
    if (this.#probeAtMs <= nowMs) {
      this.#probesAllowed = 2;
      this.#sent.requeueOldest(2);
      if (++this.#probeCount === DEFAULT_CONFIG.persistentCongestionThreshold) {
        this.controller.onPersistentCongestion();
      }
    }
    this.#send();
  }

  #onAck(id: number): void {
    const nowMs = this.#clock.now();
    const { ranges, delayUs } = this.#acks.get(id)!;
    this.#acks.delete(id);
    const { acked, rttSampleMs } = this.#sent.onAck(ranges, nowMs)!;
    if (acked.length === 0) return;
    if (rttSampleMs !== undefined) this.#rtt.update(rttSampleMs, delayUs / 1000);
    this.#probeCount = 0;
    this.#detectLost(nowMs);
    const ackedBytes = acked.length * DATAGRAM_BYTES;
    const largestSentAtMs = Math.max(...acked.map(({ sentAtMs }) => sentAtMs));
    this.ackedBytes += ackedBytes;
    this.samples.push({ atMs: nowMs, ackedBytes: this.ackedBytes, roundTripMs: nowMs - largestSentAtMs });
    const inFlightBytes = this.#sent.bytesInFlight;
    const appLimited =
      this.#unsentBytes === 0 && inFlightBytes + ackedBytes < this.controller.windowBytes / 2;
    const rtt = this.#rtt;
    this.controller.onAcked({ nowMs, ackedBytes, largestSentAtMs, rtt, inFlightBytes, appLimited });
    this.#send();
  }

  #detectLost(nowMs: number): void {
    const lost = this.#sent.detectLost(nowMs);
    if (lost.length === 0) return;
    this.controller.onLost({
      nowMs,
      lostBytes: lost.length * DATAGRAM_BYTES,
      largestSentAtMs: Math.max(...lost.map(({ sentAtMs }) => sentAtMs)),
      inFlightBytes: this.#sent.bytesInFlight,
    });
  }

  #receiveAt(socket: ReturnType<SimNetwork['open']>): void {
    const received = new ReceivedPackets(DEFAULT_CONFIG);
    let nextAck = 0;
    const acknowledge = () => {
      if (received.ackDueAtMs > this.#clock.now()) return;
      this.#acks.set(nextAck, received.ack(this.#clock.now()));
      received.onAckSent();
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, nextAck++);
      socket.send(bytes, this.#socket.local);
    };
    socket.onDatagram = (bytes) => {
      received.onReceived(read(bytes), true, this.#clock.now());
      if (received.ackDueAtMs > this.#clock.now()) this.#clock.setTimerAt(received.ackDueAtMs, acknowledge);
      else acknowledge();
    };
  }
}

function read(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

/** Lets flows share a path for so long. */
export async function runFlows(
  path: BottleneckPath,
  plans: readonly FlowPlan[],
  forMs: number,
  seed = 'bulk',
): Promise<{ readonly flows: readonly BulkFlow[]; readonly traceHash: string }> {
  const clock = new VirtualClock();
  const lossProbability = path.lossProbability ?? 0;
  const network = new SimNetwork({
    clock,
    random: new SeededRandom(seed),
    link: { latencyMs: path.rttMs / 2, lossProbability },
  });
  const flows = plans.map((plan, index) => new BulkFlow(clock, network, index, plan));
  if (path.lossBehind) network.setLink('10.0.0.1', RECEIVER, path);
  else network.setDownlink(RECEIVER, path);
  await clock.run({ forMs });
  return { flows, traceHash: network.traceHash };
}
