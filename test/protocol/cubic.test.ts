import { describe, expect, test } from 'vitest';
import { initialWindowBytes, minimumWindowBytes } from '../../src/protocol/congestion.ts';
import { CubicController } from '../../src/protocol/cubic.ts';

const SEGMENT = 1200;
const RTT_MS = 100;

/** A controller and what surrounds it: acknowledgements of `segments`, sent one round trip before `nowMs`. */
function setUp(datagramBytes = SEGMENT) {
  const cubic = new CubicController(datagramBytes);
  const acked = (nowMs: number, segments: number, options: { rttMs?: number; appLimited?: boolean } = {}) => {
    const rttMs = options.rttMs ?? RTT_MS;
    cubic.onAcked({
      nowMs,
      ackedBytes: segments * datagramBytes,
      largestSentAtMs: nowMs - rttMs,
      rtt: { smoothedMs: rttMs, latestMs: rttMs, minMs: RTT_MS },
      inFlightBytes: cubic.windowBytes,
      appLimited: options.appLimited ?? false,
    });
  };
  const lost = (nowMs: number, sentAtMs = nowMs - RTT_MS) => {
    cubic.onLost({
      nowMs,
      lostBytes: datagramBytes,
      largestSentAtMs: sentAtMs,
      inFlightBytes: cubic.windowBytes,
    });
  };
  return { cubic, acked, lost, segments: () => cubic.windowBytes / datagramBytes };
}

/** With a window of 100 segments and a loss at 10 s: W_max = 100, window 70, in avoidance. */
function afterLossAt100() {
  const path = setUp();
  path.acked(1000, 90);
  path.lost(10_000);
  return path;
}

describe('the initial window', () => {
  test.each([
    [1200, 12_000],
    [1472, 14_720],
    [1500, 14_720],
    [9000, 18_000],
    [60_000, 120_000],
  ])('for datagrams of %i bytes is %i', (datagramBytes, windowBytes) => {
    expect(initialWindowBytes(datagramBytes)).toBe(windowBytes);
    expect(new CubicController(datagramBytes).windowBytes).toBe(windowBytes);
  });

  test('is computed anew when the datagram size changes before anything else happened', () => {
    const { cubic } = setUp();
    cubic.setDatagramBytes(9000);
    expect(cubic.windowBytes).toBe(18_000);
  });

  test('a window that has grown stays in bytes, but is never below two datagrams', () => {
    const { cubic, acked } = setUp();
    acked(100, 10);
    cubic.setDatagramBytes(1452);
    expect(cubic.windowBytes).toBe(24_000);
    cubic.setDatagramBytes(60_000);
    expect(cubic.windowBytes).toBe(minimumWindowBytes(60_000));
  });
});

describe('slow start', () => {
  test('grows by what is acknowledged', () => {
    const { cubic, acked, segments } = setUp();
    acked(100, 4);
    acked(110, 6);
    expect(segments()).toBe(20);
    expect(cubic.inSlowStart).toBe(true);
  });

  test('does not grow on acknowledgements of an application that did not fill the window', () => {
    const { acked, segments } = setUp();
    acked(100, 4, { appLimited: true });
    expect(segments()).toBe(10);
  });

  test('ends for good at a loss', () => {
    const { cubic, acked, lost, segments } = setUp();
    acked(100, 10);
    lost(200);
    expect(segments()).toBeCloseTo(14, 9);
    expect(cubic.inSlowStart).toBe(false);
  });

  test('slows down and ends when round trips grow longer (HyStart++)', () => {
    const { cubic, acked, segments } = setUp();
    let nowMs = 0;
    const round = (rttMs: number) => {
      nowMs += rttMs;
      const before = segments();
      for (let i = 0; i < 10; i++) acked(nowMs + i, 1, { rttMs });
      return segments() - before;
    };
    expect(round(100)).toBe(10);
    expect(round(100)).toBe(10);
    // The threshold is an eighth of 100 ms; it is looked at from the eighth sample on.
    expect(round(120)).toBeCloseTo(7 + 3 * 0.25, 9);
    for (let i = 0; i < 4; i++) expect(round(120)).toBeCloseTo(2.5, 9);
    expect(cubic.inSlowStart).toBe(true);
    round(120);
    expect(cubic.inSlowStart).toBe(false);
    expect(cubic.thresholdBytes).toBeLessThanOrEqual(cubic.windowBytes);
  });

  test('goes on when the longer round trips were a passing thing', () => {
    const { acked, segments } = setUp();
    let nowMs = 0;
    const round = (rttMs: number) => {
      nowMs += 200;
      const before = segments();
      for (let i = 0; i < 10; i++) acked(nowMs + i, 1, { rttMs });
      return segments() - before;
    };
    round(100);
    round(100);
    round(150);
    expect(round(100)).toBeGreaterThan(2.5);
    expect(round(100)).toBe(10);
  });
});

