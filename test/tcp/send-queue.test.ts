import { describe, expect, test } from 'vitest';
import { cancelFrame, type Frame, PING_FRAME, PREFACE, writeRequest } from '../../src/tcp/frame.ts';
import { FrameReader } from '../../src/tcp/frame-reader.ts';
import { type Outgoing, SendQueue } from '../../src/tcp/send-queue.ts';

const PIECE_BYTES = 1000;

class Message implements Outgoing {
  readonly bytes: Uint8Array;
  readonly wireId: number;
  sentBytes = 0;
  started = false;
  queueEntry: Outgoing['queueEntry'];
  sent = false;

  constructor(wireId: number, sizeBytes: number) {
    this.wireId = wireId;
    this.bytes = new Uint8Array(sizeBytes).fill(wireId);
  }

  writeStart(target: Uint8Array, at: number, dataBytes: number): number {
    return writeRequest(target, at, this.wireId, 0, this.bytes.length, dataBytes);
  }

  onSent(): void {
    this.sent = true;
  }
}

describe('a queue of frames', () => {
  test('gives control frames first, then the message with the least left', () => {
    const queue = new SendQueue(PIECE_BYTES);
    const [large, small] = [new Message(1, 3500), new Message(2, 10)];
    queue.add(large);
    queue.add(small);
    queue.control(PING_FRAME);
    expect(shape(queue.take(1e6))).toEqual([
      'ping',
      'request 2: 10',
      'request 1: 1000',
      'more 1: 1000',
      'more 1: 1000',
      'more 1: 500',
    ]);
    expect([large.sent, small.sent, queue.isEmpty, queue.unsentBytes]).toEqual([true, true, true, 0]);
  });

  test('lets a small message in between two pieces of a large one', () => {
    const queue = new SendQueue(PIECE_BYTES);
    queue.add(new Message(1, 2500));
    expect(shape(queue.take(1))).toEqual(['request 1: 1000']);
    queue.add(new Message(2, 10));
    expect(shape(queue.take(1))).toEqual(['request 2: 10']);
    expect(shape(queue.take(1))).toEqual(['more 1: 1000']);
    expect(queue.unsentBytes).toBe(500);
  });

  test('forgets the rest of what is taken back', () => {
    const queue = new SendQueue(PIECE_BYTES);
    const message = new Message(1, 2500);
    queue.add(message);
    queue.take(1);
    expect(queue.remove(message)).toBe(1500);
    expect(queue.remove(message)).toBe(0);
    queue.control(cancelFrame(1));
    expect(shape(queue.take(1e6))).toEqual(['cancel']);
    expect([message.sent, queue.isEmpty, queue.unsentBytes]).toEqual([false, true, 0]);
  });

  test('sends a message without bytes, too', () => {
    const queue = new SendQueue(PIECE_BYTES);
    const message = new Message(1, 0);
    queue.add(message);
    expect(shape(queue.take(1e6))).toEqual(['request 1: 0']);
    expect(message.sent).toBe(true);
  });

  test('puts small frames side by side and does not copy large data', () => {
    const queue = new SendQueue(64 * 1024);
    for (let id = 1; id <= 20; id++) queue.add(new Message(id, 20));
    expect(queue.take(1e6).length).toBe(1);
    const large = new Message(21, 60_000);
    queue.add(large);
    const parts = queue.take(1e6);
    expect(parts.map(({ length }) => length)).toEqual([FRAME_BYTES_BEFORE_DATA, 60_000]);
    expect(parts[1]!.buffer).toBe(large.bytes.buffer);
  });

  test('keeps frames whole across its buffers', () => {
    const queue = new SendQueue(4096);
    const messages = Array.from({ length: 200 }, (_, index) => new Message(index + 1, 50 * index));
    for (const message of messages) queue.add(message);
    let bytes = 0;
    for (const frame of frames(queue.take(1e9))) bytes += 'data' in frame ? frame.data.length : 0;
    expect(bytes).toBe(messages.reduce((sum, message) => sum + message.bytes.length, 0));
  });
});

/** Header, id, deadline, total of 4 bytes. */
const FRAME_BYTES_BEFORE_DATA = 4 + 1 + 1 + 4;

function frames(parts: readonly Uint8Array[]): Frame[] {
  const reader = new FrameReader();
  reader.push(Buffer.concat([PREFACE, ...parts]));
  expect(reader.next()).toBe('preface');
  const all: Frame[] = [];
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    if (typeof found !== 'object') throw new Error(`${found} after ${all.length} frames`);
    all.push(found);
  }
  return all;
}

function shape(parts: readonly Uint8Array[]): string[] {
  return frames(parts).map((frame) =>
    frame.type === 'request' || frame.type === 'more'
      ? `${frame.type} ${frame.callId}: ${frame.data.length}`
      : frame.type,
  );
}
