import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErasureCodec } from '../../src/erasure/codec.ts';
import { loadKernel } from '../../src/erasure/kernel.ts';
import { referenceProduct } from '../../src/erasure/reference.ts';
import { knownAnswers, longKnownAnswers, seededBlocks } from './known-answers.ts';

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe.each([
  ['kernel', loadKernel()!],
  ['reference', referenceProduct],
])('known answers of zfec, with the %s', (_, product) => {
  test.each(knownAnswers)('$needed of $total', ({ needed, total, data, check }) => {
    const codec = new ErasureCodec(needed, total, product);
    expect(codec.encode(data, range(needed, total))).toEqual(check);

    const shares = new Map([...data, ...check].entries());
    const last = new Map([...shares].slice(-needed));
    expect(codec.decode(last)).toEqual(data);
  });

  test.each(longKnownAnswers)('$needed of $total, long blocks', ({ needed, total, data, checkSha256 }) => {
    const check = new ErasureCodec(needed, total, product).encode(data, range(needed, total));
    expect(createHash('sha256').update(Buffer.concat(check)).digest('hex')).toBe(checkSha256);
  });
});

describe('encode', () => {
  const codec = new ErasureCodec(3, 10);
  const data = seededBlocks('encode', 3, 33);

  test('gives the shares asked for, in the order asked for', () => {
    const all = codec.encode(data, range(0, 10));
    expect(codec.encode(data, [8, 0, 3])).toEqual([all[8], all[0], all[3]]);
  });

  test('gives data shares without copying them', () => {
    const [second, first] = codec.encode(data, [1, 0]);
    expect(first).toBe(data[0]);
    expect(second).toBe(data[1]);
  });

  test('gives check shares that share memory with nothing', () => {
    const blocks = codec.encode(data, range(3, 10));
    expect(new Set([...data, ...blocks].map((block) => block.buffer)).size).toBe(8);
    for (const block of blocks) expect(block.buffer.byteLength).toBe(33);
  });

  test('asked for nothing it gives nothing', () => {
    expect(codec.encode(data, [])).toEqual([]);
  });

  test('takes blocks of no bytes', () => {
    const empty = [0, 1, 2].map(() => new Uint8Array(0));
    expect(codec.encode(empty, range(0, 10))).toEqual(range(0, 10).map(() => new Uint8Array(0)));
    expect(codec.decode(new Map(range(4, 7).map((n) => [n, new Uint8Array(0)])))).toEqual(empty);
  });

  test('1 of N copies the data', () => {
    const [only] = seededBlocks('copy', 1, 21);
    const blocks = new ErasureCodec(1, 256).encode([only!], range(1, 256));
    for (const block of blocks) expect(block).toEqual(only);
  });

  test('N of N has no check shares', () => {
    const blocks = seededBlocks('all', 256, 5);
    const all = new ErasureCodec(256, 256);
    expect(all.encode(blocks, range(0, 256))).toEqual(blocks);
    expect(all.decode(new Map(blocks.entries()))).toEqual(blocks);
  });

  test('leaves its input alone', () => {
    const before = structuredClone(data);
    codec.encode(data, range(0, 10));
    expect(data).toEqual(before);
  });
});

