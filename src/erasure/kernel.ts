// Drives the WebAssembly SIMD kernel: loads the inlined module, lays out its memory, and passes blocks through it
// in chunks that stay in the processor's cache, so that its memory is small and fixed whatever the block size.
// The inner loops are in kernel.as.ts; what runs where there is no SIMD is in reference.ts.

import { multiply } from './gf256.ts';
import { KERNEL_WASM_BASE64 } from './kernel.wasm.ts';
import type { MatrixProduct } from './reference.ts';

/** What kernel.as.ts exports; addresses and lengths are in bytes. */
interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly multiplyRow: MultiplyRows;
  readonly multiplyTwoRows: MultiplyRows;
}

type MultiplyRows = (
  coefficients: number,
  inputs: number,
  inputCount: number,
  strideBytes: number,
  lengthBytes: number,
  out: number,
) => void;

// The types of WebAssembly come with the DOM library, which this project does without.
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

// Memory of the module: nibble tables of all 256 coefficients, the matrix, then the chunks of the inputs and of
// the two rows that are being computed.
const MATRIX_AT = 256 * 32;
const CHUNKS_AT = MATRIX_AT + 256 * 256;

/** The kernel works in steps of so many bytes; chunks are cut accordingly, and may be written up to the next step. */
const STEP_BYTES = 64;

/** Longest chunk: long enough to hide what a call and a copy cost, short enough for the second-level cache. */
const CHUNK_BYTES_MAX = 16 * 1024;

let loaded: MatrixProduct | undefined;

/**
 * The {@link MatrixProduct} of the WebAssembly kernel, or undefined where WebAssembly or its SIMD instructions are
 * not available (`node --jitless`, very old processors). Compiled on the first call, one instance for the thread.
 */
export function loadKernel(): MatrixProduct | undefined {
  if (loaded !== undefined) return loaded;
  if (typeof WebAssembly === 'undefined') return undefined;
  const bytes = Buffer.from(KERNEL_WASM_BASE64, 'base64');
  if (!WebAssembly.validate(bytes)) return undefined;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  loaded = drive(instance.exports as KernelExports);
  return loaded;
}

function drive(kernel: KernelExports): MatrixProduct {
  const memory = new Uint8Array(kernel.memory.buffer);
  memory.set(nibbleTables());

  return (coefficients, inputs, outputs) => {
    memory.set(coefficients, MATRIX_AT);
    const columns = inputs.length;
    const lengthBytes = inputs[0]?.length ?? 0;
    const chunkBytes = chunkLength(memory.length - CHUNKS_AT, columns + 2);
    // One step more than the chunk: chunks a power of two apart would compete for the same lines of the cache.
    const strideBytes = chunkBytes + STEP_BYTES;
    const firstRowAt = CHUNKS_AT + columns * strideBytes;
    const secondRowAt = firstRowAt + strideBytes;

    for (let from = 0; from < lengthBytes; from += chunkBytes) {
      const to = Math.min(from + chunkBytes, lengthBytes);
      const size = to - from;
      for (let column = 0; column < columns; column++) {
        memory.set(inputs[column]!.subarray(from, to), CHUNKS_AT + column * strideBytes);
      }
      let row = 0;
      for (; row + 1 < outputs.length; row += 2) {
        kernel.multiplyTwoRows(MATRIX_AT + row * columns, CHUNKS_AT, columns, strideBytes, size, firstRowAt);
        outputs[row]!.set(memory.subarray(firstRowAt, firstRowAt + size), from);
        outputs[row + 1]!.set(memory.subarray(secondRowAt, secondRowAt + size), from);
      }
      if (row < outputs.length) {
        kernel.multiplyRow(MATRIX_AT + row * columns, CHUNKS_AT, columns, strideBytes, size, firstRowAt);
        outputs[row]!.set(memory.subarray(firstRowAt, firstRowAt + size), from);
      }
    }
  };
}

/** The longest chunk of which `count`, each with a step to spare, fit in `room` bytes. */
function chunkLength(room: number, count: number): number {
  const fitting = Math.floor(room / count / STEP_BYTES) * STEP_BYTES - STEP_BYTES;
  return Math.min(fitting, CHUNK_BYTES_MAX);
}

/** For each coefficient c its products with 0, 1 … 15 and with 0, 16 … 240: what `i8x16.swizzle` looks up. */
function nibbleTables(): Uint8Array {
  const tables = new Uint8Array(256 * 32);
  for (let coefficient = 0; coefficient < 256; coefficient++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      tables[coefficient * 32 + nibble] = multiply(coefficient, nibble);
      tables[coefficient * 32 + 16 + nibble] = multiply(coefficient, nibble << 4);
    }
  }
  return tables;
}
