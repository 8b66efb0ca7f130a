import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import { ReceivedPackets } from '../../src/protocol/received-packets.ts';

function receive(packets: ReceivedPackets, numbers: readonly number[], nowMs = 0): void {
  for (const number of numbers) packets.onReceived(number, true, nowMs);
}

describe('ReceivedPackets', () => {
  // P-60
  test('a packet in order may wait for an answer to carry its acknowledgement', () => {
    const packets = new ReceivedPackets(DEFAULT_CONFIG);
    packets.onReceived(0, true, 100);
    expect(packets.ackOwed).toBe(true);
    expect(packets.ackDueAtMs).toBe(105);
  });

  // P-60
  test('the second packet waiting is acknowledged at once', () => {
    const packets = new ReceivedPackets(DEFAULT_CONFIG);
    packets.onReceived(0, true, 100);
    packets.onReceived(1, true, 102);
    expect(packets.ackDueAtMs).toBe(102);
  });

  // P-60
  test('a packet out of order is acknowledged at once: something may be lost', () => {
    const packets = new ReceivedPackets(DEFAULT_CONFIG);
    packets.onReceived(1, true, 100);
    expect(packets.ackDueAtMs).toBe(100);
    packets.onAckSent();
    packets.onReceived(0, true, 110);
    expect(packets.ackDueAtMs).toBe(110);
  });

  // P-60: two endpoints must not acknowledge acknowledgements for ever.
  test('a packet of acknowledgements only is not acknowledged, but is among the ranges', () => {
    const packets = new ReceivedPackets(DEFAULT_CONFIG);
    packets.onReceived(0, false, 100);
    expect(packets.ackOwed).toBe(false);
    expect(packets.ackDueAtMs).toBe(Number.POSITIVE_INFINITY);
    packets.onReceived(1, true, 101);
    expect(packets.ack(101).ranges).toEqual([[0, 1]]);
  });

  test('once sent, nothing is owed until something new comes', () => {
    const packets = new ReceivedPackets(DEFAULT_CONFIG);
    receive(packets, [0, 1]);
    packets.onAckSent();
    expect(packets.ackOwed).toBe(false);
    expect(packets.ackDueAtMs).toBe(Number.POSITIVE_INFINITY);
    packets.onReceived(2, true, 50);
    expect(packets.ackDueAtMs).toBe(55);
  });

  test('tells ranges highest first, and how long the highest was held', () => {
    const packets = new ReceivedPackets(DEFAULT_CONFIG);
    packets.onReceived(0, true, 10);
    packets.onReceived(5, true, 20);
    packets.onReceived(1, true, 30);
    expect(packets.ack(32.5)).toEqual({
      ranges: [
        [5, 5],
        [0, 1],
      ],
      delayUs: 12_500,
    });
    expect(packets.largest).toBe(5);
  });

  test('tells no more ranges than one frame may hold, the highest ones', () => {
    const packets = new ReceivedPackets({ ...DEFAULT_CONFIG, maxAckRanges: 2 });
    receive(packets, [0, 2, 4]);
    expect(packets.ack(0).ranges).toEqual([
      [4, 4],
      [2, 2],
    ]);
  });

  test('what an ACK says has come, has come, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 120 }), (numbers) => {
        const packets = new ReceivedPackets({ ...DEFAULT_CONFIG, maxAckRanges: 3 });
        const taken = new Set<number>();
        for (const number of numbers) {
          if (taken.has(number)) continue;
          taken.add(number);
          packets.onReceived(number, true, 0);
          for (const [first, last] of packets.ack(0).ranges) {
            for (let acked = first; acked <= last; acked++) expect(taken.has(acked)).toBe(true);
          }
        }
      }),
    );
  });
});