describe('decode', () => {
  test('any k shares give back the data, for all codes up to 6', () => {
    for (let total = 1; total <= 6; total++) {
      for (let needed = 1; needed <= total; needed++) {
        const codec = new ErasureCodec(needed, total);
        const data = seededBlocks(`${needed} of ${total}`, needed, 19);
        const shares = codec.encode(data, range(0, total));
        for (const numbers of subsets(range(0, total), needed)) {
          const chosen = new Map(numbers.map((shareNumber) => [shareNumber, shares[shareNumber]!]));
          expect(codec.decode(chosen), `shares ${numbers} of ${needed} of ${total}`).toEqual(data);
        }
      }
    }
  });

  test('any k shares of 3 of 10 give back the data, in any order', () => {
    const codec = new ErasureCodec(3, 10);
    const data = seededBlocks('orders', 3, 50);
    const shares = codec.encode(data, range(0, 10));
    for (const numbers of subsets(range(0, 10), 3)) {
      const backwards = new Map(numbers.reverse().map((shareNumber) => [shareNumber, shares[shareNumber]!]));
      expect(codec.decode(backwards), `shares ${numbers}`).toEqual(data);
    }
  });

  test('any code, any length, any shares that are left', () => {
    const code = fc
      .integer({ min: 1, max: 256 })
      .chain((total) => fc.tuple(fc.integer({ min: 1, max: total }), fc.constant(total)));
    fc.assert(
      fc.property(code, fc.nat(70), fc.infiniteStream(fc.nat()), ([needed, total], blockBytes, draws) => {
        const codec = new ErasureCodec(needed, total);
        const data = seededBlocks('left', needed, blockBytes);
        const left = range(0, total);
        const numbers = range(0, needed).map(() => left.splice(draws.next().value % left.length, 1)[0]!);
        const blocks = codec.encode(data, numbers);
        const shares = new Map(numbers.map((shareNumber, index) => [shareNumber, blocks[index]!]));
        expect(Buffer.concat(codec.decode(shares)).equals(Buffer.concat(data))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('returns data shares that are there as they are, and ignores what it does not need', () => {
    const codec = new ErasureCodec(2, 5);
    const data = seededBlocks('as they are', 2, 40);
    const shares = codec.encode(data, range(0, 5));
    const wrong = new Uint8Array(40);
    const decoded = codec.decode(
      new Map([
        [4, wrong],
        [3, wrong],
        [2, shares[2]!],
        [1, data[1]!],
      ]),
    );
    expect(decoded).toEqual(data);
    expect(decoded[1]).toBe(data[1]);

    const complete = codec.decode(
      new Map([
        [4, wrong],
        [1, data[1]!],
        [0, data[0]!],
      ]),
    );
    expect(complete[0]).toBe(data[0]);
    expect(complete[1]).toBe(data[1]);
  });

  test('remembers matrices without mixing them up', () => {
    const codec = new ErasureCodec(2, 256);
    const data = seededBlocks('matrices', 2, 8);
    const shares = codec.encode(data, range(0, 256));
    for (let round = 0; round < 2; round++) {
      for (let a = 2; a < 256; a += 2) {
        expect(
          codec.decode(
            new Map([
              [a, shares[a]!],
              [a + 1, shares[a + 1]!],
            ]),
          ),
        ).toEqual(data);
      }
    }
  });
});

describe('bad arguments', () => {
  const block = (sizeBytes = 4) => new Uint8Array(sizeBytes);
  const codec = new ErasureCodec(2, 4);

  test.each([
    [0, 1],
    [-1, 5],
    [3, 2],
    [1, 257],
    [257, 257],
    [1.5, 3],
    [1, 2.5],
    [Number.NaN, 3],
    [1, Infinity],
  ])('a code of %d of %d', (needed, total) => {
    expect(() => new ErasureCodec(needed, total)).toThrow(RangeError);
  });

  test.each([-1, 4, 256, 1.5, Number.NaN])('share number %d', (shareNumber) => {
    expect(() => codec.encode([block(), block()], [shareNumber])).toThrow('Share numbers are 0 to 3');
    const shares = new Map([
      [0, block()],
      [1, block()],
      [shareNumber, block()],
    ]);
    expect(() => codec.decode(shares)).toThrow('Share numbers are 0 to 3');
  });

  test('a share asked for twice', () => {
    expect(() => codec.encode([block(), block()], [3, 2, 3])).toThrow(RangeError);
  });

  test('too few or too many data blocks', () => {
    expect(() => codec.encode([block()], [2])).toThrow('Encoding takes 2 data blocks, not 1.');
    expect(() => codec.encode([block(), block(), block()], [2])).toThrow('not 3');
  });

  test('too few shares', () => {
    expect(() => codec.decode(new Map([[2, block()]]))).toThrow('Decoding takes 2 shares; there are only 1.');
  });

  test('blocks of unequal length, needed or not', () => {
    expect(() => codec.encode([block(4), block(5)], [2])).toThrow('not 4 and 5 bytes');
    expect(() =>
      codec.decode(
        new Map([
          [0, block(4)],
          [1, block(4)],
          [2, block(3)],
        ]),
      ),
    ).toThrow(RangeError);
  });

  test('something else than bytes', () => {
    const words = new Uint16Array(4) as unknown as Uint8Array;
    expect(() => codec.encode([words, words], [2])).toThrow(TypeError);
    expect(() =>
      codec.decode(
        new Map([
          [0, words],
          [3, words],
        ]),
      ),
    ).toThrow(TypeError);
  });
});

/** All subsets of `size` elements. */
function subsets(elements: readonly number[], size: number): number[][] {
  if (size === 0) return [[]];
  return elements.flatMap((element, index) =>
    subsets(elements.slice(index + 1), size - 1).map((rest) => [element, ...rest]),
  );
}
