import { describe, expect, test } from 'vitest';
import { isAtLeast, LateWatch, type LateWatchOptions, type Question } from '../../src/grid/late-watch.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { MemoryServer } from './memory-server.ts';

function setUp(serverCount = 6, options: Partial<LateWatchOptions<string>> = {}) {
  const clock = new VirtualClock();
  const raised: string[] = [];
  const watch = new LateWatch<string>({
    clock,
    floorMs: 100,
    unknownMs: 500,
    ...options,
    onLate: ({ subject, lateness }) => raised.push(`${subject} ${lateness} @${clock.now()}`),
  });
  const servers = Array.from({ length: serverCount }, (_, i) => new MemoryServer(`s${i}`, clock));
  const ask = (i: number, subject = `q${i}`): Question<string> => watch.ask(servers[i]!, subject);
  /** Asks and lets the answer come after `ms`. */
  const answerAfter = (i: number, ms: number) => {
    const question = ask(i);
    clock.setTimer(ms, question.answered);
    return question;
  };
  return { clock, raised, watch, ask, answerAfter };
}

/** One question, which is late after 500 ms, in a process whose timers the test fires as late as it likes. */
function stallingQuestion() {
  let nowMs = 0;
  const timers: { atMs: number; fire: () => void }[] = [];
  const clock = {
    now: () => nowMs,
    wokeAtMs: () => Number.NEGATIVE_INFINITY,
    setTimer: (delayMs: number, fire: () => void) => {
      const timer = { atMs: nowMs + delayMs, fire };
      timers.push(timer);
      return { cancel: () => void timers.splice(timers.indexOf(timer), 1) };
    },
  };
  const raised: string[] = [];
  const watch = new LateWatch<undefined>({
    clock,
    floorMs: 100,
    unknownMs: 500,
    onLate: ({ lateness }) => raised.push(lateness),
  });
  const question = watch.ask(new MemoryServer('s', clock), undefined);
  const fireLate = (byMs: number): void => {
    const { atMs, fire } = timers.shift()!;
    nowMs = atMs + byMs;
    fire();
  };
  return { question, raised, fireLate };
}

