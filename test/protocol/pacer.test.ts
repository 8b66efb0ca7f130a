import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pacer } from '../../src/protocol/pacer.ts';

/** Sends as much as the pacer lets it at this time. */
function sendAll(pacer: Pacer, nowMs: number, sizeBytes: number, limit = 10_000): number {
  let count = 0;
  while (count < limit && pacer.canSend(nowMs, sizeBytes)) {
    pacer.onSent(nowMs, sizeBytes);
    count++;
  }
  return count;
}

describe('Pacer', () => {
  test('lets ten datagrams go at once, then one per interval', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 120);
    expect(sendAll(pacer, 0, 1200)).toBe(10);
    expect(pacer.nextSendAt(0, 1200)).toBeCloseTo(10, 2);
    expect(pacer.nextSendAt(0, 600)).toBeCloseTo(5, 2);
    expect(sendAll(pacer, 9, 1200)).toBe(0);
    expect(sendAll(pacer, 10, 1200)).toBe(1);
    expect(sendAll(pacer, 35, 1200)).toBe(2);
  });

  test('an idle time saves up a burst and no more', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 120);
    // As many as there are to send: nothing waits.
    sendAll(pacer, 0, 1200, 10);
    pacer.stopWaiting();
    expect(sendAll(pacer, 1_000_000, 1200)).toBe(10);
  });

  test('on a fast path a burst is what accrues in 2 ms, as timers are no finer', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 120_000);
    for (const [atMs, datagrams] of [
      [0, 10],
      [1, 100],
      [3, 200],
      [9, 200],
    ] as const) {
      expect(sendAll(pacer, atMs, 1200, datagrams)).toBe(datagrams);
      expect(pacer.canSend(atMs, 1200)).toBe(false);
      pacer.stopWaiting();
    }
  });

  test('who was told to wait and comes too late makes up for it at twice the rate, for at most 25 ms', () => {
    for (const [lateMs, atOnce, madeUp] of [
      [0, 1, 0],
      [5, 6, 0],
      [20, 20, 1],
      [30, 20, 11],
      [1000, 20, 25],
    ] as const) {
      const pacer = new Pacer(1200);
      pacer.setRate(0, 1200);
      sendAll(pacer, 0, 1200);
      const atMs = pacer.nextSendAt(0, 1200) + lateMs;
      pacer.setRate(atMs, 1200);
      expect(sendAll(pacer, atMs, 1200)).toBe(atOnce);
      expect(pacer.behind).toBe(madeUp > 0);
      let datagrams = 0;
      for (let ms = 1; ms <= 40; ms++) datagrams += sendAll(pacer, atMs + ms, 1200);
      expect(datagrams).toBe(40 + madeUp);
      expect(pacer.behind).toBe(false);
    }
  });

  test('who is held up between two datagrams that may leave makes up for it as well', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 1200);
    sendAll(pacer, 0, 1200, 5);
    // Five more would have been allowed, and then one each millisecond.
    expect(pacer.canSend(0, 1200)).toBe(true);
    expect(sendAll(pacer, 30, 1200)).toBe(20);
    expect(pacer.behind).toBe(true);
    let datagrams = 0;
    for (let ms = 31; ms <= 70; ms++) datagrams += sendAll(pacer, ms, 1200);
    expect(datagrams).toBe(40 + 15);
    expect(pacer.behind).toBe(false);
  });

  test('what was missed at one rate is no more than 25 ms of the next, and nothing without a rate', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 12_000);
    sendAll(pacer, 0, 1200);
    pacer.setRate(100, 1200);
    sendAll(pacer, 100, 1200);
    let datagrams = 0;
    for (let ms = 101; ms <= 160; ms++) datagrams += sendAll(pacer, ms, 1200);
    expect(datagrams).toBe(60 + 25);
    pacer.setRate(160, 12_000);
    sendAll(pacer, 160, 1200);
    pacer.setRate(260, Number.POSITIVE_INFINITY);
    sendAll(pacer, 261, 1200, 1);
    expect(pacer.behind).toBe(false);
  });

  test('who does not wait for the rate misses nothing', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 1200);
    sendAll(pacer, 0, 1200);
    pacer.stopWaiting();
    expect(sendAll(pacer, 100, 1200)).toBe(10);
    expect(pacer.behind).toBe(false);
  });

  test('who has come too late and has nothing more to send misses nothing any more', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 1200);
    sendAll(pacer, 0, 1200);
    sendAll(pacer, 100, 1200);
    expect(pacer.behind).toBe(true);
    pacer.stopWaiting();
    pacer.setRate(200, 1200);
    expect(pacer.behind).toBe(false);
  });

  test('without a rate nothing waits', () => {
    const pacer = new Pacer();
    expect(sendAll(pacer, 0, 1200, 500)).toBe(500);
    pacer.setRate(5, 120);
    expect(sendAll(pacer, 5, 1200)).toBe(10);
    pacer.setRate(5, Number.POSITIVE_INFINITY);
    expect(pacer.nextSendAt(5, 60_000)).toBe(5);
  });

  test('a rate of nothing lets nothing more go', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 0);
    expect(sendAll(pacer, 0, 1200)).toBe(10);
    expect(pacer.nextSendAt(1e6, 1200)).toBe(Number.POSITIVE_INFINITY);
  });

  test('what must go without asking is paid for afterwards', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 120);
    sendAll(pacer, 0, 1200);
    pacer.onSent(0, 1200);
    expect(pacer.nextSendAt(0, 1200)).toBeCloseTo(20, 2);
  });

  test('a datagram larger than a burst goes when the bucket is full', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(0, 120);
    expect(pacer.canSend(0, 60_000)).toBe(true);
    pacer.onSent(0, 60_000);
    expect(pacer.nextSendAt(0, 60_000)).toBeCloseTo(500, 1);
    pacer.setDatagramBytes(60_000);
    expect(pacer.nextSendAt(0, 60_000)).toBeCloseTo(900, 1);
  });

  test('time that stands still or goes back gives nothing', () => {
    const pacer = new Pacer(1200);
    pacer.setRate(100, 120);
    sendAll(pacer, 100, 1200);
    expect(pacer.canSend(50, 1200)).toBe(false);
    expect(sendAll(pacer, 110, 1200)).toBe(1);
  });

  test('who waits until nextSendAt may send, and never exceeds rate times time plus a burst', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 4e9, noNaN: true }),
        fc.array(fc.integer({ min: 1, max: 12_000 }), { minLength: 1, maxLength: 50 }),
        (bytesPerMs, startMs, sizes) => {
          const pacer = new Pacer(1200);
          pacer.setRate(startMs, bytesPerMs);
          let nowMs = startMs;
          let sentBytes = 0;
          for (const sizeBytes of sizes) {
            nowMs = pacer.nextSendAt(nowMs, sizeBytes);
            expect(pacer.canSend(nowMs, sizeBytes)).toBe(true);
            pacer.onSent(nowMs, sizeBytes);
            sentBytes += sizeBytes;
          }
          const burstBytes = Math.max(12_000, 2 * bytesPerMs);
          expect(sentBytes).toBeLessThanOrEqual(burstBytes + bytesPerMs * (nowMs - startMs) * 1.000001 + 2);
        },
      ),
    );
  });
});