describe('a loss', () => {
  test('multiplies the window by 0.7, once for all packets sent before it was noticed', () => {
    const { lost, segments } = afterLossAt100();
    expect(segments()).toBeCloseTo(70, 9);
    lost(10_050, 9_990);
    lost(10_060, 10_000);
    expect(segments()).toBeCloseTo(70, 9);
    lost(10_200, 10_001);
    expect(segments()).toBeCloseTo(49, 9);
  });

  test('stops growth until something sent after it is acknowledged', () => {
    const { acked, segments } = afterLossAt100();
    acked(10_050, 30);
    acked(10_100, 30);
    expect(segments()).toBeCloseTo(70, 9);
    acked(10_101, 30);
    expect(segments()).toBeGreaterThan(70);
  });

  test('never makes the window smaller than two datagrams', () => {
    const { lost, segments } = setUp();
    for (let i = 1; i < 20; i++) lost(i * 1000);
    expect(segments()).toBe(2);
  });

  test('below the last plateau lowers the plateau (fast convergence)', () => {
    // W_max = 100, window 70; lost again at once: W_max = 70 * 1.7 / 2 = 59.5, window 49.
    const { acked, lost, segments } = afterLossAt100();
    lost(11_000);
    expect(segments()).toBeCloseTo(49, 9);
    // K = cbrt((59.5 - 49) / 0.4) = 2.9720 s: the window is at 59.5 then, not at 70.
    // Round trips of 1 s, so that Reno's window stays below.
    for (let t = 0; t <= 2972; t += 100) acked(12_100 + t, segments() / 10, { rttMs: 1000 });
    expect(segments()).toBeGreaterThan(58.5);
    expect(segments()).toBeLessThan(60.5);
  });
});

describe('congestion avoidance', () => {
  test('follows the formulas of RFC 9438 step by step', () => {
    const { acked, segments } = afterLossAt100();
    // t = 0: W_cubic = 70; W_est = 70 + 0.52941 * 7 / 70 = 70.0529 is above it and governs.
    acked(10_200, 7);
    expect(segments()).toBeCloseTo(70.0529, 4);
    // t = 0.1 s: K = cbrt(30 / 0.4) = 4.21716; W_cubic(0.1) = 100 - 0.4 * 4.11716^3 = 72.0843, above W_est.
    // Target W_cubic(0.2) = 100 - 0.4 * 4.01716^3 = 74.0687; window += (74.0687 - 70.0529) / 70.0529 * 7.
    acked(10_300, 7);
    expect(segments()).toBeCloseTo(70.0529 + ((74.0687 - 70.0529) / 70.0529) * 7, 3);
  });

  test('is back at the plateau after K, flat there, and steep again after it', () => {
    const { acked, segments } = afterLossAt100();
    const kMs = 4217.16;
    const at = new Map<number, number>();
    for (let t = 0; t <= 2 * kMs + 100; t += 100) {
      acked(10_200 + t, segments());
      at.set(t, segments());
    }
    // W_cubic(t + RTT) is aimed at, a round trip ahead.
    expect(at.get(2000)).toBeCloseTo(100 + 0.4 * (2.1 - 4.21716) ** 3, 1);
    expect(at.get(4100)).toBeCloseTo(100, 1);
    expect(at.get(8400)).toBeCloseTo(100 + 0.4 * (8.5 - 4.21716) ** 3, 1);
  });

  test('is never slower than Reno would be', () => {
    // Round trips of 1 ms: the curve is slow, W_est = 70 + 0.52941 per round trip governs, and 1 per round
    // trip once the window of before the loss is reached.
    const { acked, segments } = afterLossAt100();
    let nowMs = 10_200;
    let rounds = 0;
    while (segments() < 100) {
      acked(nowMs++, segments(), { rttMs: 1 });
      rounds++;
    }
    expect(rounds).toBe(Math.ceil(30 / 0.529411));
    const before = segments();
    for (let i = 0; i < 10; i++) acked(nowMs++, segments(), { rttMs: 1 });
    expect(segments() - before).toBeCloseTo(10, 6);
  });

  test('does not grow by more than half a window per round trip', () => {
    const { acked, segments } = afterLossAt100();
    acked(10_200, 1);
    const before = segments();
    acked(60_000, before);
    expect(segments()).toBeCloseTo(1.5 * before, 6);
  });

  test('stands still while the application does not fill the window, or sends nothing', () => {
    const used = afterLossAt100();
    const limited = afterLossAt100();
    const idle = afterLossAt100();
    for (const path of [used, limited, idle]) path.acked(10_200, 7);
    for (let t = 100; t <= 5000; t += 100) limited.acked(10_200 + t, 7, { appLimited: true });
    idle.cubic.onSent(15_200, SEGMENT, SEGMENT);
    expect(limited.segments()).toBeCloseTo(70.0529, 4);
    used.acked(10_300, 7);
    limited.acked(15_300, 7);
    idle.acked(15_300, 7);
    expect(limited.segments()).toBeCloseTo(used.segments(), 9);
    expect(idle.segments()).toBeCloseTo(used.segments(), 9);
  });

  test('after slow start ended without a loss climbs from where it is', () => {
    const { cubic, acked, lost, segments } = setUp();
    acked(1000, 90);
    lost(10_000);
    cubic.onPersistentCongestion();
    expect(segments()).toBe(2);
    expect(cubic.inSlowStart).toBe(true);
    acked(10_200, 100);
    expect(segments()).toBeCloseTo(70, 9);
    expect(cubic.inSlowStart).toBe(false);
    // K = 0 and W_max = 70 from here: W_cubic(1 s + 0.1 s) = 70 + 0.4 * 1.331, Reno is faster at first.
    for (let t = 0; t <= 1000; t += 100) acked(10_300 + t, segments());
    expect(segments()).toBeGreaterThan(70);
    expect(segments()).toBeLessThan(82);
  });
});

describe('pacing', () => {
  test('is 1.25 windows per smoothed round trip', () => {
    const { cubic } = setUp();
    expect(cubic.pacingBytesPerMs({ smoothedMs: 100, latestMs: 50, minMs: 50 })).toBe((1.25 * 12_000) / 100);
    expect(cubic.pacingBytesPerMs({ smoothedMs: 0, latestMs: 0, minMs: 0 })).toBe(Number.POSITIVE_INFINITY);
  });
});
