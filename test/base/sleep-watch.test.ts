import { describe, expect, test } from 'vitest';
import { SleepWatch } from '../../src/base/sleep-watch.ts';

const UNIX_MS = 1_750_000_000_000;
const NEVER = Number.NEGATIVE_INFINITY;

/** A watch that has looked once, at 0. */
function watching(): SleepWatch {
  const watch = new SleepWatch();
  expect(watch.look(0, UNIX_MS)).toBe(NEVER);
  return watch;
}

// P-69
describe('a sleep is', () => {
  test('a wall clock that goes on while the monotonic clock does not', () => {
    const watch = watching();
    expect(watch.look(500, UNIX_MS + 500)).toBe(NEVER);
    expect(watch.look(510, UNIX_MS + 3_600_000)).toBe(510);
    expect(watch.look(900, UNIX_MS + 3_600_390)).toBe(510);
  });

  test('not a second, however often', () => {
    const watch = watching();
    for (let i = 1; i <= 100; i++) expect(watch.look(i * 1000, UNIX_MS + i * 2000)).toBe(NEVER);
  });

  test('not time that both clocks have seen', () => {
    expect(watching().look(3_600_000, UNIX_MS + 3_600_000)).toBe(NEVER);
  });
});

describe('a wall clock that somebody sets', () => {
  test('back says nothing, nor hides a sleep after it', () => {
    const watch = watching();
    expect(watch.look(100, UNIX_MS - 86_400_000)).toBe(NEVER);
    expect(watch.look(200, UNIX_MS - 86_400_000 + 5_000)).toBe(200);
  });

  test('forward again and again is a sleep every half minute at most', () => {
    const watch = watching();
    const woke = new Set<number>();
    for (let i = 1; i <= 60; i++) woke.add(watch.look(i * 1000, UNIX_MS + i * 60_000));
    expect([...woke]).toEqual([1_000, 31_000]);
  });
});
