import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import {
  expectedOf,
  GatherError,
  type GatherHooks,
  type GatherOptions,
  type GatherResult,
  gather,
  NotNeededError,
} from '../../src/transport/gather.ts';
import type { Peer } from '../../src/transport/transport.ts';

/** A source that answers with its name after `answerMs`, or fails then. */
interface Source {
  readonly name: string;
  readonly answerMs: number;
  readonly fails?: boolean;
  /** When it says of itself that it is late. */
  readonly overdueMs?: number;
  readonly expectMs?: number;
}

function setUp() {
  const clock = new VirtualClock();
  const started: string[] = [];
  const cancelled = new Map<string, unknown>();
  const signals: AbortSignal[] = [];
  const attempt = (source: Source, signal: AbortSignal, hooks: GatherHooks) => {
    started.push(`${source.name}@${Number(clock.now().toFixed(6))}`);
    signals.push(signal);
    return new Promise<string>((resolve, reject) => {
      const timers = [
        clock.setTimer(source.answerMs, () => {
          timers[1]?.cancel();
          if (source.fails) reject(Object.assign(new Error('it broke'), { code: 'BROKEN' }));
          else resolve(source.name.toUpperCase());
        }),
        clock.setTimer(source.overdueMs ?? Number.POSITIVE_INFINITY, hooks.onOverdue),
      ];
      signal.addEventListener('abort', () => {
        cancelled.set(source.name, signal.reason);
        for (const timer of timers) timer.cancel();
        reject(signal.reason);
      });
    });
  };
  const run = async (
    sources: Iterable<Source>,
    options: Omit<GatherOptions<Source>, 'clock'>,
  ): Promise<GatherResult<Source, string>> => {
    const gathered = gather(sources, attempt, { clock, nameOf: (source) => source.name, ...options });
    const result = await clock.runUntil(gathered);
    expect(clock.armedTimers, 'timers left').toBe(0);
    return result;
  };
  return { clock, started, cancelled, signals, attempt, run };
}

function values(result: GatherResult<Source, string>): string[] {
  return result.answers.map(({ value }) => value);
}

function named(result: GatherResult<Source, string>): string[] {
  return result.overdue.map(({ name }) => name);
}

const never = Number.POSITIVE_INFINITY;

