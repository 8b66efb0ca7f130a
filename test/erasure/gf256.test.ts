import { describe, expect, test } from 'vitest';
import { interpolationMatrix, multiply, pointOf } from '../../src/erasure/gf256.ts';

const elements = Array.from({ length: 256 }, (_, element) => element);

/** Multiplication as it is taught: polynomials over GF(2), reduced by 0x11D. */
function longMultiplication(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) product ^= a << bit;
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8);
  return product;
}

describe('field', () => {
  test('all products agree with multiplication of polynomials', () => {
    for (const a of elements) {
      expect(elements.map((b) => multiply(a, b))).toEqual(elements.map((b) => longMultiplication(a, b)));
    }
  });

  test('the 256 shares have 256 points', () => {
    expect(new Set(elements.map(pointOf)).size).toBe(256);
    expect(elements.slice(0, 10).map(pointOf)).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128, 29]);
  });
});

describe('interpolation matrix', () => {
  test('encodes 3 of 10 with the rows of zfec', () => {
    expect(rowsOf([0, 1, 2], [3, 4, 5, 6, 7, 8, 9])).toEqual(
      '0f0806 2d301c 99e078 0be7ed 893bb3 46f1b6 bad962'.split(' '),
    );
  });

  test('encodes 7 of 10 with the rows of zfec', () => {
    expect(rowsOf([0, 1, 2, 3, 4, 5, 6], [7, 8, 9])).toEqual([
      '9b75313a9e047e',
      '8ca5c3d2b67bf4',
      '0ed841d5534151',
    ]);
  });

  test('each row sums to one, which the kernel relies on', () => {
    for (const known of [[0], [5], [0, 1, 2], [9, 3, 255, 1], elements.slice(100)]) {
      const wanted = elements.filter((shareNumber) => !known.includes(shareNumber));
      for (const row of rowsOf(known, wanted)) {
        expect(Buffer.from(row, 'hex').reduce((sum, coefficient) => sum ^ coefficient, 0)).toBe(1);
      }
    }
  });

  test('without wanted shares it is empty', () => {
    expect(interpolationMatrix([0, 1], [])).toHaveLength(0);
  });
});

function rowsOf(known: readonly number[], wanted: readonly number[]): string[] {
  const matrix = Buffer.from(interpolationMatrix(known, wanted));
  const hex = (row: number) => matrix.subarray(row * known.length, (row + 1) * known.length).toString('hex');
  return wanted.map((_, row) => hex(row));
}
