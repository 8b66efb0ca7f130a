import { describe, expect, test } from 'vitest';
import { EarlyDuplicates } from '../../src/protocol/early-duplicates.ts';
import type { Outgoing } from '../../src/protocol/outbox.ts';
import { OutgoingMessage } from '../../src/protocol/outgoing-message.ts';
import { PacketBuilder } from '../../src/protocol/packet-builder.ts';

class Message implements Outgoing {
  readonly message: OutgoingMessage;
  dead = false;
  queueEntry: Outgoing['queueEntry'];

  constructor(sizeBytes = 10) {
    this.message = new OutgoingMessage(new Uint8Array(sizeBytes), sizeBytes);
  }

  writePiece(_target: Uint8Array, at: number): number {
    return at;
  }
}

/** A packet with nothing in it, with an ACK, or with something that is to be acknowledged. */
type Packet = 'empty' | 'ack' | 'eliciting';

/** The duplicates of a session, and what they put into packets. */
class Sender {
  readonly counters = { earlyDuplicates: 0, duplicateDatagrams: 0 };
  readonly duplicates: EarlyDuplicates;
  hasRoom = true;
  #written: Outgoing[] = [];

  constructor(share: number | false) {
    const repeat = (_packet: PacketBuilder, outgoing: Outgoing): boolean =>
      this.hasRoom && this.#written.push(outgoing) > 0;
    this.duplicates = new EarlyDuplicates(share, { repeat }, this.counters);
  }

  /** What goes into a packet. */
  fill(packet: Packet, nowMs: number, onCredit = false): Outgoing[] {
    this.#written = [];
    const builder = new PacketBuilder(Buffer.alloc(0), 0, 0);
    builder.ackEliciting = packet === 'eliciting';
    this.duplicates.fill(builder, packet === 'empty', onCredit, nowMs);
    return this.#written;
  }

  earn(times: number): void {
    for (let sent = 0; sent < times; sent++) this.duplicates.earn();
  }
}

describe('EarlyDuplicates', () => {
  // P-119
  test('a duplicate keeps its distance, and leaves once', () => {
    const sender = new Sender(0);
    const message = new Message();
    sender.duplicates.add(message, 100);
    expect(sender.fill('eliciting', 100.9)).toEqual([]);
    expect(sender.fill('eliciting', 101)).toEqual([message]);
    expect(sender.fill('eliciting', 102)).toEqual([]);
  });

  // P-118
  test.each<[string, (message: Message) => void]>([
    ['known to have arrived', ({ message }) => message.onAcked(0, 10)],
    ['not wanted any more', (message) => (message.dead = true)],
    ['sent again anyway', (message) => (message.queueEntry = { key: 0, value: message, index: 0 } as never)],
  ])('a message that is %s has none', (_, happen) => {
    const sender = new Sender(2);
    const message = new Message();
    sender.duplicates.add(message, 0);
    sender.earn(1);
    happen(message);
    expect(sender.duplicates.ownAtMs(false)).toBe(Number.POSITIVE_INFINITY);
    expect(sender.fill('eliciting', 10)).toEqual([]);
  });

  // P-119
  test('what it costs is paid from a part of the datagrams that leave', () => {
    const sender = new Sender(0.25);
    const message = new Message();
    sender.duplicates.add(message, 0);
    sender.earn(7);
    expect(sender.duplicates.ownAtMs(false)).toBe(Number.POSITIVE_INFINITY);
    expect(sender.fill('empty', 10)).toEqual([]);
    sender.earn(1);
    expect(sender.duplicates.ownAtMs(false)).toBe(5);
    expect(sender.fill('empty', 10)).toEqual([message]);
    expect(sender.counters).toEqual({ earlyDuplicates: 1, duplicateDatagrams: 1 });
    sender.duplicates.add(message, 20);
    sender.earn(3);
    expect(sender.fill('ack', 30)).toEqual([]);
    expect(sender.fill('eliciting', 30)).toEqual([message]);
    sender.duplicates.add(message, 40);
    sender.earn(1);
    expect(sender.fill('ack', 50)).toEqual([message]);
    expect(sender.counters).toEqual({ earlyDuplicates: 3, duplicateDatagrams: 1 });
  });

  // P-119
  test('no more than ten datagrams are saved up', () => {
    const sender = new Sender(1);
    sender.earn(1000);
    let own = 0;
    for (let nowMs = 0; nowMs < 1000; nowMs += 10) {
      sender.duplicates.add(new Message(), nowMs);
      own += sender.fill('empty', nowMs + 5).length;
      sender.fill('eliciting', nowMs + 9);
    }
    expect(own).toBe(5);
  });

  // P-121
  test('what a probe timeout allows is paid back', () => {
    const sender = new Sender(1);
    sender.duplicates.add(new Message(), 0);
    expect(sender.duplicates.ownAtMs(true)).toBe(5);
    expect(sender.fill('empty', 5, true)).toHaveLength(1);
    sender.duplicates.add(new Message(), 10);
    expect(sender.fill('eliciting', 14)).toHaveLength(1);
    sender.duplicates.add(new Message(), 20);
    sender.earn(3);
    expect(sender.duplicates.ownAtMs(false)).toBe(Number.POSITIVE_INFINITY);
    sender.earn(1);
    expect(sender.duplicates.ownAtMs(false)).toBe(25);
  });

  test('one that finds no room waits for the next packet', () => {
    const sender = new Sender(0);
    const message = new Message();
    sender.duplicates.add(message, 0);
    sender.hasRoom = false;
    expect(sender.fill('eliciting', 10)).toEqual([]);
    sender.hasRoom = true;
    expect(sender.fill('eliciting', 20)).toEqual([message]);
  });

  test('of a burst the newest 64 have one', () => {
    const sender = new Sender(0);
    const messages = Array.from({ length: 100 }, () => new Message());
    for (const message of messages) sender.duplicates.add(message, 0);
    expect(sender.fill('eliciting', 10)).toEqual(messages.slice(-64));
  });

  // P-118
  test('a message of more than 512 bytes has none, and where there are to be none there are none', () => {
    const large = new Sender(0);
    large.duplicates.add(new Message(513), 0);
    expect(large.fill('eliciting', 10)).toEqual([]);
    const none = new Sender(false);
    none.duplicates.add(new Message(), 0);
    none.earn(10);
    expect(none.fill('eliciting', 10)).toEqual([]);
  });
});
