import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ResponseTimes } from '../../src/base/response-times.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const LAN = { smoothedMs: 1, varianceMs: 0.2 };
const FAR = { smoothedMs: 200, varianceMs: 5 };
/** RFC 9002 before the first sample. */
const UNKNOWN = { smoothedMs: 333, varianceMs: 166.5 };
const RESOLUTION = 2 ** (1 / 3);
const SMALL = 1000;
const LARGE = 4 * 1024 * 1024;

function feed(times: ResponseTimes, count: number, elapsedMs: number | (() => number), sizeBytes = SMALL) {
  for (let i = 0; i < count; i++) {
    times.record('read', sizeBytes, typeof elapsedMs === 'number' ? elapsedMs : elapsedMs(), 0);
  }
}

/** Log-normal around a median: the usual shape of service times. */
function drawing(random: SeededRandom, medianMs: number, sigma = 0.5): () => number {
  return () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.float()));
    return medianMs * Math.exp(sigma * radius * Math.cos(2 * Math.PI * random.float()));
  };
}

describe('a call is overdue', () => {
  test('after half a second and the round trip when nobody knows anything', () => {
    const times = new ResponseTimes(new ResponseTimes());
    expect(times.overdueAfterMs('read', SMALL, 0, LAN)).toBeCloseTo(501.8, 6);
    expect(times.overdueAfterMs('read', SMALL, 0, UNKNOWN)).toBeCloseTo(500 + 333 + 666, 6);
    expect(times.estimate('read', SMALL, 0)).toEqual({ source: 'none', samples: 0, medianMs: 0, p95Ms: 0 });
  });

  test('after about 1.25 times the 95th percentile of its peer', () => {
    const times = new ResponseTimes(new ResponseTimes());
    feed(times, 500, 100);
    const overdueMs = times.overdueAfterMs('read', SMALL, 0, LAN);
    // Margin 1.25 + 2.5 / 64; the histogram's resolution; 4 variances.
    expect(overdueMs).toBeGreaterThan((100 / RESOLUTION) * 1.28 + 0.8);
    expect(overdueMs).toBeLessThan(100 * RESOLUTION * 1.3 + 0.8);
    expect(times.estimate('read', SMALL, 0)).toMatchObject({ source: 'peer' });
  });

  test('not before 30 ms, and not later than 10 s', () => {
    const quick = new ResponseTimes();
    feed(quick, 100, 0.4);
    expect(quick.overdueAfterMs('read', SMALL, 0, LAN)).toBe(30);
    const slow = new ResponseTimes();
    feed(slow, 100, 50_000);
    expect(slow.overdueAfterMs('read', SMALL, 0, LAN)).toBe(10_000);
  });

  test('later where the path varies', () => {
    const times = new ResponseTimes();
    feed(times, 100, 100);
    const steady = times.overdueAfterMs('read', SMALL, 0, { smoothedMs: 50, varianceMs: 0 });
    expect(times.overdueAfterMs('read', SMALL, 0, { smoothedMs: 50, varianceMs: 25 })).toBeCloseTo(
      steady + 100,
      6,
    );
  });

  test('by what the others need, while its peer has fewer than four samples', () => {
    const cohort = new ResponseTimes();
    feed(new ResponseTimes(cohort), 100, 40);
    const fresh = new ResponseTimes(cohort);
    const near = fresh.overdueAfterMs('read', SMALL, 0, LAN);
    expect(near).toBeGreaterThan((1.25 * 40) / RESOLUTION);
    expect(near).toBeLessThan(1.25 * 40 * RESOLUTION + 2);
    expect(fresh.estimate('read', SMALL, 0)).toMatchObject({ source: 'cohort' });
    // Its own distance is added: a far peer is not late for being far.
    expect(fresh.overdueAfterMs('read', SMALL, 0, FAR)).toBeGreaterThan(near + 199);
    // A sample of its own that is worse than theirs counts at once.
    fresh.record('read', SMALL, 300, 0);
    expect(fresh.overdueAfterMs('read', SMALL, 0, LAN)).toBeGreaterThan(2 * 300);
    feed(fresh, 3, 300);
    expect(fresh.estimate('read', SMALL, 0).source).toBe('cohort');
    feed(fresh, 1, 300);
    expect(fresh.estimate('read', SMALL, 0).source).toBe('peer');
  });

  test('with the wider a margin, the fewer samples there are', () => {
    const few = new ResponseTimes();
    const many = new ResponseTimes();
    feed(few, 5, 100);
    feed(many, 60, 100);
    expect(few.overdueAfterMs('read', SMALL, 0, LAN)).toBeGreaterThan(
      1.2 * many.overdueAfterMs('read', SMALL, 0, LAN),
    );
  });

  test('by its size: large answers do not make small ones patient, nor the other way round', () => {
    const times = new ResponseTimes(new ResponseTimes());
    feed(times, 50, 5, SMALL);
    feed(times, 50, 2000, LARGE);
    expect(times.overdueAfterMs('read', SMALL, 0, LAN)).toBe(30);
    expect(times.overdueAfterMs('read', LARGE, 0, LAN)).toBeGreaterThan(2000 / RESOLUTION);
    expect(times.overdueAfterMs('read', 100_000, 0, LAN)).toBeCloseTo(501.8, 6);
  });

  test('by its method', () => {
    const times = new ResponseTimes();
    feed(times, 50, 5);
    expect(times.overdueAfterMs('write', SMALL, 0, LAN)).toBeCloseTo(501.8, 6);
  });
});

