import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OutgoingMessage } from '../../src/protocol/outgoing-message.ts';

function message(sizeBytes: number, granted = Number.MAX_SAFE_INTEGER): OutgoingMessage {
  return new OutgoingMessage(new Uint8Array(sizeBytes), granted);
}

/** Takes all that is sendable now, as [from, to] pairs. */
function drain(outgoing: OutgoingMessage, pieceBytes: number): [number, number][] {
  const pieces: [number, number][] = [];
  while (outgoing.sendable) {
    const from = outgoing.nextOffset;
    pieces.push([from, outgoing.take(pieceBytes)]);
    expect(outgoing.lastTakenEnd).toBe(pieces.at(-1)![1]);
  }
  return pieces;
}

describe('OutgoingMessage', () => {
  test('is cut into pieces, in order', () => {
    const outgoing = message(2500);
    expect(outgoing.started).toBe(false);
    expect(drain(outgoing, 1000)).toEqual([
      [0, 1000],
      [1000, 2000],
      [2000, 2500],
    ]);
    expect(outgoing).toMatchObject({ started: true, fullySent: true, unsentBytes: 0, delivered: false });
  });

  // P-70
  test('stops at its grant and goes on when it is raised', () => {
    const outgoing = message(2500, 1200);
    expect(drain(outgoing, 1000)).toEqual([
      [0, 1000],
      [1000, 1200],
    ]);
    expect(outgoing).toMatchObject({ fullySent: false, unsentBytes: 1300 });
    outgoing.granted = 9999;
    expect(drain(outgoing, 2000)).toEqual([[1200, 2500]]);
  });

  // P-64
  test('what is lost goes first, in pieces of any size, and not what was acknowledged meanwhile', () => {
    const outgoing = message(4000, 3000);
    drain(outgoing, 1000);
    outgoing.onAcked(1000, 1500);
    outgoing.onLost(0, 3000);
    outgoing.granted = 4000;
    expect(outgoing.nextOffset).toBe(0);
    expect(drain(outgoing, 700)).toEqual([
      [0, 700],
      [700, 1000],
      [1500, 2200],
      [2200, 2900],
      [2900, 3000],
      [3000, 3700],
      [3700, 4000],
    ]);
  });

  test('is delivered when every byte was acknowledged, in any order', () => {
    const outgoing = message(3000);
    drain(outgoing, 1000);
    outgoing.onAcked(2000, 3000);
    outgoing.onAcked(0, 1000);
    expect(outgoing.delivered).toBe(false);
    outgoing.onAcked(500, 2500);
    expect(outgoing.delivered).toBe(true);
  });

  test('an empty message is one frame, which can be lost and delivered', () => {
    const outgoing = message(0, 0);
    expect(outgoing).toMatchObject({ sendable: true, started: false, fullySent: false, delivered: false });
    expect(drain(outgoing, 100)).toEqual([[0, 0]]);
    expect(outgoing).toMatchObject({ sendable: false, started: true, fullySent: true });
    outgoing.onLost(0, 0);
    expect(drain(outgoing, 100)).toEqual([[0, 0]]);
    outgoing.onAcked(0, 0);
    expect(outgoing.delivered).toBe(true);
    outgoing.onLost(0, 0);
    expect(outgoing.sendable).toBe(false);
  });

  // P-28
  test('begins anew for another incarnation, with its grant', () => {
    const outgoing = message(3000);
    drain(outgoing, 1000);
    outgoing.onAcked(0, 1000);
    outgoing.onLost(1000, 2000);
    outgoing.restart(2000);
    expect(outgoing).toMatchObject({ started: false, fullySent: false, unsentBytes: 3000, delivered: false });
    expect(drain(outgoing, 1500)).toEqual([
      [0, 1500],
      [1500, 2000],
    ]);
  });

  test('every byte arrives, whatever is lost', () => {
    const fate = fc.record({ lost: fc.boolean(), sizeBytes: fc.integer({ min: 1, max: 400 }) });
    fc.assert(
      fc.property(fc.nat(2000), fc.array(fate, { minLength: 1 }), (sizeBytes, fates) => {
        const outgoing = message(sizeBytes);
        const arrived = new Set<number>();
        let turn = 0;
        while (outgoing.sendable) {
          // After the listed fates nothing is lost any more.
          const { lost, sizeBytes: pieceBytes } = fates[turn++] ?? { lost: false, sizeBytes: 300 };
          const from = outgoing.nextOffset;
          const to = outgoing.take(pieceBytes);
          expect(to - from).toBeLessThanOrEqual(pieceBytes);
          if (lost) outgoing.onLost(from, to);
          else {
            outgoing.onAcked(from, to);
            for (let at = from; at < to; at++) arrived.add(at);
          }
        }
        expect(arrived.size).toBe(sizeBytes);
        expect(outgoing.delivered).toBe(true);
      }),
    );
  });
});
