import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../src/sim/clock.ts';

function sleep(clock: VirtualClock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

describe('VirtualClock', () => {
  test('fires by time, and timers of one instant in the order in which they were armed', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.setTimer(20, () => seen.push(`c@${clock.now()}`));
    clock.setTimer(10, () => {
      seen.push(`a@${clock.now()}`);
      clock.setTimer(10, () => seen.push(`d@${clock.now()}`));
    });
    clock.setTimer(10, () => seen.push(`b@${clock.now()}`));
    expect(await clock.run()).toBe('idle');
    expect(seen).toEqual(['a@10', 'b@10', 'c@20', 'd@20']);
    expect(clock.now()).toBe(20);
  });

  test('does every promise job and tick that a timer caused before the next timer', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.setTimer(5, async () => {
      for (let i = 0; i < 50; i++) await null;
      await new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)));
      for (let i = 0; i < 50; i++) await null;
      seen.push('chain');
    });
    clock.setTimer(5, () => seen.push('timer'));
    await clock.run();
    expect(seen).toEqual(['chain', 'timer']);
  });

  test('a timer of 0 ms fires in a later turn, and one in the past now', async () => {
    const clock = new VirtualClock(100);
    const seen: number[] = [];
    clock.setTimer(0, () => seen.push(clock.now()));
    clock.setTimer(-5, () => seen.push(clock.now()));
    expect(seen).toEqual([]);
    await clock.run();
    expect(seen).toEqual([100, 100]);
  });

  test('a cancelled timer does not fire, Infinity never fires and is not counted', async () => {
    const clock = new VirtualClock();
    let fired = 0;
    const timer = clock.setTimer(5, () => fired++);
    clock.setTimer(Number.POSITIVE_INFINITY, () => fired++).cancel();
    const late = clock.setTimer(6, () => fired++);
    expect(clock.armedTimers).toBe(2);
    timer.cancel();
    timer.cancel();
    expect(clock.armedTimers).toBe(1);
    await clock.run();
    late.cancel();
    expect(fired).toBe(1);
    expect(() => clock.setTimer(Number.NaN, () => {})).toThrow(RangeError);
  });

  test('runs for a time and stands exactly there', async () => {
    const clock = new VirtualClock();
    let fired = 0;
    clock.setTimer(10, () => fired++);
    clock.setTimer(30, () => fired++);
    expect(await clock.run({ forMs: 10 })).toBe('time');
    expect([fired, clock.now()]).toEqual([1, 10]);
    expect(await clock.run({ forMs: 5.5 })).toBe('time');
    expect(clock.now()).toBe(15.5);
    expect(await clock.run({ forMs: 100 })).toBe('idle');
    expect([fired, clock.now()]).toEqual([2, 115.5]);
  });

  test('runs until a condition holds', async () => {
    const clock = new VirtualClock();
    let fired = 0;
    for (let i = 1; i <= 5; i++) clock.setTimer(i, () => fired++);
    expect(await clock.run({ until: () => fired === 3 })).toBe('condition');
    expect([clock.now(), clock.armedTimers]).toEqual([3, 2]);
  });

  test('drives a promise to its value or its error', async () => {
    const clock = new VirtualClock();
    expect(await clock.runUntil(sleep(clock, 7_200).then(() => 'done'))).toBe('done');
    expect(clock.now()).toBe(7_200);
    const failing = sleep(clock, 1).then(() => {
      throw new Error('broken');
    });
    await expect(clock.runUntil(failing)).rejects.toThrow('broken');
    expect(await clock.runUntil(Promise.resolve(3))).toBe(3);
  });

  test('says so when nothing can settle the promise any more, or its time is over', async () => {
    const clock = new VirtualClock();
    await expect(clock.runUntil(new Promise(() => {}))).rejects.toThrow('no timer is left, at 0 ms');
    expect(clock.now()).toBe(0);
    await expect(clock.runUntil(sleep(clock, 2_000), 1_500)).rejects.toThrow('limit of 1500 ms');
  });

  test('a timer that throws ends the run with its error, and the clock can run again', async () => {
    const clock = new VirtualClock();
    let fired = 0;
    clock.setTimer(1, () => {
      throw new Error('in a timer');
    });
    clock.setTimer(2, () => fired++);
    await expect(clock.run()).rejects.toThrow('in a timer');
    await clock.run();
    expect(fired).toBe(1);
  });

  test('refuses to run twice at once', async () => {
    const clock = new VirtualClock();
    clock.setTimer(1, () => {});
    const run = clock.run();
    await expect(clock.run()).rejects.toThrow('running already');
    await run;
  });

  test('time stands still while real work is held', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const realWork = async () => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      seen.push(`work@${clock.now()}`);
    };
    clock.setTimer(1, () => clock.hold(realWork()));
    clock.setTimer(2, () => seen.push(`timer@${clock.now()}`));
    await clock.run();
    expect(seen).toEqual(['work@1', 'timer@2']);
  });
});