describe('gather', () => {
  test('gives the first answers in order of arrival and cancels the rest', async () => {
    const { run, started, cancelled } = setUp();
    const sources = [
      { name: 'a', answerMs: 30 },
      { name: 'b', answerMs: 10 },
      { name: 'c', answerMs: 20 },
      { name: 'd', answerMs: 1 },
    ];
    const result = await run(sources, { need: 2, spare: 1 });
    expect(result.answers).toEqual([
      { source: sources[1], value: 'B', elapsedMs: 10 },
      { source: sources[2], value: 'C', elapsedMs: 20 },
    ]);
    expect(result.failures).toEqual([]);
    expect(started).toEqual(['a@0', 'b@0', 'c@0']);
    expect([...cancelled.keys()]).toEqual(['a']);
    expect(cancelled.get('a')).toBeInstanceOf(NotNeededError);
    expect(cancelled.get('a')).toMatchObject({ code: 'NOT_NEEDED' });
  });

  test('asks no more sources than it needs', async () => {
    const { run, started } = setUp();
    function* endless() {
      for (let i = 0; ; i++) yield { name: `s${i}`, answerMs: 5 };
    }
    const result = await run(endless(), { need: 3 });
    expect(values(result)).toEqual(['S0', 'S1', 'S2']);
    expect(started).toEqual(['s0@0', 's1@0', 's2@0']);
  });

  test('starts the next source as soon as one fails, and tells of the failure', async () => {
    const { run, started } = setUp();
    const sources = [
      { name: 'a', answerMs: 5, fails: true },
      { name: 'b', answerMs: 20 },
      { name: 'c', answerMs: 5, fails: true },
      { name: 'd', answerMs: 20 },
    ];
    const result = await run(sources, { need: 2 });
    expect(started).toEqual(['a@0', 'b@0', 'c@5', 'd@10']);
    expect(values(result)).toEqual(['B', 'D']);
    expect(result.failures).toEqual([
      { source: sources[0], error: expect.objectContaining({ code: 'BROKEN' }), elapsedMs: 5 },
      { source: sources[2], error: expect.objectContaining({ code: 'BROKEN' }), elapsedMs: 5 },
    ]);
  });

  test('an attempt that throws has failed', async () => {
    const { clock } = setUp();
    const result = await clock.runUntil(
      gather(
        ['a', 'b'],
        (source) => {
          if (source === 'a') throw new Error('at once');
          return Promise.resolve(source);
        },
        { need: 1, clock },
      ),
    );
    expect(result.answers[0]?.value).toBe('b');
    expect(result.failures[0]?.error).toMatchObject({ message: 'at once' });
  });

  test('nothing needed is nothing asked', async () => {
    const { run, started } = setUp();
    expect(await run([{ name: 'a', answerMs: 1 }], { need: 0 })).toEqual({
      answers: [],
      failures: [],
      overdue: [],
    });
    expect(started).toEqual([]);
  });

  test.each([
    { need: -1 },
    { need: 1.5 },
    { need: Number.NaN },
    { need: 1, spare: -1 },
    { need: 1, runningMax: 0 },
  ])('refuses %o', async (options) => {
    await expect(gather([], () => Promise.resolve(), options)).rejects.toThrow(RangeError);
  });

  test('runs no more at once than it may', async () => {
    const { run, started } = setUp();
    const sources = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, answerMs: 10 }));
    const result = await run(sources, { need: 5, runningMax: 2 });
    expect(started).toEqual(['a@0', 'b@0', 'c@10', 'd@10', 'e@20']);
    expect(result.answers).toHaveLength(5);
  });

  test('closes a generator that it leaves unfinished', async () => {
    const { run } = setUp();
    let closed = false;
    function* sources() {
      try {
        for (;;) yield { name: 'a', answerMs: 1 };
      } finally {
        closed = true;
      }
    }
    await run(sources(), { need: 1 });
    expect(closed).toBe(true);
  });

  test('fails with what its sources or their expectations throw, and cancels what runs', async () => {
    const { run, cancelled } = setUp();
    function* sources() {
      yield { name: 'a', answerMs: 50 };
      yield { name: 'b', answerMs: 1, fails: true };
      throw new Error('no list');
    }
    await expect(run(sources(), { need: 2 })).rejects.toThrow('no list');
    expect([...cancelled.keys()]).toEqual(['a']);
    const expectNothing = () => {
      throw new Error('no idea');
    };
    await expect(run([{ name: 'a', answerMs: 1 }], { need: 1, expect: expectNothing })).rejects.toThrow(
      'no idea',
    );
  });
});

