// The sending half of a packet number space: what is in flight, what an ACK confirms, what counts as lost
// (RFC 9002, section 6.1). What was in a packet is a list of items that hear of their fate; a lost packet is
// never sent again, its items are, if they still matter.

import { IdTable } from '../base/id-table.ts';
import type { RttEstimator } from '../base/rtt.ts';
import type { IdRange } from '../wire/frame.ts';
import type { ProtocolConfig } from './config.ts';

/** Something that travels in packets until one of them is acknowledged. */
export interface SentItem {
  onAcked(): void;
  /** The packet counts as lost (or is being probed for): queue it again if it still matters. */
  onLost(): void;
}

export interface SentPacket {
  readonly packetNumber: number;
  readonly sentAtMs: number;
  readonly sizeBytes: number;
  readonly ackEliciting: boolean;
  /** A path MTU probe: its loss says nothing about congestion. */
  readonly mtuProbe: boolean;
  readonly items: readonly SentItem[];
  /** Its items were queued again for a probe; they are not queued a second time when it counts as lost. */
  requeued: boolean;
}

/** What an ACK confirmed. */
export interface AckOutcome {
  readonly acked: readonly SentPacket[];
  /** Milliseconds, when the ACK gives a sample. */
  readonly rttSampleMs: number | undefined;
}

/** Packets in flight of one session. */
export class SentPackets {
  readonly #config: ProtocolConfig;
  readonly #rtt: RttEstimator;
  readonly #inFlight = new IdTable<SentPacket>();
  #nextNumber = 0;
  #largestAcked = -1;
  #ackElicitingInFlight = 0;
  bytesInFlight = 0;
  lastAckElicitingAtMs = 0;
  /** When the oldest unacknowledged packet before the largest acknowledged one counts as lost. */
  lossAtMs: number = Number.POSITIVE_INFINITY;

  constructor(config: ProtocolConfig, rtt: RttEstimator) {
    this.#config = config;
    this.#rtt = rtt;
  }

  get nextNumber(): number {
    return this.#nextNumber;
  }

  get ackElicitingInFlight(): number {
    return this.#ackElicitingInFlight;
  }

  /** Records the packet with the next number. */
  onSent(packet: Omit<SentPacket, 'packetNumber' | 'requeued'>): void {
    // P-6
    const packetNumber = this.#nextNumber++;
    if (!packet.ackEliciting) return;
    const { sentAtMs, sizeBytes, ackEliciting, mtuProbe, items } = packet;
    this.#inFlight.set(packetNumber, {
      packetNumber,
      sentAtMs,
      sizeBytes,
      ackEliciting,
      mtuProbe,
      items,
      requeued: false,
    });
    // RFC 9000, 14.4: a probe for the path MTU is not counted against the window.
    if (!mtuProbe) this.bytesInFlight += sizeBytes;
    this.#ackElicitingInFlight++;
    this.lastAckElicitingAtMs = packet.sentAtMs;
  }

  /** `undefined` when the ACK names a packet that was never sent: an error of the peer. */
  onAck(ranges: readonly IdRange[], nowMs: number): AckOutcome | undefined {
    const largest = ranges[0]![1];
    // P-62
    if (largest >= this.#nextNumber) return undefined;
    const acked: SentPacket[] = [];
    let rttSampleMs: number | undefined;
    for (const [first, last] of ranges) {
      for (const packet of this.#inFlight.between(first, last)) {
        this.#forget(packet);
        for (const item of packet.items) item.onAcked();
        acked.push(packet);
        // P-61
        if (packet.packetNumber === largest) rttSampleMs = nowMs - packet.sentAtMs;
      }
    }
    this.#largestAcked = Math.max(this.#largestAcked, largest);
    return { acked, rttSampleMs };
  }

  /** Takes out what counts as lost now, queues its items again, and sets {@link lossAtMs} for what is not yet. RFC 9002, 6.1. */
  detectLost(nowMs: number): SentPacket[] {
    const lost: SentPacket[] = [];
    this.lossAtMs = Number.POSITIVE_INFINITY;
    const rtt = this.#rtt;
    const delayMs = Math.max(
      this.#config.timeThreshold * Math.max(rtt.smoothedMs, rtt.latestMs),
      this.#config.granularityMs,
    );
    for (const packet of this.#inFlight.values()) {
      if (packet.packetNumber >= this.#largestAcked) break;
      const lateAtMs = packet.sentAtMs + delayMs;
      // P-63
      if (lateAtMs <= nowMs || this.#largestAcked - packet.packetNumber >= this.#config.packetThreshold) {
        lost.push(packet);
      } else {
        this.lossAtMs = Math.min(this.lossAtMs, lateAtMs);
      }
    }
    for (const packet of lost) {
      this.#forget(packet);
      requeue(packet);
    }
    return lost;
  }

  /** Queues the items of the oldest `count` packets again without calling the packets lost: for a probe. */
  requeueOldest(count: number): void {
    let left = count;
    for (const packet of this.#inFlight.values()) {
      if (left === 0) return;
      if (packet.requeued || packet.items.length === 0) continue;
      requeue(packet);
      left--;
    }
  }

  /** The items of this packet were queued again before it became part of this session. */
  markRequeued(packetNumber: number): void {
    const packet = this.#inFlight.get(packetNumber);
    if (packet !== undefined) packet.requeued = true;
  }

  /** Gives the session up: everything in flight is queued again. */
  abandon(): void {
    const packets = this.#inFlight.all();
    this.#inFlight.clear();
    this.bytesInFlight = 0;
    this.#ackElicitingInFlight = 0;
    this.lossAtMs = Number.POSITIVE_INFINITY;
    for (const packet of packets) requeue(packet);
  }

  #forget(packet: SentPacket): void {
    this.#inFlight.delete(packet.packetNumber);
    if (!packet.mtuProbe) this.bytesInFlight -= packet.sizeBytes;
    this.#ackElicitingInFlight--;
  }
}

function requeue(packet: SentPacket): void {
  if (packet.requeued) return;
  packet.requeued = true;
  for (const item of packet.items) item.onLost();
}
