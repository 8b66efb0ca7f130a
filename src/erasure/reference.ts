// The plain TypeScript product of a matrix and blocks: short enough to be checked by reading. It is the oracle of
// the tests, and what runs where WebAssembly SIMD does not (kernel.ts does the same some fifty times as fast).

import { multiply } from './gf256.ts';

/**
 * Multiplies blocks by a matrix over GF(2^8): byte i of `outputs[r]` becomes the sum over c of
 * `coefficients[r * inputs.length + c]` times byte i of `inputs[c]`.
 *
 * `coefficients` has `outputs.length * inputs.length` bytes, at most 256 rows of at most 256. Each row sums to 1, as
 * the rows of all interpolation matrices do; implementations may rely on it. All blocks are of one length; outputs
 * are overwritten and share no memory with inputs. The caller sees to all of that.
 */
export type MatrixProduct = (
  coefficients: Uint8Array,
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
) => void;

/** {@link MatrixProduct} byte by byte, with a table of 256 products for each coefficient. */
export const referenceProduct: MatrixProduct = (coefficients, inputs, outputs) => {
  for (const [row, output] of outputs.entries()) {
    output.fill(0);
    for (const [column, input] of inputs.entries()) {
      addProduct(output, productsOf(coefficients[row * inputs.length + column]!), input);
    }
  }
};

function addProduct(output: Uint8Array, products: Uint8Array, input: Uint8Array): void {
  for (let i = 0; i < input.length; i++) output[i]! ^= products[input[i]!]!;
}

const productTables: (Uint8Array | undefined)[] = [];

/** The products of `coefficient` with 0 to 255, computed once. */
function productsOf(coefficient: number): Uint8Array {
  productTables[coefficient] ??= Uint8Array.from({ length: 256 }, (_, byte) => multiply(coefficient, byte));
  return productTables[coefficient];
}