describe('LateWatch', () => {
  test('finds late who takes longer than the others by more than they differ', async () => {
    const { clock, raised, ask, answerAfter } = setUp();
    for (const [i, ms] of [100, 150, 200, 250, 300].entries()) answerAfter(i, ms);
    ask(5);
    await clock.run();
    // The slowest, and four times their deviation of 50 and what five do not tell of it: 200 / 2 / 5.
    expect(raised).toEqual(['q5 late @580', 'q5 very late @1000', 'q5 hopeless @3100']);
  });

  test('waits once for what all of them take alike', async () => {
    const { clock, raised, ask, answerAfter } = setUp();
    for (let i = 0; i < 5; i++) answerAfter(i, 400 + i);
    ask(5);
    await clock.run({ forMs: 900 });
    const marginMs = 4 * (1 + 402 / 10);
    expect(raised).toEqual([`q5 late @${404 + marginMs}`, `q5 very late @${404 + 2.5 * marginMs}`]);
  });

  test('tolerates a slow line where what is asked for is large', async () => {
    const { clock, raised, ask, answerAfter } = setUp(6, { toleratedFactor: 4 });
    for (let i = 0; i < 5; i++) answerAfter(i, 300);
    ask(5);
    await clock.run({ forMs: 3000 });
    expect(raised).toEqual(['q5 late @1200', 'q5 very late @2550']);
  });

  test('trusts few answers less than many', async () => {
    const lateAtMs: number[] = [];
    for (const others of [1, 2, 5]) {
      const { clock, raised, ask, answerAfter } = setUp();
      for (let i = 0; i < others; i++) answerAfter(i, 200);
      ask(5);
      await clock.run({ forMs: 1000 });
      lateAtMs.push(Number(raised[0]!.split('@')[1]));
    }
    expect(lateAtMs).toEqual([600, 400, 300]);
  });

  test('finds nobody late before the floor, however quick the others are', async () => {
    const { clock, raised, ask, answerAfter } = setUp();
    for (let i = 0; i < 5; i++) answerAfter(i, 1);
    ask(5);
    await clock.run({ forMs: 300 });
    expect(raised).toEqual(['q5 late @101', 'q5 very late @251']);
  });

  test('knows nothing as long as most of the others are silent', async () => {
    const { clock, raised, ask, answerAfter } = setUp();
    for (let i = 0; i < 4; i++) ask(i);
    answerAfter(4, 1);
    answerAfter(5, 1);
    await clock.run({ forMs: 499 });
    expect(raised).toEqual([]);
    await clock.run({ forMs: 1 });
    expect(raised).toEqual(['q0 late @500', 'q1 late @500', 'q2 late @500', 'q3 late @500']);
  });

  test('does not punish far servers for being far: the first far answer excuses the others', async () => {
    const { clock, raised, answerAfter } = setUp();
    for (let i = 0; i < 2; i++) answerAfter(i, 10);
    for (let i = 2; i < 6; i++) answerAfter(i, 300 + i);
    await clock.run();
    expect(raised).toEqual([]);
  });

  test('lets no slow answer of earlier excuse a silent server', async () => {
    const { clock, raised, ask, answerAfter } = setUp();
    for (let i = 0; i < 4; i++) answerAfter(i, i === 3 ? 90 : 10);
    await clock.run({ forMs: 95 });
    ask(5);
    await clock.run({ forMs: 110 });
    expect(raised).toEqual(['q5 late @205']);
  });

  test('does not count a server against itself', async () => {
    const { clock, raised, ask, answerAfter } = setUp(3);
    for (let i = 0; i < 3; i++) answerAfter(i, i === 0 ? 80 : 10);
    await clock.run({ forMs: 90 });
    ask(0);
    await clock.run({ forMs: 110 });
    expect(raised).toEqual(['q0 late @200']);
  });

  test('takes the word of the transport for overdue at once, and once only', async () => {
    const { clock, raised, ask, answerAfter } = setUp();
    for (let i = 0; i < 5; i++) answerAfter(i, 10);
    const question = ask(5);
    clock.setTimer(20, question.overdue);
    clock.setTimer(30, question.overdue);
    await clock.run({ forMs: 200 });
    expect(raised).toEqual(['q5 overdue @20', 'q5 late @110']);
    expect(question.lateness).toBe('late');
    question.overdue();
    expect(question.lateness).toBe('late');
  });

  test('becomes stricter with what was asked before, as the others answer', async () => {
    const { clock, raised, ask, answerAfter } = setUp(3);
    ask(0);
    answerAfter(1, 300);
    answerAfter(2, 300);
    await clock.run({ forMs: 500 });
    expect(raised).toEqual([]);
    for (let i = 0; i < 4; i++) answerAfter(2, 10);
    await clock.run({ forMs: 20 });
    expect(raised).toEqual(['q0 late @510']);
    await clock.run({ forMs: 100 });
    expect(raised).toEqual(['q0 late @510', 'q0 very late @550']);
  });

  test('takes it back when the others turn out to need as long', async () => {
    const { clock, raised, ask, answerAfter } = setUp(3);
    const question = ask(0);
    answerAfter(1, 700);
    answerAfter(2, 700);
    await clock.run({ forMs: 699 });
    expect(question.lateness).toBe('late');
    await clock.run({ forMs: 1 });
    expect(question.lateness).toBe('due');
    await clock.run({ forMs: 2100 });
    expect(raised.filter((text) => text.startsWith('q0'))).toEqual([
      'q0 late @500',
      'q0 late @1400',
      'q0 very late @2450',
    ]);
  });

  test('gives a question twice the time of those that wait already, when there is nothing to compare with', async () => {
    const { clock, raised, ask } = setUp();
    ask(0);
    await clock.run({ forMs: 500 });
    ask(1);
    await clock.run({ forMs: 999 });
    expect(raised).toEqual(['q0 late @500', 'q0 very late @1250']);
    await clock.run({ forMs: 1 });
    expect(raised.at(-1)).toBe('q1 late @1500');
  });

  test('blames nobody when this process stood still', () => {
    const { question, raised, fireLate } = stallingQuestion();
    fireLate(59_500);
    expect(raised).toEqual([]);
    expect(question.ageMs()).toBe(400);
    fireLate(0);
    expect(raised).toEqual(['late']);
  });

  test('finds late also where every timer is late, counting none of that', () => {
    const { question, raised, fireLate } = stallingQuestion();
    const agesMs: number[] = [];
    while (!raised.includes('hopeless') && agesMs.length < 100) {
      fireLate(150);
      agesMs.push(question.ageMs());
    }
    expect(raised).toEqual(['late', 'very late', 'hopeless']);
    // At 500, 1250 and 5000, each after one time to read.
    expect(agesMs).toEqual([400, 500, 1150, 1250, 4900, 5000]);
  });

  test('keeps no timer when nothing is open', async () => {
    const { clock, watch, ask, answerAfter } = setUp();
    for (let i = 0; i < 5; i++) answerAfter(i, 10);
    await clock.run({ forMs: 20 });
    expect(clock.armedTimers).toBe(0);
    ask(1).dropped();
    expect(clock.armedTimers).toBe(0);
    ask(2);
    watch.close();
    expect(clock.armedTimers).toBe(0);
  });

  test('levels are in order', () => {
    expect(isAtLeast('very late', 'late')).toBe(true);
    expect(isAtLeast('overdue', 'late')).toBe(false);
    expect(isAtLeast('due', 'due')).toBe(true);
  });
});
