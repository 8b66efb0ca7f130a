import { describe, expect, test } from 'vitest';
import { MessageMemory } from '../../src/protocol/message-memory.ts';

const MIB = 1024 * 1024;

/** A message of so many bytes, all of them `fill`. */
function messageOf(memory: MessageMemory, sizeBytes: number, fill = 1): Uint8Array {
  return memory.join([Uint8Array.of(fill), new Uint8Array(sizeBytes - 1).fill(fill)]);
}

describe('MessageMemory', () => {
  test.each([2, 100, 16_384, 16_385, 20_000, 65_536, 65_537, 100_000, MIB, 10_000_008, 16 * MIB])(
    'a message of %i bytes is all its parts, and no more, also in memory that was used before',
    (sizeBytes) => {
      const memory = new MessageMemory(16 * MIB);
      for (let fill = 1; fill <= 3; fill++) {
        const message = messageOf(memory, sizeBytes, fill);
        expect(message.length).toBe(sizeBytes);
        expect(message.every((byte) => byte === fill)).toBe(true);
        memory.giveBack(message);
      }
    },
  );

  test('a single part is kept as it is', () => {
    const part = new Uint8Array(100_000);
    expect(new MessageMemory(MIB).join([part])).toBe(part);
  });

  test('what was given back is used by the next message of about its size', () => {
    const memory = new MessageMemory(MIB);
    const first = messageOf(memory, 100_000);
    memory.giveBack(first);
    expect(messageOf(memory, 500_000).buffer).not.toBe(first.buffer);
    expect(messageOf(memory, 110_000).buffer).toBe(first.buffer);
    expect(messageOf(memory, 110_000).buffer).not.toBe(first.buffer);
  });

  test('nothing is taken back twice, and nothing that is not from here', () => {
    const memory = new MessageMemory(MIB);
    const message = messageOf(memory, 100_000);
    memory.giveBack(message);
    const { spareBytes } = memory;
    memory.giveBack(message);
    memory.giveBack(new Uint8Array(100_000));
    memory.giveBack(messageOf(new MessageMemory(MIB), 100_000));
    memory.giveBack(messageOf(memory, 100));
    expect(memory.spareBytes).toBe(spareBytes);
    expect(messageOf(memory, 100_000).buffer).not.toBe(messageOf(memory, 100_000).buffer);
  });

  test('holds no more than it may: what was used last', () => {
    const memory = new MessageMemory(MIB);
    const messages = Array.from({ length: 30 }, () => messageOf(memory, 100_000));
    for (const message of messages) {
      memory.giveBack(message);
      expect(memory.spareBytes).toBeLessThanOrEqual(MIB);
    }
    const large = messageOf(memory, MIB - 100);
    memory.giveBack(large);
    expect(memory.spareBytes).toBe(MIB);
    const tooLarge = messageOf(memory, MIB + 1);
    memory.giveBack(tooLarge);
    expect(messageOf(memory, MIB + 1).buffer).not.toBe(tooLarge.buffer);
    expect(messageOf(memory, MIB - 100).buffer).toBe(large.buffer);
  });

  test('wastes no more than a quarter', () => {
    const memory = new MessageMemory(16 * MIB);
    for (let sizeBytes = 16_384; sizeBytes < 16 * MIB; sizeBytes = Math.ceil(sizeBytes * 1.07)) {
      expect(messageOf(memory, sizeBytes).buffer.byteLength).toBeLessThanOrEqual(1.25 * sizeBytes);
    }
  });
});
