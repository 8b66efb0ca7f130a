// The receiving half of a packet number space: which packets have come, and when they must be acknowledged
// (RFC 9000, section 13.2).

import { Intervals } from '../base/intervals.ts';
import { ackBytesMax, type IdRange, writeAck } from '../wire/frame.ts';
import type { ProtocolConfig } from './config.ts';
import type { PacketBuilder } from './packet-builder.ts';

/** Remembers received packet numbers and says when an ACK is due. */
export class ReceivedPackets {
  readonly #config: ProtocolConfig;
  readonly #numbers = new Intervals();
  #largest = -1;
  #largestAtMs = 0;
  #unacknowledged = 0;
  /** When the pending acknowledgement must leave; Infinity when none is owed. */
  ackDueAtMs: number = Number.POSITIVE_INFINITY;

  constructor(config: ProtocolConfig) {
    this.#config = config;
  }

  get largest(): number {
    return this.#largest;
  }

  /** Records a packet that was opened and is no duplicate. */
  onReceived(packetNumber: number, ackEliciting: boolean, nowMs: number): void {
    const inOrder = packetNumber === this.#largest + 1;
    this.#numbers.add(packetNumber, packetNumber + 1);
    // What is forgotten is not acknowledged again; that it is not taken twice is the replay window's business.
    while (this.#numbers.rangeCount > 2 * this.#config.maxAckRanges) this.#numbers.removeLowestRange();
    if (packetNumber > this.#largest) {
      this.#largest = packetNumber;
      this.#largestAtMs = nowMs;
    }
    if (!ackEliciting) return;
    this.#unacknowledged++;
    // P-60
    if (!inOrder || this.#unacknowledged >= this.#config.ackEveryPackets) this.ackDueAtMs = nowMs;
    else this.ackDueAtMs = Math.min(this.ackDueAtMs, nowMs + this.#config.maxAckDelayMs);
  }

  get ackOwed(): boolean {
    return this.#unacknowledged > 0;
  }

  /** Puts an ACK into a packet, if one is owed and there is room. */
  fill(packet: PacketBuilder, nowMs: number): void {
    if (!this.ackOwed) return;
    const { ranges, delayUs } = this.ack(nowMs);
    let count = ranges.length;
    while (count > 1 && ackBytesMax(count) > packet.room) count = count >>> 1;
    if (ackBytesMax(count) > packet.room) return;
    const newest = count === ranges.length ? ranges : ranges.slice(0, count);
    packet.at = writeAck(packet.buffer, packet.at, newest, delayUs);
    this.onAckSent();
  }

  /** What an ACK says now; call {@link onAckSent} when it is in a packet. */
  ack(nowMs: number): { ranges: IdRange[]; delayUs: number } {
    const ranges = this.#numbers
      .highestRanges(this.#config.maxAckRanges)
      .map(([start, end]): IdRange => [start, end - 1]);
    return { ranges, delayUs: Math.max(0, Math.round((nowMs - this.#largestAtMs) * 1000)) };
  }

  onAckSent(): void {
    this.#unacknowledged = 0;
    this.ackDueAtMs = Number.POSITIVE_INFINITY;
  }
}
