// Variable-length integers of RFC 9000, section 16, limited to what a JavaScript number holds exactly.

/** Largest value that may be encoded: 2^53 − 1. */
export const VARINT_MAX: number = Number.MAX_SAFE_INTEGER;

const TWO_32 = 2 ** 32;

/** Bytes that `value` takes: 1, 2, 4 or 8. */
export function varintBytes(value: number): number {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x40000000 ? 4 : 8;
}

/** Writes `value` (an integer 0…2^53−1) at `at`; returns the offset behind it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  if (value < 0x40) {
    target[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    target[at] = 0x40 | (value >>> 8);
    target[at + 1] = value;
    return at + 2;
  }
  if (value < 0x40000000) {
    target[at] = 0x80 | (value >>> 24);
    target[at + 1] = value >>> 16;
    target[at + 2] = value >>> 8;
    target[at + 3] = value;
    return at + 4;
  }
  writeUint64(target, at, value);
  target[at] = target[at]! | 0xc0;
  return at + 8;
}

/** Writes `value` (0…2^53−1) as eight big-endian bytes; returns the offset behind it. */
export function writeUint64(target: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / TWO_32);
  target[at] = high >>> 24;
  target[at + 1] = high >>> 16;
  target[at + 2] = high >>> 8;
  target[at + 3] = high;
  target[at + 4] = value >>> 24;
  target[at + 5] = value >>> 16;
  target[at + 6] = value >>> 8;
  target[at + 7] = value;
  return at + 8;
}

/** Reads eight big-endian bytes; −1 when they are not there or the number is above 2^53 − 1. */
export function readUint64(bytes: Uint8Array, at: number): number {
  if (at + 8 > bytes.length) return -1;
  const high = bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
  // P-11
  if (high >= 0x200000) return -1;
  return high * TWO_32 + readUint32(bytes, at + 4);
}

/**
 * A position in received bytes. Reading past the end, or a number above 2^53 − 1, sets `failed` and gives 0:
 * one check at the end of a frame is enough, and nothing throws.
 */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  failed = false;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  byte(): number {
    if (this.at >= this.bytes.length) return this.#fail();
    return this.bytes[this.at++]!;
  }

  varint(): number {
    const { bytes, at } = this;
    if (at >= bytes.length) return this.#fail();
    const first = bytes[at]!;
    const size = 1 << (first >>> 6);
    if (at + size > bytes.length) return this.#fail();
    this.at = at + size;
    switch (size) {
      case 1:
        return first;
      case 2:
        return ((first & 0x3f) << 8) | bytes[at + 1]!;
      case 4:
        return (first & 0x3f) * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
      default: {
        const high =
          (first & 0x3f) * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
        if (high >= 0x200000) return this.#fail();
        return high * TWO_32 + readUint32(bytes, at + 4);
      }
    }
  }

  uint64(): number {
    const value = readUint64(this.bytes, this.at);
    if (value < 0) return this.#fail();
    this.at += 8;
    return value;
  }

  /** A view, not a copy. */
  take(count: number): Uint8Array {
    if (this.at + count > this.bytes.length) {
      this.#fail();
      return EMPTY;
    }
    const view = this.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return view;
  }

  #fail(): 0 {
    this.failed = true;
    this.at = this.bytes.length;
    return 0;
  }
}

const EMPTY = new Uint8Array(0);

function readUint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