describe('a peer', () => {
  test('with ordinary ups and downs raises few false alarms', () => {
    const random = new SeededRandom('false alarms');
    const draw = drawing(random, 60);
    const times = new ResponseTimes(new ResponseTimes());
    let alarms = 0;
    for (let i = 0; i < 2000; i++) {
      const elapsedMs = draw();
      if (elapsedMs > times.overdueAfterMs('read', SMALL, i * 100, LAN)) alarms++;
      times.record('read', SMALL, elapsedMs, i * 100);
    }
    expect(alarms / 2000).toBeLessThan(0.04);
  });

  test('far away among near ones is judged by its own times', () => {
    const random = new SeededRandom('far');
    const cohort = new ResponseTimes();
    feed(new ResponseTimes(cohort), 300, drawing(random, 2));
    const draw = drawing(random, 5);
    const far = new ResponseTimes(cohort);
    let alarms = 0;
    for (let i = 0; i < 300; i++) {
      const elapsedMs = 200 + draw();
      if (elapsedMs > far.overdueAfterMs('read', SMALL, 0, FAR)) alarms++;
      far.record('read', SMALL, elapsedMs, 0);
    }
    expect(alarms).toBe(0);
  });

  test('that becomes slow is overdue at first and is then expected to be slow', () => {
    const times = new ResponseTimes(new ResponseTimes());
    feed(times, 200, 20);
    let alarms = 0;
    for (let i = 0; i < 100; i++) {
      if (300 > times.overdueAfterMs('read', SMALL, 0, LAN)) alarms++;
      times.record('read', SMALL, 300, 0);
    }
    expect(alarms).toBeGreaterThanOrEqual(3);
    expect(alarms).toBeLessThan(10);
  });

  test('whose slow calls are always cancelled does not look quick', () => {
    // It answers half of its calls in 10 ms; of the other half the caller sees 80 ms, then has it from elsewhere.
    const honest = new ResponseTimes(new ResponseTimes());
    const fooled = new ResponseTimes(new ResponseTimes());
    for (let i = 0; i < 200; i++) {
      for (const times of [honest, fooled]) times.record('read', SMALL, 10, 0);
      honest.recordAtLeast('read', SMALL, 80, 0);
    }
    expect(fooled.overdueAfterMs('read', SMALL, 0, LAN)).toBe(30);
    expect(honest.overdueAfterMs('read', SMALL, 0, LAN)).toBeGreaterThan(80);
  });

  test('that hangs, call after call, does not get more patience than others could need', () => {
    const cohort = new ResponseTimes();
    const others = new ResponseTimes(cohort);
    const hanging = new ResponseTimes(cohort);
    for (let i = 0; i < 400; i++) {
      for (let j = 0; j < 30; j++) others.record('read', SMALL, 20, 0);
      const overdueMs = hanging.overdueAfterMs('read', SMALL, 0, LAN);
      expect(overdueMs).toBeLessThanOrEqual(1000 + LAN.smoothedMs + 4 * LAN.varianceMs);
      // A hedge answers 20 ms after the alarm, and the call is cancelled.
      hanging.recordAtLeast('read', SMALL, overdueMs + 20, 0);
    }
  });

  test('not heard of for long is a stranger again', () => {
    const cohort = new ResponseTimes();
    const times = new ResponseTimes(cohort);
    feed(times, 100, 500);
    expect(times.estimate('read', SMALL, 0).source).toBe('peer');
    const nextDayMs = 86_400_000;
    expect(times.estimate('read', SMALL, nextDayMs).source).toBe('none');
    const another = new ResponseTimes(cohort);
    for (let i = 0; i < 50; i++) another.record('read', SMALL, 20, nextDayMs);
    expect(times.estimate('read', SMALL, nextDayMs).source).toBe('cohort');
    expect(times.overdueAfterMs('read', SMALL, nextDayMs, LAN)).toBeLessThan(60);
  });
});

