// What is fuzzed: a function over bytes that must not throw, hang or keep memory, whatever the bytes are. What it is
// given, how often, and what becomes of its coverage is for engine.ts.

import type { Random } from '../../src/base/random.ts';

/** One thing that reads bytes of strangers. A module in targets/ has one as `target`. */
export interface FuzzTarget {
  /** Inputs are no longer than this. */
  readonly maxBytes: number;
  /** Files under `src/` whose coverage is the measure; a name that ends in `/` is all that is loaded of a room. */
  readonly covers: readonly string[];
  /** Valid inputs to begin with. */
  readonly seeds: readonly Uint8Array[];
  /** Pieces worth putting into an input: keywords, magic numbers. */
  readonly dictionary?: readonly Uint8Array[];
  /**
   * Reads `input`, a view that is valid until it returns, or what it returns settles. Throws when a promise is broken; the
   * errors that the code under test promises for bad input are caught by it.
   */
  readonly run: (input: Uint8Array) => Promise<void> | undefined | void;
}

/** @throws Error when a promise is broken. */
export function assert(condition: boolean, promise: string): asserts condition {
  if (!condition) throw new Error(`broken: ${promise}`);
}

/** Bytes of a text; for seeds and dictionaries. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** Bytes of hex digits; blanks are skipped. */
export function hex(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
}

/** An input read as a script: bytes, and runs of bytes behind their length. Reading past the end gives zeros. */
export class Bytes {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  /** A copy. */
  run(): Uint8Array {
    const length = this.byte();
    const run = this.#bytes.slice(this.#at, this.#at + length);
    this.#at += length;
    return run;
  }
}

/** Randomness that is the same in each execution. */
export class CountingRandom implements Random {
  #count = 0;

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let count = ++this.#count;
    for (let at = length - 1; at >= 0 && count > 0; at--) {
      bytes[at] = count;
      count = Math.floor(count / 256);
    }
    return bytes;
  }

  float(): number {
    return 0.5;
  }
}
