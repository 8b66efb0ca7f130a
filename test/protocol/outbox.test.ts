import { describe, expect, test } from 'vitest';
import { type ControlFrame, Outbox, type Outgoing } from '../../src/protocol/outbox.ts';
import { OutgoingMessage } from '../../src/protocol/outgoing-message.ts';
import { PacketBuilder } from '../../src/protocol/packet-builder.ts';

/** Writes its mark `sizeBytes` times. */
class Control implements ControlFrame {
  matters = true;
  readonly bytesMax: number;
  readonly #mark: number;

  constructor(mark: number, sizeBytes: number) {
    this.#mark = mark;
    this.bytesMax = sizeBytes;
  }

  write(target: Uint8Array, at: number): number {
    target.fill(this.#mark, at, at + this.bytesMax);
    return at + this.bytesMax;
  }

  onAcked(): void {}
  onLost(): void {}
}

/** Writes its bytes, each piece behind one byte of overhead. */
class Message implements Outgoing {
  readonly message: OutgoingMessage;
  dead = false;
  queueEntry: Outgoing['queueEntry'];

  constructor(mark: number, sizeBytes: number) {
    this.message = new OutgoingMessage(new Uint8Array(sizeBytes).fill(mark), Number.MAX_SAFE_INTEGER);
  }

  writePiece(target: Uint8Array, at: number, room: number): number {
    if (room < 2) return at;
    const from = this.message.nextOffset;
    const end = this.message.take(room - 1);
    target[at] = 0xff;
    target.set(this.message.bytes.subarray(from, end), at + 1);
    return at + 1 + end - from;
  }
}

function outbox(delivered: Outgoing[] = []): Outbox {
  return new Outbox((outgoing) => delivered.push(outgoing));
}

function packet(roomBytes: number): PacketBuilder {
  return new PacketBuilder(Buffer.alloc(roomBytes), 0, 0);
}

function written(builder: PacketBuilder): number[] {
  return [...builder.buffer.subarray(0, builder.at)];
}

describe('Outbox: messages', () => {
  // P-16
  test('the message with the least left goes first, and a packet is filled with the next', () => {
    const box = outbox();
    box.queue(new Message(1, 8));
    box.queue(new Message(2, 3));
    const first = packet(8);
    box.fillMessages(first, 0);
    expect(written(first)).toEqual([0xff, 2, 2, 2, 0xff, 1, 1, 1]);
    expect(first.ackEliciting).toBe(true);
    const second = packet(8);
    box.fillMessages(second, 0);
    expect(written(second)).toEqual([0xff, 1, 1, 1, 1, 1]);
    expect(box.hasMessages).toBe(false);
  });

  // P-15
  test('pieces of many messages share a packet', () => {
    const box = outbox();
    for (let mark = 1; mark <= 5; mark++) box.queue(new Message(mark, 1));
    const builder = packet(100);
    box.fillMessages(builder, 0);
    expect(written(builder)).toEqual([0xff, 1, 0xff, 2, 0xff, 3, 0xff, 4, 0xff, 5]);
    expect(builder.items).toHaveLength(5);
  });

  test('what does not fit waits, and nothing is put in a packet without room', () => {
    const box = outbox();
    box.queue(new Message(1, 4));
    const builder = packet(1);
    box.fillMessages(builder, 0);
    expect(builder.at).toBe(0);
    expect(builder.ackEliciting).toBe(false);
    expect(box.hasMessages).toBe(true);
  });

  // P-42
  test('a message taken out, or dead, is not sent', () => {
    const box = outbox();
    const gone = new Message(1, 4);
    const dead = new Message(2, 4);
    box.queue(gone);
    box.queue(dead);
    box.remove(gone);
    box.remove(gone);
    dead.dead = true;
    const builder = packet(100);
    box.fillMessages(builder, 0);
    expect(builder.at).toBe(0);
    box.queue(dead);
    expect(box.hasMessages).toBe(false);
  });

  // P-64
  test('a lost piece is queued again unless nobody wants its message', () => {
    const box = outbox();
    const wanted = new Message(1, 2);
    const unwanted = new Message(2, 2);
    box.queue(wanted);
    box.queue(unwanted);
    const builder = packet(100);
    box.fillMessages(builder, 0);
    unwanted.dead = true;
    for (const item of builder.items) item.onLost();
    const again = packet(100);
    box.fillMessages(again, 0);
    expect(written(again)).toEqual([0xff, 1, 1]);
  });

  test('tells when the last byte of a message was acknowledged', () => {
    const delivered: Outgoing[] = [];
    const box = outbox(delivered);
    const message = new Message(1, 5);
    box.queue(message);
    const [a, b] = [packet(4), packet(4)];
    box.fillMessages(a, 0);
    box.fillMessages(b, 0);
    b.items[0]!.onAcked();
    expect(delivered).toEqual([]);
    a.items[0]!.onAcked();
    expect(delivered).toEqual([message]);
  });

  test('a message is queued once, however often it is asked for', () => {
    const box = outbox();
    const message = new Message(1, 1);
    box.queue(message);
    box.queue(message);
    const builder = packet(100);
    box.fillMessages(builder, 0);
    expect(written(builder)).toEqual([0xff, 1]);
  });
});

describe('Outbox: control frames', () => {
  test('leave in order, as many as fit', () => {
    const box = outbox();
    for (const mark of [1, 2, 3]) box.control(new Control(mark, 3));
    const first = packet(7);
    box.fillControl(first);
    expect(written(first)).toEqual([1, 1, 1, 2, 2, 2]);
    expect(first.ackEliciting).toBe(true);
    const second = packet(7);
    box.fillControl(second);
    expect(written(second)).toEqual([3, 3, 3]);
    expect(box.hasControl).toBe(false);
  });

  // P-64
  test('one that has become pointless is dropped when its turn comes', () => {
    const box = outbox();
    const pointless = new Control(1, 3);
    box.control(pointless);
    pointless.matters = false;
    const builder = packet(100);
    box.fillControl(builder);
    expect(builder).toMatchObject({ at: 0, ackEliciting: false });
    expect(box.hasControl).toBe(false);
  });
});
