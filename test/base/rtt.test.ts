import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RttEstimator } from '../../src/base/rtt.ts';

// P-61; the expected numbers are computed by hand from RFC 9002, section 5.3.
describe('RttEstimator', () => {
  test('before the first sample it guesses', () => {
    const rtt = new RttEstimator(333);
    expect(rtt.sampled).toBe(false);
    expect(rtt).toMatchObject({ latestMs: 333, smoothedMs: 333, varianceMs: 166.5 });
    expect(rtt.probeTimeoutMs(1, 0)).toBe(999);
  });

  test('the first sample replaces the guess', () => {
    const rtt = new RttEstimator(333);
    rtt.update(100, 0);
    expect(rtt.sampled).toBe(true);
    expect(rtt).toMatchObject({ latestMs: 100, minMs: 100, smoothedMs: 100, varianceMs: 50 });
  });

  test('further samples are smoothed by an eighth, their deviation by a quarter', () => {
    const rtt = new RttEstimator(333);
    rtt.update(100, 0);
    rtt.update(120, 0);
    // 3/4 · 50 + 1/4 · |100 − 120|, then 7/8 · 100 + 1/8 · 120
    expect(rtt.varianceMs).toBeCloseTo(42.5, 10);
    expect(rtt.smoothedMs).toBeCloseTo(102.5, 10);
    rtt.update(80, 0);
    expect(rtt.varianceMs).toBeCloseTo(0.75 * 42.5 + 0.25 * 22.5, 10);
    expect(rtt.smoothedMs).toBeCloseTo(0.875 * 102.5 + 10, 10);
    expect(rtt.minMs).toBe(80);
    expect(rtt.latestMs).toBe(80);
  });

  test("the peer's delay is taken off, but for a sample that would fall below the minimum", () => {
    const rtt = new RttEstimator(333);
    rtt.update(100, 20);
    // The first sample is the minimum: the delay is not believed.
    expect(rtt.smoothedMs).toBe(100);
    rtt.update(130, 20);
    expect(rtt.smoothedMs).toBeCloseTo(0.875 * 100 + 0.125 * 110, 10);
    const before = rtt.smoothedMs;
    rtt.update(110, 20);
    expect(rtt.smoothedMs).toBeCloseTo(0.875 * before + 0.125 * 110, 10);
    // The minimum is of what was measured, whatever the peer says.
    expect(rtt.minMs).toBe(100);
  });

  // P-65, without its bound
  test('the probe timeout is smoothed + 4 variance + ack delay, and the granularity at least', () => {
    const rtt = new RttEstimator(333);
    rtt.update(100, 0);
    expect(rtt.probeTimeoutMs(1, 5)).toBe(305);
    for (let i = 0; i < 100; i++) rtt.update(100, 0);
    expect(rtt.probeTimeoutMs(1, 5)).toBeCloseTo(106, 6);
  });

  test('settles on a constant round trip, from wherever it was', () => {
    const sample = fc.double({ min: 0, max: 10_000, noNaN: true });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 20 }), sample, (past, constant) => {
        const rtt = new RttEstimator(333);
        for (const ms of past) rtt.update(ms, 0);
        for (let i = 0; i < 400; i++) rtt.update(constant, 0);
        expect(Math.abs(rtt.smoothedMs - constant)).toBeLessThan(0.01);
        expect(rtt.varianceMs).toBeLessThan(0.01);
        expect(rtt.minMs).toBeLessThanOrEqual(Math.max(constant, 0.001));
      }),
    );
  });

  test('a clock that shows no difference gives no zero', () => {
    const rtt = new RttEstimator(333);
    rtt.update(0, 5);
    expect(rtt.smoothedMs).toBeGreaterThan(0);
    expect(rtt.probeTimeoutMs(1, 5)).toBeGreaterThanOrEqual(6);
  });
});
