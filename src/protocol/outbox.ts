// What is waiting to be sent to one peer, over whichever session: control frames first, then messages, the one
// with the least left to send first (so that no message waits for a large one). An outbox outlives sessions.

import { Heap, type HeapEntry } from '../base/heap.ts';
import type { OutgoingMessage } from './outgoing-message.ts';
import type { PacketBuilder } from './packet-builder.ts';
import type { SentItem } from './sent-packets.ts';

/** A small frame that travels until it is acknowledged or has become pointless. */
export interface ControlFrame extends SentItem {
  readonly bytesMax: number;
  /** Read when it is about to be written: false drops it. */
  readonly matters: boolean;
  write(target: Uint8Array, at: number): number;
}

/** A message together with what writes its frames. */
export interface Outgoing {
  readonly message: OutgoingMessage;
  /** Set when nothing of it is to be sent any more. */
  readonly dead: boolean;
  /** Its place in the queue of an outbox; kept by the outbox. */
  queueEntry: HeapEntry<Outgoing> | undefined;
  /** Writes a frame with the next piece; returns the offset behind it, or `at` when the room is too small. */
  writePiece(target: Uint8Array, at: number, room: number, nowMs: number): number;
}

/** Takes note of messages that leave in one piece. */
export interface WholeMessages {
  add(outgoing: Outgoing, nowMs: number): void;
}

/** A piece of a message in a packet. */
class Piece implements SentItem {
  readonly #outbox: Outbox;
  readonly #outgoing: Outgoing;
  readonly #from: number;
  readonly #to: number;

  constructor(outbox: Outbox, outgoing: Outgoing, from: number, to: number) {
    this.#outbox = outbox;
    this.#outgoing = outgoing;
    this.#from = from;
    this.#to = to;
  }

  onAcked(): void {
    this.#outgoing.message.onAcked(this.#from, this.#to);
    if (this.#outgoing.message.delivered) this.#outbox.onDelivered(this.#outgoing);
  }

  onLost(): void {
    // P-42, P-64
    if (this.#outgoing.dead) return;
    this.#outgoing.message.onLost(this.#from, this.#to);
    this.#outbox.queue(this.#outgoing);
  }
}

/** A message in a packet once more, though nothing says that it was lost: its first packet decides whether it goes again. */
class Duplicate extends Piece {
  // P-122
  override onLost(): void {}
}

/** Room in which every piece of a message has its frame, besides its bytes. */
const PIECE_OVERHEAD_BYTES_MAX = 32;

/** Control frames and messages for one peer. */
export class Outbox {
  readonly #control: ControlFrame[] = [];
  /** How many of them have been written; they are taken out many at a time. */
  #written = 0;
  readonly #messages = new Heap<Outgoing>();
  /** Called when the last byte of a message was acknowledged. */
  readonly onDelivered: (outgoing: Outgoing) => void;

  constructor(onDelivered: (outgoing: Outgoing) => void) {
    this.onDelivered = onDelivered;
  }

  /** Queues a control frame; the same object may be queued again after it was lost. */
  control(frame: ControlFrame): void {
    this.#control.push(frame);
  }

  /** Queues a message that has something to send; does nothing when it is queued already. */
  queue(outgoing: Outgoing): void {
    if (outgoing.queueEntry !== undefined || outgoing.dead || !outgoing.message.sendable) return;
    outgoing.queueEntry = this.#messages.push(outgoing.message.unsentBytes, outgoing);
  }

  /** Takes a message out of the queue, at once. */
  remove(outgoing: Outgoing): void {
    if (outgoing.queueEntry === undefined) return;
    this.#messages.remove(outgoing.queueEntry);
    outgoing.queueEntry = undefined;
  }

  get hasControl(): boolean {
    return this.controlCount > 0;
  }

  /** Control frames that wait. */
  get controlCount(): number {
    return this.#control.length - this.#written;
  }

  get hasMessages(): boolean {
    return this.#messages.size > 0;
  }

  fillControl(packet: PacketBuilder): void {
    while (this.#written < this.#control.length) {
      const frame = this.#control[this.#written]!;
      if (frame.matters) {
        if (packet.room < frame.bytesMax) break;
        packet.at = frame.write(packet.buffer, packet.at);
        packet.items.push(frame);
        packet.ackEliciting = true;
      }
      this.#written++;
    }
    if (2 * this.#written < this.#control.length) return;
    this.#control.splice(0, this.#written);
    this.#written = 0;
  }

  fillMessages(packet: PacketBuilder, nowMs: number, whole?: WholeMessages): void {
    for (let entry = this.#messages.peek(); entry !== undefined; entry = this.#messages.peek()) {
      const outgoing = entry.value;
      const itemsBefore = packet.items.length;
      while (!outgoing.dead && outgoing.message.sendable) {
        const from = outgoing.message.nextOffset;
        const at = outgoing.writePiece(packet.buffer, packet.at, packet.room, nowMs);
        if (at === packet.at) return;
        if (packet.items.length === itemsBefore) outgoing.message.datagrams++;
        packet.at = at;
        packet.ackEliciting = true;
        const to = outgoing.message.lastTakenEnd;
        packet.items.push(new Piece(this, outgoing, from, to));
        if (from === 0 && to === outgoing.message.sizeBytes) whole?.add(outgoing, nowMs);
      }
      this.remove(outgoing);
    }
  }

  /** Puts a message that has left whole into a packet once more; false for want of room. */
  repeat(packet: PacketBuilder, outgoing: Outgoing, nowMs: number): boolean {
    const { message } = outgoing;
    if (packet.room < message.sizeBytes + PIECE_OVERHEAD_BYTES_MAX) return false;
    message.repeat();
    message.datagrams++;
    packet.at = outgoing.writePiece(packet.buffer, packet.at, packet.room, nowMs);
    packet.ackEliciting = true;
    packet.items.push(new Duplicate(this, outgoing, 0, message.sizeBytes));
    return true;
  }
}
