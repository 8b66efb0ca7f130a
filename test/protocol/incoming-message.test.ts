import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IncomingMessage } from '../../src/protocol/incoming-message.ts';

const CONTENT = Uint8Array.from({ length: 100 }, (_, i) => i);

function piece(from: number, to: number): [number, number, Uint8Array] {
  return [from, CONTENT.length, CONTENT.subarray(from, to)];
}

describe('IncomingMessage', () => {
  test('a message in one piece is a view of its datagram', () => {
    const message = new IncomingMessage(100, 64);
    expect(message.add(...piece(0, 100))).toBe('complete');
    expect(message.bytes.buffer).toBe(CONTENT.buffer);
  });

  test('knows what is missing and what was promised', () => {
    const message = new IncomingMessage(100, 64);
    expect(message).toMatchObject({ granted: 64, arrivedBytes: 0, remainingBytes: 100, promisedBytes: 64 });
    expect(message.add(...piece(0, 60))).toBe('progress');
    expect(message).toMatchObject({ arrivedBytes: 60, remainingBytes: 40, promisedBytes: 4 });
    // A sender that goes beyond its grant is not owed anything.
    expect(message.add(...piece(60, 90))).toBe('progress');
    expect(message.promisedBytes).toBe(0);
  });

  test('a short message is granted no more than it is long', () => {
    expect(new IncomingMessage(10, 64).granted).toBe(10);
  });

  // P-33
  test('a piece that came before changes nothing', () => {
    const message = new IncomingMessage(100, 100);
    message.add(...piece(10, 40));
    expect(message.add(...piece(20, 30))).toBe('nothing-new');
    expect(message.add(...piece(10, 40))).toBe('nothing-new');
    expect(message.arrivedBytes).toBe(30);
  });

  // P-33
  test('a piece of another total, or beyond the end, contradicts', () => {
    const message = new IncomingMessage(100, 100);
    expect(message.add(0, 99, CONTENT.subarray(0, 10))).toBe('contradiction');
    expect(message.add(95, 100, CONTENT.subarray(0, 6))).toBe('contradiction');
    expect(message.arrivedBytes).toBe(0);
  });

  test('an answer of no bytes is complete with its first piece', () => {
    const message = new IncomingMessage(0, 64);
    expect(message.add(0, 0, new Uint8Array(0))).toBe('complete');
    expect(message.bytes).toHaveLength(0);
  });

  // P-33
  test('pieces in any order, cut anywhere, overlapping and repeated, make the message', () => {
    const cut = fc.tuple(fc.nat(99), fc.integer({ min: 1, max: 40 }));
    fc.assert(
      fc.property(fc.array(cut, { maxLength: 30 }), (cuts) => {
        const message = new IncomingMessage(100, 100);
        let completed = 0;
        const rest: [number, number][] = [];
        for (let at = 0; at < 100; at += 25) rest.push([at, 25]);
        for (const [from, length] of [...cuts, ...rest]) {
          if (completed > 0) break;
          if (message.add(...piece(from, Math.min(100, from + length))) === 'complete') completed++;
        }
        expect(completed).toBe(1);
        expect([...message.bytes]).toEqual([...CONTENT]);
      }),
    );
  });
});
