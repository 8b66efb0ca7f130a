// The arithmetic of cutting a file in segments, and a segment in blocks. Numbers only; bytes are grid/'s.

/** Largest segment that new files get unless somebody asks for another. */
export const DEFAULT_SEGMENT_SIZE_BYTES: number = 1024 * 1024;

/**
 * Largest segment that is read. A segment is held in memory whole, so this bounds what a file made by
 * somebody else can make a reader allocate; Tahoe-LAFS writes 1 MiB, formerly 128 KiB.
 */
export const SEGMENT_SIZE_BYTES_MAX: number = 64 * 1024 * 1024;

/** Most segments of a file: with it every offset in a share stays below 2^53. */
export const SEGMENTS_MAX: number = 2 ** 40;

/** Most shares a file can have; a share is numbered in one byte of the erasure code's field. */
export const SHARES_MAX = 256;

/** `value` rounded up to a multiple of `factor`. */
export function roundUp(value: number, factor: number): number {
  return value + ((factor - (value % factor)) % factor); // exact, where a quotient would be rounded
}

/**
 * The segment size of a file: the maximum or, when it is smaller, the file, rounded up to a multiple of
 * `needed` so that full segments are cut without padding. Given its own result it returns it.
 */
export function segmentSizeFor(sizeBytes: number, needed: number, maximumBytes: number): number {
  return roundUp(Math.min(maximumBytes, sizeBytes), needed);
}

/** How one file is cut. All sizes in bytes, exact up to 2^53. */
export class Segmentation {
  readonly sizeBytes: number;
  /** Blocks that a segment is cut in: k. */
  readonly needed: number;
  /** Plaintext bytes of each segment but the last; a multiple of `needed`. */
  readonly segmentSizeBytes: number;
  /** 0 for an empty file. */
  readonly segmentCount: number;
  /** Plaintext bytes of the last segment: 1 to `segmentSizeBytes`; 0 for an empty file. */
  readonly tailSizeBytes: number;
  /** The last segment with the zeros that make it a multiple of `needed`. */
  readonly paddedTailSizeBytes: number;
  /** Bytes of a share's block of each segment but the last. */
  readonly blockSizeBytes: number;
  readonly tailBlockSizeBytes: number;

  /**
   * @param segmentSizeBytes as {@link segmentSizeFor} gives it.
   * @throws RangeError when the numbers are not whole, positive (size: not negative) and consistent.
   */
  constructor(sizeBytes: number, needed: number, segmentSizeBytes: number) {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new RangeError(`file size ${sizeBytes}`);
    if (!Number.isSafeInteger(needed) || needed < 1) throw new RangeError(`needed shares ${needed}`);
    if (!Number.isSafeInteger(segmentSizeBytes) || segmentSizeBytes < 0 || segmentSizeBytes % needed !== 0) {
      throw new RangeError(`segment size ${segmentSizeBytes} is no multiple of ${needed}`);
    }
    if (sizeBytes > 0 && segmentSizeBytes === 0) throw new RangeError('segment size 0');
    const segmentCount = sizeBytes === 0 ? 0 : roundUp(sizeBytes, segmentSizeBytes) / segmentSizeBytes;
    if (segmentCount > SEGMENTS_MAX) throw new RangeError(`${segmentCount} segments`);
    this.sizeBytes = sizeBytes;
    this.needed = needed;
    this.segmentSizeBytes = segmentSizeBytes;
    this.segmentCount = segmentCount;
    this.tailSizeBytes = sizeBytes === 0 ? 0 : sizeBytes - (segmentCount - 1) * segmentSizeBytes;
    this.paddedTailSizeBytes = roundUp(this.tailSizeBytes, needed);
    this.blockSizeBytes = segmentSizeBytes / needed;
    this.tailBlockSizeBytes = this.paddedTailSizeBytes / needed;
  }

  /** Bytes of all blocks of one share. */
  get dataSizeBytes(): number {
    return this.segmentCount === 0
      ? 0
      : (this.segmentCount - 1) * this.blockSizeBytes + this.tailBlockSizeBytes;
  }

  /** Where a segment begins in the file. */
  offsetOf(segment: number): number {
    return this.#checked(segment) * this.segmentSizeBytes;
  }

  /** Plaintext bytes of a segment. */
  segmentSizeOf(segment: number): number {
    return this.#checked(segment) === this.segmentCount - 1 ? this.tailSizeBytes : this.segmentSizeBytes;
  }

  /** Bytes of a share's block of a segment. */
  blockSizeOf(segment: number): number {
    return this.#checked(segment) === this.segmentCount - 1 ? this.tailBlockSizeBytes : this.blockSizeBytes;
  }

  /** Where a segment's block begins, counted from the first block of the share. */
  blockOffsetOf(segment: number): number {
    return this.#checked(segment) * this.blockSizeBytes;
  }

  #checked(segment: number): number {
    if (!Number.isInteger(segment) || segment < 0 || segment >= this.segmentCount) {
      throw new RangeError(`segment ${segment} of ${this.segmentCount}`);
    }
    return segment;
  }
}