describe('too few sources', () => {
  test('fail before any is asked', async () => {
    const { run, started } = setUp();
    const failing = run([{ name: 'a', answerMs: 1 }], { need: 2 });
    await expect(failing).rejects.toThrow('2 answers needed, 0 came; no other source is left; a: not asked');
    await expect(run([], { need: 1 })).rejects.toThrow('1 answer needed, 0 came; there are no sources');
    expect(started).toEqual([]);
  });

  test('fail as soon as one failure too many has come, and say who and why', async () => {
    const { clock, run, cancelled } = setUp();
    const sources = [
      { name: 'a', answerMs: 3 },
      { name: 'b', answerMs: 5, fails: true },
      { name: 'c', answerMs: 60_000 },
      { name: 'd', answerMs: 2, fails: true },
    ];
    const error = await run(sources, { need: 3 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(GatherError);
    expect(error).toMatchObject({
      code: 'TOO_FEW_ANSWERS',
      need: 3,
      message:
        '3 answers needed, 1 came; no other source is left; b: BROKEN, it broke; d: BROKEN, it broke; c: not answered yet',
      answers: [{ value: 'A' }],
      failures: [{ source: sources[1] }, { source: sources[3] }],
      cause: { code: 'BROKEN' },
    });
    expect(clock.now()).toBe(7);
    expect(cancelled.get('c')).toMatchObject({ code: 'NOT_NEEDED', cause: error });
  });

  test('are named by address, or as text', async () => {
    const fail = () => Promise.reject('because');
    await expect(gather([{ address: 'nm://a' }], fail, { need: 1 })).rejects.toThrow('nm://a: because');
    await expect(gather([7], fail, { need: 1 })).rejects.toThrow('7: because');
    await expect(gather([undefined], fail, { need: 1 })).rejects.toThrow('undefined: because');
  });
});

describe('never mind', () => {
  test('rejects with the reason at once and cancels all with it', async () => {
    const { clock, run, cancelled } = setUp();
    const controller = new AbortController();
    const reason = new Error('enough of this');
    clock.setTimer(5, () => controller.abort(reason));
    const sources = ['a', 'b', 'c'].map((name) => ({ name, answerMs: 50 }));
    await expect(run(sources, { need: 2, signal: controller.signal })).rejects.toBe(reason);
    expect(clock.now()).toBe(5);
    expect([...cancelled]).toEqual([
      ['a', reason],
      ['b', reason],
    ]);
  });

  test('before the start asks nobody', async () => {
    const { run, started } = setUp();
    const signal = AbortSignal.abort('no');
    await expect(run([{ name: 'a', answerMs: 1 }], { need: 1, signal })).rejects.toBe('no');
    expect(started).toEqual([]);
  });

  test('leaves no listener on the signal, whatever the outcome', async () => {
    const { clock, run, signals } = setUp();
    const controller = new AbortController();
    const { signal } = controller;
    const ok = { name: 'a', answerMs: 1 };
    const broken = { name: 'b', answerMs: 1, fails: true };
    await run([ok], { need: 1, signal });
    await run([broken], { need: 1, signal }).catch(() => {});
    await run([], { need: 1, signal }).catch(() => {});
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    clock.setTimer(1, () => controller.abort());
    await run([{ name: 'c', answerMs: 9 }], { need: 1, signal }).catch(() => {});
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(signals).toHaveLength(3);
  });

  test('an outcome after the cancel changes nothing', async () => {
    const { clock } = setUp();
    const deaf = (source: number) =>
      new Promise<number>((resolve, reject) => {
        clock.setTimer(source, () => (source === 20 ? reject(new Error('late')) : resolve(source)));
      });
    const gathered = gather([10, 20, 30], deaf, { need: 1, spare: 2, clock });
    const result = await clock.runUntil(gathered);
    await clock.run();
    expect(result.answers.map(({ value }) => value)).toEqual([10]);
    expect(result.failures).toEqual([]);
  });
});

describe('an attempt that says that it is late', () => {
  test('brings in the next source and goes on itself', async () => {
    const { run, started } = setUp();
    const sources = [
      { name: 'a', answerMs: 100, overdueMs: 40 },
      { name: 'b', answerMs: 10 },
      { name: 'c', answerMs: 500 },
    ];
    const result = await run(sources, { need: 2 });
    expect(started).toEqual(['a@0', 'b@0', 'c@40']);
    expect(values(result)).toEqual(['B', 'A']);
    expect(named(result)).toEqual(['a']);
  });

  test('is replaced once, also when it then fails', async () => {
    const { run, started } = setUp();
    const sources = [
      { name: 'a', answerMs: 50, overdueMs: 40, fails: true },
      { name: 'b', answerMs: 100 },
      { name: 'c', answerMs: 1 },
    ];
    expect(values(await run(sources, { need: 1 }))).toEqual(['B']);
    expect(started).toEqual(['a@0', 'b@40']);
  });

  test('counts once, and not at all after it has settled', async () => {
    const { clock } = setUp();
    const hooks: GatherHooks[] = [];
    const attempt = (source: number, _signal: AbortSignal, hook: GatherHooks) => {
      hooks.push(hook);
      hook.onOverdue();
      hook.onOverdue();
      return new Promise<number>((resolve) => clock.setTimer(source, () => resolve(source)));
    };
    const result = await clock.runUntil(gather([10, 20, 30], attempt, { need: 1, clock }));
    // Each says so at once: all are started, the first to answer wins.
    expect(result.answers.map(({ value }) => value)).toEqual([10]);
    expect(result.overdue).toEqual([10, 20, 30]);
    for (const hook of hooks) hook.onOverdue();
    expect(result.overdue).toEqual([10, 20, 30]);
  });

  test('with nobody left to ask is waited for', async () => {
    const { run } = setUp();
    const result = await run([{ name: 'a', answerMs: 1000, overdueMs: 1 }], { need: 1, spare: 3 });
    expect(values(result)).toEqual(['A']);
  });

  test('is replaced as soon as there is room', async () => {
    const { run, started } = setUp();
    const sources = [
      { name: 'a', answerMs: never, overdueMs: 10 },
      { name: 'b', answerMs: 50 },
      { name: 'c', answerMs: 5 },
      { name: 'd', answerMs: 5 },
    ];
    const result = await run(sources, { need: 3, runningMax: 2 });
    expect(started).toEqual(['a@0', 'b@0', 'c@50', 'd@55']);
    expect(values(result)).toEqual(['B', 'C', 'D']);
  });
});

describe('late by comparison', () => {
  test('a source that hangs is replaced once two others have answered', async () => {
    const { clock, run, started } = setUp();
    const sources = [
      { name: 'a', answerMs: 100 },
      { name: 'b', answerMs: 120 },
      { name: 'c', answerMs: never },
      { name: 'd', answerMs: 80 },
    ];
    const result = await run(sources, { need: 3 });
    // Two of three have answered: 120 ms times 1.25 + 2 / 3.
    expect(started).toEqual(['a@0', 'b@0', 'c@0', 'd@230']);
    expect(values(result)).toEqual(['A', 'B', 'D']);
    expect(named(result)).toEqual(['c']);
    expect(clock.now()).toBeCloseTo(310, 6);
  });

  test('one answer is not enough to judge by', async () => {
    const { run, started } = setUp();
    const sources = [
      { name: 'a', answerMs: 5 },
      { name: 'b', answerMs: 4000 },
      { name: 'c', answerMs: 1 },
    ];
    await run(sources, { need: 2 });
    expect(started).toEqual(['a@0', 'b@0']);
  });

  test('nobody is late before 30 ms', async () => {
    const { run, started } = setUp();
    const sources = [
      { name: 'a', answerMs: 0.1 },
      { name: 'b', answerMs: 0.2 },
      { name: 'c', answerMs: 10 },
      { name: 'd', answerMs: never },
      { name: 'e', answerMs: 1 },
    ];
    await run(sources, { need: 4 });
    expect(started).toEqual(['a@0', 'b@0', 'c@0', 'd@0', 'e@30']);
  });

  test('a far source is measured by its own expectation', async () => {
    const sources: Source[] = [
      { name: 'near', answerMs: 20, expectMs: 20 },
      { name: 'near too', answerMs: 22, expectMs: 20 },
      { name: 'far', answerMs: 600, expectMs: 500 },
      { name: 'other', answerMs: 1 },
    ];
    const expectation = (source: Source) => ({ needMs: source.expectMs ?? 20, learnt: false });
    const fair = setUp();
    expect(named(await fair.run(sources, { need: 3, expect: expectation }))).toEqual([]);
    const unaware = setUp();
    expect(named(await unaware.run(sources, { need: 3 }))).toEqual(['far']);
  });

  test('a source that is known is not hurried by the others, but excused by them', async () => {
    const expectation = ({ expectMs = 1 }: Source) => ({ needMs: expectMs, learnt: true });
    const hurried: Source[] = [
      { name: 'a', answerMs: 20, expectMs: 100 },
      { name: 'b', answerMs: 20, expectMs: 100 },
      { name: 'c', answerMs: 95, expectMs: 100 },
      { name: 'spare', answerMs: 1 },
    ];
    expect(named(await setUp().run(hurried, { need: 3, expect: expectation }))).toEqual([]);
    const slow: Source[] = [
      { name: 'a', answerMs: 200, expectMs: 100 },
      { name: 'b', answerMs: 200, expectMs: 100 },
      { name: 'c', answerMs: 240, expectMs: 100, overdueMs: 210 },
      { name: 'd', answerMs: 900, expectMs: 100, overdueMs: 210 },
      { name: 'spare', answerMs: 1, expectMs: 100 },
    ];
    const excused = setUp();
    expect(named(await excused.run(slow, { need: 4, expect: expectation }))).toEqual(['d']);
    expect(excused.started.at(-1)).toBe('spare@300');
  });

  test('when all are slow alike nobody is late', async () => {
    const { run } = setUp();
    const sources = ['a', 'b', 'c', 'd', 'e'].map((name, i) => ({
      name,
      answerMs: 2000 + 100 * i,
      expectMs: 20,
    }));
    const result = await run(sources, {
      need: 5,
      expect: (source) => ({ needMs: source.expectMs ?? 1, learnt: false }),
    });
    expect(result.overdue).toEqual([]);
  });

  test('an expectation that is no number counts as the same for all', async () => {
    const { run, started } = setUp();
    const odd = [0, Number.NaN, Number.POSITIVE_INFINITY];
    const sources = odd.map((expectMs, i) => ({ name: `s${i}`, answerMs: 50, expectMs }));
    const result = await run(sources, {
      need: 3,
      expect: (source) => ({ needMs: source.expectMs ?? 1, learnt: false }),
    });
    expect([started.length, result.overdue.length]).toEqual([3, 0]);
  });

  test('a process that stood still blames itself', async () => {
    const clock = new VirtualClock();
    const network = new SimNetwork({ clock, random: new SeededRandom('stall') });
    const own = network.clockOf('10.0.0.1');
    // What the sources answer arrives as soon as the process runs again.
    const attempt = (answerMs: number) =>
      new Promise<number>((resolve) => own.setTimer(answerMs, () => resolve(answerMs)));
    clock.setTimer(100, () => network.pause('10.0.0.1'));
    clock.setTimer(5000, () => network.resume('10.0.0.1'));
    const gathered = gather([50, 60, 180, 190, 1], attempt, { need: 4, clock: own });
    const result = await clock.runUntil(gathered);
    expect(result.overdue).toEqual([]);
    expect(result.answers.map(({ value }) => value)).toEqual([50, 60, 180, 190]);
    expect(clock.armedTimers).toBe(0);
  });

  test('a process whose timers are all late still finds out who is, and blames nobody else', async () => {
    const clock = new VirtualClock();
    const lateClock: Clock = {
      now: () => clock.now(),
      wokeAtMs: () => clock.wokeAtMs(),
      setTimer: (delayMs, fire) => clock.setTimer(delayMs + 60, fire),
    };
    const attempt = (answerMs: number) =>
      new Promise<number>((resolve) => void clock.setTimer(answerMs, () => resolve(answerMs)));
    const sources = [50, 60, 100, 60_000, 70];
    const gathered = gather(sources, attempt, { need: 4, clock: lateClock });
    const result = await clock.runUntil(gathered);
    expect(result.overdue).toEqual([60_000]);
    expect(clock.now()).toBeLessThan(1000);
  });

  test('expectedOf asks the peer', () => {
    const asked: unknown[] = [];
    const overdueAfterMs = (...args: unknown[]) => asked.push(args) * 70;
    const peer = { hasLearnt: () => true, overdueAfterMs } as unknown as Peer;
    expect(expectedOf('read', 5000)(peer)).toEqual({ needMs: 70, learnt: true });
    expect(asked).toEqual([['read', 5000]]);
  });
});

test('any mix of sources ends with enough answers or, when there cannot be enough, with an error', async () => {
  const source = fc.record({
    answerMs: fc.integer({ min: 0, max: 300 }),
    fails: fc.boolean(),
    overdueMs: fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(source, { maxLength: 8 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 3 }),
      fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      async (drawn, need, spare, runningMax) => {
        const { run, started, signals } = setUp();
        const sources = drawn.map((one, i) => ({
          name: `s${i}`,
          answerMs: one.answerMs,
          fails: one.fails,
          ...(one.overdueMs === undefined ? {} : { overdueMs: one.overdueMs }),
        }));
        const good = drawn.filter(({ fails }) => !fails).length;
        const outcome = await run(sources, { need, spare, runningMax }).catch((error: unknown) => error);
        if (outcome instanceof GatherError) {
          expect(good).toBeLessThan(need);
        } else {
          const { answers, failures } = outcome as GatherResult<Source, string>;
          expect(good).toBeGreaterThanOrEqual(need);
          expect(answers).toHaveLength(need);
          expect(new Set(answers.map(({ value }) => value)).size).toBe(need);
          // Whoever was asked has answered, failed, or been cancelled.
          const cancelled = signals.filter((signal) => signal.aborted).length;
          expect(answers.length + failures.length + cancelled).toBe(started.length);
        }
      },
    ),
    { numRuns: 60 },
  );
});
