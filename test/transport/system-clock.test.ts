import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/transport/system-clock.ts';

describe('systemClock', () => {
  test('does not go back', () => {
    let last = systemClock.now();
    for (let i = 0; i < 1000; i++) {
      const now = systemClock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  test('never fires early', async () => {
    const early: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const delayMs = i * 0.3;
        const dueAtMs = systemClock.now() + delayMs;
        return new Promise<void>((resolve) => {
          systemClock.setTimer(delayMs, () => {
            if (systemClock.now() < dueAtMs) early.push(delayMs);
            resolve();
          });
        });
      }),
    );
    expect(early).toEqual([]);
  });

  test('a delay of nothing, or less, fires in a later turn and can be cancelled until then', async () => {
    const seen: string[] = [];
    systemClock.setTimer(0, () => seen.push('cancelled')).cancel();
    const fired = new Promise<void>((resolve) => {
      systemClock.setTimer(-5, () => {
        seen.push('fired');
        resolve();
      });
    });
    await Promise.resolve();
    expect(seen).toEqual([]);
    await fired;
    expect(seen).toEqual(['fired']);
  });

  test('refuses what is no number', () => {
    expect(() => systemClock.setTimer(Number.NaN, () => {})).toThrow(RangeError);
  });
});

describe('systemClock over faked timers', () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('keeps delays beyond 2^31-1 ms', () => {
    let fired = 0;
    const delayMs = 2.5 * 2 ** 31;
    systemClock.setTimer(delayMs, () => fired++);
    vi.advanceTimersByTime(delayMs - 1);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a long timer can be cancelled after part of its time', () => {
    let fired = 0;
    const timer = systemClock.setTimer(2 * 2 ** 31, () => fired++);
    vi.advanceTimersByTime(1.5 * 2 ** 31);
    timer.cancel();
    expect(vi.getTimerCount()).toBe(0);
    timer.cancel();
    vi.advanceTimersByTime(2 ** 31);
    expect(fired).toBe(0);
  });

  test('Infinity arms nothing', () => {
    systemClock.setTimer(Number.POSITIVE_INFINITY, () => {}).cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});
