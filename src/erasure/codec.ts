// The k-of-N erasure code of zfec and Tahoe-LAFS: N blocks out of k, any k of which give back the data. This file
// checks arguments and chooses the matrix; gf256.ts computes matrices, kernel.ts and reference.ts apply them.
// Cutting a segment into blocks, padding and hashing belong to tahoe/ and grid/.

import { LRUCache } from 'lru-cache';
import { interpolationMatrix } from './gf256.ts';
import { loadKernel } from './kernel.ts';
import { type MatrixProduct, referenceProduct } from './reference.ts';

/** Points of the field, and so the most shares there can be. */
const SHARES_MAX = 256;

/** Decoding matrices kept: one for each set of shares that downloads are using now. At most 16 KiB each. */
const DECODING_MATRICES_MAX = 64;

/**
 * A systematic Reed-Solomon code over GF(2^8), byte for byte that of zfec: {@link interpolationMatrix} defines it,
 * spec/vectors/erasure.json has known answers. It holds nothing but matrices, so one instance serves any number of
 * files.
 */
export class ErasureCodec {
  /** k: how many shares give back the data. */
  readonly needed: number;
  /** N: how many shares there are, numbered from 0; those below `needed` are the data itself. */
  readonly total: number;
  readonly #product: MatrixProduct;
  readonly #decodingMatrices = new LRUCache<string, Uint8Array>({ max: DECODING_MATRICES_MAX });
  /** Rows of the shares from `needed` on, computed when first asked for. */
  #checkRows: Uint8Array | undefined;

  /**
   * 1 ≤ needed ≤ total ≤ 256, otherwise a RangeError. `product` is what applies matrices: the WebAssembly kernel
   * where it runs, the reference elsewhere.
   */
  constructor(needed: number, total: number, product: MatrixProduct = loadKernel() ?? referenceProduct) {
    if (!Number.isInteger(needed) || !Number.isInteger(total)) {
      throw new RangeError(`An erasure code takes whole numbers of shares, not ${needed} of ${total}.`);
    }
    if (needed < 1 || needed > total || total > SHARES_MAX) {
      throw new RangeError(
        `An erasure code is 1 <= needed <= total <= ${SHARES_MAX}, not ${needed} of ${total}.`,
      );
    }
    this.needed = needed;
    this.total = total;
    this.#product = product;
  }

  /**
   * The blocks of `shareNumbers`, in that order, each as long as a data block. `data` is exactly `needed` blocks of
   * one length (0 allowed). Blocks below `needed` are the given ones, shared and not copied; the others are new.
   * Throws RangeError or TypeError for other arguments, also for a share number that occurs twice.
   */
  encode(data: readonly Uint8Array[], shareNumbers: readonly number[]): Uint8Array[] {
    if (data.length !== this.needed) {
      throw new RangeError(`Encoding takes ${this.needed} data blocks, not ${data.length}.`);
    }
    const sizeBytes = commonSizeBytes(data);
    for (const shareNumber of shareNumbers) this.#checkShareNumber(shareNumber);
    if (new Set(shareNumbers).size !== shareNumbers.length) {
      throw new RangeError(`Each share can be asked for once, not [${shareNumbers.join(', ')}].`);
    }

    const computed = shareNumbers.filter((shareNumber) => shareNumber >= this.needed);
    const check = this.#multiply(this.#encodingMatrix(computed), data, computed.length, sizeBytes);
    return shareNumbers.map((shareNumber) => data[shareNumber] ?? check.shift()!);
  }

  /**
   * The `needed` data blocks, in order, from at least `needed` blocks of one length by share number. Uses as many
   * data shares as there are and fills up with check shares, lowest number first; the rest is ignored. Data blocks
   * that are given are returned as they are, shared and not copied. Wrong bytes go unnoticed: whoever calls checks
   * hashes. Throws RangeError or TypeError for fewer blocks, unequal lengths and numbers outside of the code.
   */
  decode(shares: ReadonlyMap<number, Uint8Array>): Uint8Array[] {
    if (shares.size < this.needed) {
      throw new RangeError(`Decoding takes ${this.needed} shares; there are only ${shares.size}.`);
    }
    for (const shareNumber of shares.keys()) this.#checkShareNumber(shareNumber);
    const sizeBytes = commonSizeBytes([...shares.values()]);

    const used = [...shares.keys()].sort((a, b) => a - b).slice(0, this.needed);
    const inputs = used.map((shareNumber) => shares.get(shareNumber)!);
    const missing = range(0, this.needed).filter((shareNumber) => !shares.has(shareNumber));
    const restored = this.#multiply(this.#decodingMatrix(used, missing), inputs, missing.length, sizeBytes);
    return range(0, this.needed).map((shareNumber) => shares.get(shareNumber) ?? restored.shift()!);
  }

  /** `count` new blocks: the product of a matrix of as many rows and `inputs`. */
  #multiply(
    matrix: Uint8Array,
    inputs: readonly Uint8Array[],
    count: number,
    sizeBytes: number,
  ): Uint8Array[] {
    const outputs = Array.from({ length: count }, () => uninitialisedBlock(sizeBytes));
    if (count > 0 && sizeBytes > 0) this.#product(matrix, inputs, outputs);
    return outputs;
  }

  #encodingMatrix(shareNumbers: readonly number[]): Uint8Array {
    const { needed, total } = this;
    this.#checkRows ??= interpolationMatrix(range(0, needed), range(needed, total));
    const matrix = new Uint8Array(shareNumbers.length * needed);
    for (const [row, shareNumber] of shareNumbers.entries()) {
      const from = (shareNumber - needed) * needed;
      matrix.set(this.#checkRows.subarray(from, from + needed), row * needed);
    }
    return matrix;
  }

  #decodingMatrix(used: readonly number[], missing: readonly number[]): Uint8Array {
    const key = used.join();
    let matrix = this.#decodingMatrices.get(key);
    if (matrix === undefined) {
      matrix = interpolationMatrix(used, missing);
      this.#decodingMatrices.set(key, matrix);
    }
    return matrix;
  }

  #checkShareNumber(shareNumber: number): void {
    if (!Number.isInteger(shareNumber) || shareNumber < 0 || shareNumber >= this.total) {
      throw new RangeError(`Share numbers are 0 to ${this.total - 1}, not ${shareNumber}.`);
    }
  }
}

/** The length all `blocks` have. */
function commonSizeBytes(blocks: readonly Uint8Array[]): number {
  for (const block of blocks) {
    if (!(block instanceof Uint8Array)) throw new TypeError('Each block must be a Uint8Array.');
    if (block.length !== blocks[0]!.length) {
      throw new RangeError(
        `All blocks must be of one length, not ${blocks[0]!.length} and ${block.length} bytes.`,
      );
    }
  }
  return blocks[0]?.length ?? 0;
}

/** A block to be overwritten in full: zeroing it first would add a tenth to the time of encoding. */
function uninitialisedBlock(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}

/** from, from + 1 … to − 1. */
function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
