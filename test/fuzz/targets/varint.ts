// Numbers: whatever is read is a whole number up to 2^53 - 1, and written again it is read as the same.

import { Reader, varintBytes, writeVarint } from '../../../src/wire/varint.ts';
import { assert, type FuzzTarget, hex } from '../target.ts';

const written = new Uint8Array(8);

export const target: FuzzTarget = {
  maxBytes: 64,
  covers: ['wire/varint.ts'],
  seeds: [hex('25'), hex('7bbd'), hex('9d7f3e7d'), hex('c2197c5eff14e88c'), hex('c01fffffffffffff')],
  run(input) {
    const reader = new Reader(input);
    while (!reader.atEnd) {
      const value = reader.varint();
      if (reader.failed) return;
      assert(Number.isSafeInteger(value) && value >= 0, 'a number is a whole one');
      const end = writeVarint(written, 0, value);
      assert(end === varintBytes(value), 'a number has the size that was said');
      const again = new Reader(written.subarray(0, end));
      assert(again.varint() === value && again.atEnd && !again.failed, 'a number is read as it was written');
    }
  },
};