describe('the deadline', () => {
  test('gives a disk that nobody has heard of half a minute', () => {
    expect(new ResponseTimes(new ResponseTimes()).deadlineAfterMs('read', SMALL, 0, LAN)).toBe(30_000);
  });

  test('is never less than what a disk takes to spin up, and never more than a minute', () => {
    const quick = new ResponseTimes(new ResponseTimes());
    feed(quick, 100, 1);
    expect(quick.deadlineAfterMs('read', SMALL, 0, LAN)).toBe(15_000);
    const slow = new ResponseTimes(new ResponseTimes());
    feed(slow, 100, 60_000);
    expect(slow.deadlineAfterMs('read', SMALL, 0, LAN)).toBe(60_000);
  });

  test('is about four times what the peer is known to need', () => {
    const times = new ResponseTimes(new ResponseTimes());
    feed(times, 200, 5000);
    const deadlineMs = times.deadlineAfterMs('read', SMALL, 0, LAN);
    expect(deadlineMs).toBeGreaterThan((4 * 1.25 * 5000) / RESOLUTION);
    expect(deadlineMs).toBeLessThan(4 * 1.3 * 5000 * RESOLUTION);
  });

  test('comes after overdue, whatever was recorded', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ peer: fc.boolean(), elapsedMs: fc.nat(100_000), censored: fc.boolean() })),
        fc.record({ smoothedMs: fc.nat(5000), varianceMs: fc.nat(2000) }),
        (samples, rtt) => {
          const cohort = new ResponseTimes();
          const own = new ResponseTimes(cohort);
          const other = new ResponseTimes(cohort);
          samples.forEach((sample, i) => {
            const times = sample.peer ? own : other;
            if (sample.censored) times.recordAtLeast('read', SMALL, sample.elapsedMs, i * 1000);
            else times.record('read', SMALL, sample.elapsedMs, i * 1000);
          });
          const nowMs = samples.length * 1000;
          const overdueMs = own.overdueAfterMs('read', SMALL, nowMs, rtt);
          const deadlineMs = own.deadlineAfterMs('read', SMALL, nowMs, rtt);
          expect(overdueMs).toBeGreaterThanOrEqual(30);
          expect(overdueMs).toBeLessThanOrEqual(10_000);
          expect(deadlineMs).toBeGreaterThanOrEqual(15_000);
          expect(deadlineMs).toBeLessThanOrEqual(60_000);
        },
      ),
    );
  });
});

