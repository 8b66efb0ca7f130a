import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/sim/random.ts';

describe('SeededRandom', () => {
  test('the same seed gives the same numbers, another seed others', () => {
    const draw = (seed: string | number) => {
      const random = new SeededRandom(seed);
      return [random.float(), random.int(1, 1e6), ...random.bytes(9), random.chance(0.5)];
    };
    expect(draw('a')).toEqual(draw('a'));
    expect(draw(7)).toEqual(draw('7'));
    expect(draw('a')).not.toEqual(draw('b'));
    expect(draw(1)).not.toEqual(draw(2));
  });

  test('a seed means the same run in every version of this code', () => {
    const random = new SeededRandom('nevermind');
    expect([random.uint32(), random.uint32(), random.uint32()]).toMatchInlineSnapshot(`
      [
        1182447701,
        1601490578,
        1099816184,
      ]
    `);
  });

  test('a fork depends on seed and label, not on what was drawn before', () => {
    const early = new SeededRandom('s').fork('link');
    const parent = new SeededRandom('s');
    parent.bytes(100);
    const late = parent.fork('link');
    expect([early.float(), early.float()]).toEqual([late.float(), late.float()]);
    expect(new SeededRandom('s').fork('link').float()).not.toBe(new SeededRandom('s').fork('disk').float());
  });

  test('int covers both ends evenly', () => {
    const random = new SeededRandom('dice');
    const counts = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 60_000; i++) counts[random.int(1, 6) - 1]!++;
    // 10,000 expected of each; the standard deviation is 91, so 500 is beyond five of them.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(random.int(3, 3)).toBe(3);
  });

  test('each bit of its bytes is set half of the time', () => {
    const bits = new Array<number>(8).fill(0);
    for (const byte of new SeededRandom('bits').bytes(40_000)) {
      for (let bit = 0; bit < 8; bit++) bits[bit]! += (byte >> bit) & 1;
    }
    for (const count of bits) expect(Math.abs(count - 20_000)).toBeLessThan(500);
  });

  test('float and between stay in range and bytes has the asked length', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 70 }), (seed, count) => {
        const random = new SeededRandom(seed);
        const value = random.float();
        expect(value >= 0 && value < 1).toBe(true);
        const other = random.between(-2, 5);
        expect(other >= -2 && other < 5).toBe(true);
        expect(random.bytes(count)).toHaveLength(count);
      }),
    );
  });

  test('certain chances draw nothing, so that a fault switched off does not shift the run', () => {
    const random = new SeededRandom('x');
    const twin = new SeededRandom('x');
    expect(random.chance(0)).toBe(false);
    expect(random.chance(-1)).toBe(false);
    expect(random.chance(1)).toBe(true);
    expect(random.float()).toBe(twin.float());
  });

  test('pick and shuffle use what they were given and leave it alone', () => {
    const random = new SeededRandom('cards');
    const items = Object.freeze(['a', 'b', 'c', 'd']);
    expect(items).toContain(random.pick(items));
    expect(random.shuffle(items).toSorted()).toEqual(['a', 'b', 'c', 'd']);
    const seen = new Set(Array.from({ length: 500 }, () => random.shuffle(items).join('')));
    expect(seen.size).toBe(24);
    expect(() => random.pick([])).toThrow(RangeError);
    expect(() => random.int(2, 1)).toThrow(RangeError);
  });
});
