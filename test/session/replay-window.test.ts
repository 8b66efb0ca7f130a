import { describe, expect, test } from 'vitest';
import { REPLAY_WINDOW_BITS, ReplayWindow } from '../../src/session/replay-window.ts';
import { SeededRandom } from '../../src/sim/random.ts';

/** What a window must say: seen before, or too far below the highest. */
class Oracle {
  readonly #seen = new Set<number>();
  #highest = -1;

  accepts(number: number): boolean {
    return number > this.#highest - REPLAY_WINDOW_BITS && !this.#seen.has(number);
  }

  add(number: number): void {
    this.#seen.add(number);
    this.#highest = Math.max(this.#highest, number);
  }
}

// P-9
describe('attack: replay of DATA', () => {
  test.each([
    ['from 0', 0],
    ['around 2^32', 2 ** 32 - 400_000],
    ['around 2^31', 2 ** 31 - 400_000],
    ['up to 2^53', 2 ** 53 - 2_500_000],
  ])('the window says what a plain Set says, in 1,000,000 steps %s', (_name, start) => {
    const random = new SeededRandom(`window ${start}`);
    const window = new ReplayWindow();
    const oracle = new Oracle();
    let front = start;
    let accepted = 0;
    for (let step = 0; step < 1_000_000; step++) {
      const way = random.float();
      if (way < 0.5) front += 1;
      else if (way < 0.5001) front += Math.floor(random.float() * 3 * REPLAY_WINDOW_BITS);
      if (front >= Number.MAX_SAFE_INTEGER) front = Number.MAX_SAFE_INTEGER - 1;
      const number = way < 0.6 ? front : front - Math.floor(random.float() ** 2 * 1.2 * REPLAY_WINDOW_BITS);
      if (number < 0) continue;
      const accepts = window.accepts(number);
      if (accepts !== oracle.accepts(number)) expect.fail(`${number} at step ${step}: ${accepts}`);
      if (!accepts) continue;
      accepted++;
      window.add(number);
      oracle.add(number);
    }
    expect(accepted).toBeGreaterThan(400_000);
  });

  test('what is only asked about moves nothing', () => {
    const window = new ReplayWindow();
    window.add(5);
    expect(window.accepts(2 ** 50)).toBe(true);
    expect(window.accepts(0)).toBe(true);
    expect(window.accepts(5)).toBe(false);
  });

  test('ends one word short of 8192', () => {
    const window = new ReplayWindow();
    window.add(100_000);
    expect(window.accepts(100_000 - REPLAY_WINDOW_BITS)).toBe(false);
    expect(window.accepts(100_000 - REPLAY_WINDOW_BITS + 1)).toBe(true);
    expect(REPLAY_WINDOW_BITS).toBe(8160);
  });
});