test('a peer that is asked for ever new methods keeps the sixteen last used', () => {
  const cohort = new ResponseTimes();
  const times = new ResponseTimes(cohort);
  for (let i = 0; i < 100; i++) {
    for (let j = 0; j < 5; j++) {
      times.record('always', SMALL, 50, i);
      times.record(`method ${i}`, SMALL, 50, i);
    }
  }
  expect(times.estimate('always', SMALL, 100).source).toBe('peer');
  expect(times.estimate('method 99', SMALL, 100).source).toBe('peer');
  expect(times.estimate('method 85', SMALL, 100).source).toBe('peer');
  expect(times.estimate('method 84', SMALL, 100).source).toBe('cohort');
  expect(times.estimate('method 10', SMALL, 100).source).toBe('none');
});

describe('limits', () => {
  test('are the two times together, with what they follow from', () => {
    const cohort = new ResponseTimes();
    const times = new ResponseTimes(cohort);
    feed(new ResponseTimes(cohort), 20, 40);
    feed(times, 2, 100);
    const { overdueAfterMs, deadlineAfterMs, basis } = times.limits('read', SMALL, 0, FAR);
    expect(overdueAfterMs).toBe(times.overdueAfterMs('read', SMALL, 0, FAR));
    expect(deadlineAfterMs).toBe(times.deadlineAfterMs('read', SMALL, 0, FAR));
    expect(basis).toMatchObject({ source: 'cohort', smoothedRttMs: 200, rttVarianceMs: 5 });
    // Two samples, less what the second left of the first's weight.
    expect(basis.samples).toBeCloseTo(1 + 63 / 64, 6);
    expect(basis.cohortSamples).toBeGreaterThan(15);
    expect(basis.p95Ms / 100).toBeGreaterThan(1 / RESOLUTION);
    expect(basis.p95Ms / 100).toBeLessThan(RESOLUTION);
  });

  test('say that nobody knows', () => {
    expect(new ResponseTimes(new ResponseTimes()).limits('read', SMALL, 0, LAN).basis).toEqual({
      source: 'none',
      samples: 0,
      p95Ms: 0,
      cohortSamples: 0,
      cohortP95Ms: 0,
      smoothedRttMs: 1,
      rttVarianceMs: 0.2,
    });
  });
});

test('rows are one for each method and size class that was called', () => {
  const times = new ResponseTimes(new ResponseTimes());
  expect(times.rows(0)).toEqual([]);
  feed(times, 10, 100);
  feed(times, 1, 500, LARGE);
  times.record('write', SMALL, 7, 0);
  expect(times.rows(0).map(({ method, sizeMaxBytes }) => [method, sizeMaxBytes])).toEqual([
    ['read', 16 * 1024],
    ['read', Number.POSITIVE_INFINITY],
    ['write', 16 * 1024],
  ]);
  const [first] = times.rows(0);
  expect(first?.samples).toBeGreaterThan(9);
  expect(first!.medianMs).toBeLessThanOrEqual(first!.p95Ms);
});

test('limits are computed anew when anything has changed, and only then', () => {
  const sample = fc.record({
    afterMs: fc.constantFrom(0, 0, 1, 999, 5000),
    elapsedMs: fc.constantFrom(1, 20, 400),
    peer: fc.nat(1),
    rttMs: fc.constantFrom(5, 5, 50),
  });
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 40 }), (samples) => {
      const cohort = new ResponseTimes();
      const peers = [new ResponseTimes(cohort), new ResponseTimes(cohort)];
      let nowMs = 0;
      for (const { afterMs, elapsedMs, peer, rttMs } of samples) {
        nowMs += afterMs;
        const rtt = { smoothedMs: rttMs, varianceMs: 1 };
        const times = peers[peer]!;
        const before = times.limits('read', 100, nowMs, rtt);
        const expected = {
          overdueAfterMs: times.overdueAfterMs('read', 100, nowMs, rtt),
          deadlineAfterMs: times.deadlineAfterMs('read', 100, nowMs, rtt),
        };
        expect(before).toMatchObject(expected);
        times.record('read', 100, elapsedMs, nowMs);
        const after = times.limits('read', 100, nowMs, rtt);
        expect(after).not.toBe(before);
        expect(times.limits('read', 100, nowMs, rtt)).toBe(after);
      }
    }),
  );
});
