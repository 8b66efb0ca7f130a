import { describe, expect, test } from 'vitest';
import { OverdueWatch } from '../../src/base/overdue-watch.ts';
import type { TimeLimits } from '../../src/base/response-times.ts';

function limits(overdueAfterMs: number, source: TimeLimits['basis']['source'] = 'peer'): TimeLimits {
  const basis = {
    source,
    samples: 0,
    p95Ms: 0,
    cohortSamples: 0,
    cohortP95Ms: 0,
    smoothedRttMs: 1,
    rttVarianceMs: 0,
  };
  return { overdueAfterMs, deadlineAfterMs: 15_000, basis };
}

const THEIRS = () => false;
const OURS = () => true;

/** Looks whenever it wants to, until it tells; the times of all looks. */
function looks(
  watch: OverdueWatch,
  evidence: (nowMs: number) => Parameters<OverdueWatch['look']>[1],
): number[] {
  const times: number[] = [];
  while (watch.lookAtMs < 1e6) {
    const nowMs = watch.lookAtMs;
    times.push(nowMs);
    watch.look(nowMs, evidence(nowMs));
  }
  return times;
}

describe('a call', () => {
  test('whose peer is known is looked at once, and told once', () => {
    const watch = new OverdueWatch(limits(80), 1000);
    expect(looks(watch, () => ({ sentAtMs: 1000, limits: limits(80), isOurs: THEIRS }))).toEqual([1080]);
    expect([watch.told, watch.inTime]).toEqual([true, false]);
    expect(watch.look(5000, { sentAtMs: 1000, limits: limits(80), isOurs: THEIRS })).toBe(false);
  });

  test('whose estimate is borrowed is looked at each time its age has doubled', () => {
    const watch = new OverdueWatch(limits(1500, 'none'), 0);
    const times = looks(watch, () => ({ sentAtMs: 0, limits: limits(1500, 'none'), isOurs: THEIRS }));
    expect(times).toEqual([30, 60, 120, 240, 480, 960, 1500]);
  });

  test('is overdue sooner when others show meanwhile how quick they are', () => {
    const watch = new OverdueWatch(limits(1500, 'none'), 0);
    const evidence = (nowMs: number) => ({
      sentAtMs: 0,
      limits: nowMs < 50 ? limits(1500, 'none') : limits(45, 'cohort'),
      isOurs: THEIRS,
    });
    expect(looks(watch, evidence)).toEqual([30, 60]);
  });

  test('gets more time when its path has become slower since', () => {
    const watch = new OverdueWatch(limits(80), 0);
    expect(looks(watch, () => ({ sentAtMs: 0, limits: limits(300), isOurs: THEIRS }))).toEqual([80, 300]);
  });

  test('is not late for waiting in our own queue', () => {
    const watch = new OverdueWatch(limits(80), 0);
    const evidence = (nowMs: number) => ({
      sentAtMs: nowMs < 200 ? undefined : 150,
      limits: limits(80),
      isOurs: THEIRS,
    });
    expect(looks(watch, evidence)).toEqual([80, 160, 240]);
  });

  test('is looked at ever less often while it waits in our own queue, or we stand still again and again', () => {
    const queued = new OverdueWatch(limits(30), 0);
    const unsent = { sentAtMs: undefined, limits: limits(30), isOurs: THEIRS };
    const times = looks(queued, (nowMs) => (nowMs < 100_000 ? unsent : { ...unsent, sentAtMs: 0 }));
    expect(times.length).toBeLessThan(40);

    const stalled = new OverdueWatch(limits(1500, 'none'), 0);
    const stalledTimes = looks(stalled, (nowMs) => ({
      sentAtMs: nowMs < 100_000 ? nowMs : 0,
      limits: limits(1500, 'none'),
      isOurs: THEIRS,
    }));
    expect(stalledTimes.length).toBeLessThan(40);
  });

  test('that is late when all are gets twice the time, three times; then it is told', () => {
    const watch = new OverdueWatch(limits(100), 0);
    expect(looks(watch, () => ({ sentAtMs: 0, limits: limits(100), isOurs: OURS }))).toEqual([
      100, 200, 400, 800,
    ]);
    const cleared = new OverdueWatch(limits(100), 0);
    expect(cleared.look(100, { sentAtMs: 0, limits: limits(100), isOurs: OURS })).toBe(false);
    expect([cleared.told, cleared.inTime]).toEqual([false, false]);
  });
});
