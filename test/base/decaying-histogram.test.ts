import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecayingHistogram } from '../../src/base/decaying-histogram.ts';

/** A bucket is a third of an octave wide: what comes out is within this factor of what went in. */
const RESOLUTION = 2 ** (1 / 3);

function of(durations: readonly number[]): DecayingHistogram {
  const histogram = new DecayingHistogram();
  for (const durationMs of durations) histogram.record(durationMs, 0);
  return histogram;
}

describe('DecayingHistogram', () => {
  test('gives back a duration within the width of a bucket', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.26, max: 65_000, noNaN: true }), (durationMs) => {
        const median = of([durationMs, durationMs, durationMs]).quantileMs(0.5);
        expect(median).toBeGreaterThanOrEqual(durationMs / RESOLUTION);
        expect(median).toBeLessThanOrEqual(durationMs * RESOLUTION);
      }),
    );
  });

  test('has no quantile without samples, and takes durations of any size', () => {
    expect(new DecayingHistogram().quantileMs(0.95)).toBe(0);
    expect(new DecayingHistogram().weightAt(1000)).toBe(0);
    expect(of([0]).quantileMs(1)).toBeLessThanOrEqual(0.25);
    expect(of([-1]).quantileMs(1)).toBeLessThanOrEqual(0.25);
    expect(of([Number.NaN]).quantileMs(1)).toBeLessThanOrEqual(0.25);
    expect(of([1e9]).quantileMs(0.5)).toBeGreaterThan(65_000);
    expect(of([Number.POSITIVE_INFINITY]).quantileMs(1)).toBeLessThan(100_000);
  });

  test('quantiles rise with the part asked for', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), { minLength: 1, maxLength: 80 }),
        (durations) => {
          const histogram = of(durations);
          const quantiles = [0, 0.1, 0.5, 0.9, 0.95, 1].map((part) => histogram.quantileMs(part));
          expect(quantiles).toEqual(quantiles.toSorted((a, b) => a - b));
          expect(histogram.quantileMs(1)).toBeGreaterThanOrEqual(Math.min(...durations) / RESOLUTION);
        },
      ),
    );
  });

  test('stands for at most 64 samples, and for half as many ten minutes later', () => {
    const histogram = of(new Array(1000).fill(5));
    expect(histogram.weightAt(0)).toBeCloseTo(64, 1);
    expect(histogram.weightAt(600_000)).toBeCloseTo(32, 1);
    expect(histogram.weightAt(6_000_000)).toBeLessThan(0.1);
    histogram.record(5, 600_000);
    expect(histogram.weightAt(600_000)).toBeCloseTo(32 * (63 / 64) + 1, 1);
  });

  test('notices within four samples that things became slower, and forgets it within 190', () => {
    const histogram = of(new Array(200).fill(10));
    const p95After = (count: number, durationMs: number) => {
      for (let i = 0; i < count; i++) histogram.record(durationMs, 0);
      return histogram.quantileMs(0.95);
    };
    expect(p95After(3, 400)).toBeLessThan(15);
    expect(p95After(1, 400)).toBeGreaterThan(300);
    expect(p95After(190, 10)).toBeLessThan(15);
  });

  test('time that goes back does not bring weight back', () => {
    const histogram = of([1, 1]);
    histogram.record(1, 1_200_000);
    const weight = histogram.weightAt(1_200_000);
    expect(histogram.weightAt(0)).toBe(weight);
    histogram.record(1, 0);
    expect(histogram.weightAt(1_200_000)).toBeLessThan(weight + 1);
  });
});

describe('a censored sample', () => {
  test('is spread over what took as long or longer', () => {
    // Nine of 10 ms, one of 1000; ten more of which is known only that they took more than 100 ms.
    const histogram = of([...new Array(9).fill(10), 1000]);
    const before = histogram.quantileMs(0.85);
    for (let i = 0; i < 10; i++) histogram.recordAtLeast(100, 0);
    expect(before).toBeLessThan(15);
    expect(histogram.quantileMs(0.85)).toBeGreaterThan(700);
    expect(histogram.quantileMs(0.3)).toBeLessThan(15);
  });

  test('of more than ever took counts as exactly so long', () => {
    const histogram = of(new Array(10).fill(10));
    for (let i = 0; i < 5; i++) histogram.recordAtLeast(500, 0);
    const p95 = histogram.quantileMs(0.95);
    expect(p95).toBeGreaterThan(500 / RESOLUTION);
    expect(p95).toBeLessThan(500 * RESOLUTION);
  });

  test('weighs as much as any other', () => {
    const censored = new DecayingHistogram();
    const plain = new DecayingHistogram();
    for (let i = 0; i < 100; i++) {
      censored.recordAtLeast(1 + (i % 7) * 30, 0);
      plain.record(1, 0);
    }
    expect(censored.weightAt(0)).toBeCloseTo(plain.weightAt(0), 3);
    expect(censored.quantileMs(1)).toBeLessThan(181 * RESOLUTION);
  });
});
