import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { interpolationMatrix } from '../../src/erasure/gf256.ts';
import { loadKernel } from '../../src/erasure/kernel.ts';
import { KERNEL_SOURCE_SHA256 } from '../../src/erasure/kernel.wasm.ts';
import { referenceProduct } from '../../src/erasure/reference.ts';
import { knownAnswers, seededBlocks } from './known-answers.ts';

const kernel = loadKernel();

test('the inlined module was built from the source beside it (npm run build:wasm)', () => {
  const source = readFileSync(new URL('../../src/erasure/kernel.as.ts', import.meta.url));
  expect(createHash('sha256').update(source).digest('hex')).toBe(KERNEL_SOURCE_SHA256);
});

test('the kernel is loaded once', () => {
  expect(kernel).toBeDefined();
  expect(loadKernel()).toBe(kernel);
});

describe('without WebAssembly SIMD', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  test.each([
    ['no WebAssembly', undefined],
    ['WebAssembly that does not know the instructions', { validate: () => false }],
  ])('%s: there is no kernel, and the codec does without', async (_, webAssembly) => {
    vi.stubGlobal('WebAssembly', webAssembly);
    vi.resetModules();
    const fresh = await import('../../src/erasure/kernel.ts');
    expect(fresh.loadKernel()).toBeUndefined();

    const { ErasureCodec } = await import('../../src/erasure/codec.ts');
    const { needed, total, data, check } = knownAnswers.find((answer) => answer.needed === 3)!;
    const numbers = check.map((_, row) => needed + row);
    expect(new ErasureCodec(needed, total).encode(data, numbers)).toEqual(check);
  });
});

describe('the kernel computes what the reference computes', () => {
  test('for any shares, known and wanted, and any length', () => {
    const shareNumbers = fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 24 });
    const length = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 16_300, max: 16_500 }));
    fc.assert(
      fc.property(shareNumbers, fc.nat(), length, fc.string(), (numbers, cut, blockBytes, seed) => {
        const needed = 1 + (cut % numbers.length);
        compare(numbers.slice(0, needed), numbers.slice(needed), blockBytes, seed);
      }),
      { numRuns: 200 },
    );
  });

  test('for every length around the steps and the chunks', () => {
    const lengths = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 65_537];
    for (const around of [16 * 1024, 32 * 1024]) lengths.push(around - 1, around, around + 1);
    for (const blockBytes of lengths) compare([0, 4, 2], [1, 3, 5], blockBytes, 'lengths');
  });

  test('for every number of rows, odd and even', () => {
    for (let rows = 0; rows <= 9; rows++) {
      compare(
        [7, 8],
        Array.from({ length: rows }, (_, wanted) => 20 + wanted),
        100,
        'rows',
      );
    }
  });

  test('for the widest matrices', () => {
    const all = Array.from({ length: 256 }, (_, shareNumber) => shareNumber);
    for (const needed of [1, 128, 255]) compare(all.slice(0, needed), all.slice(needed), 1003, 'wide');
  });

  test('for blocks that start anywhere in their buffer', () => {
    const whole = seededBlocks('offsets', 1, 3 * 1001)[0]!;
    const inputs = [0, 1, 2].map((block) => whole.subarray(block * 1001, (block + 1) * 1001));
    const matrix = interpolationMatrix([0, 1, 2], [3]);
    const room = new Uint8Array(1001 + 14).fill(0xee);
    kernel!(matrix, inputs, [room.subarray(7, 7 + 1001)]);
    const expected = new Uint8Array(1001);
    referenceProduct(matrix, inputs, [expected]);
    expect(Buffer.from(room.subarray(7, 7 + 1001)).equals(expected)).toBe(true);
    expect([...room.subarray(0, 7), ...room.subarray(7 + 1001)]).toEqual(Array(14).fill(0xee));
  });
});

function compare(
  known: readonly number[],
  wanted: readonly number[],
  blockBytes: number,
  seed: string,
): void {
  const matrix = interpolationMatrix(known, wanted);
  const inputs = seededBlocks(seed, known.length, blockBytes);
  const [expected, actual] = [referenceProduct, kernel!].map((product) => {
    // Neither may rely on what is in the outputs before.
    const outputs = wanted.map(() => new Uint8Array(blockBytes).fill(0xa5));
    product(matrix, inputs, outputs);
    return Buffer.concat(outputs);
  });
  expect(actual!.equals(expected!), `${known} -> ${wanted}, ${blockBytes} bytes`).toBe(true);
}
