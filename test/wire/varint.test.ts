import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Reader,
  readUint64,
  VARINT_MAX,
  varintBytes,
  writeUint64,
  writeVarint,
} from '../../src/wire/varint.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

const exact = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(70_000),
  fc.constantFrom(63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32 - 1, 2 ** 32, VARINT_MAX),
);

describe('variable-length integers', () => {
  test.each(vectors.varints.good)('$value is $hex, both ways', ({ value, hex }) => {
    const target = new Uint8Array(8);
    const end = writeVarint(target, 0, value);
    expect(toHex(target.subarray(0, end))).toBe(hex);
    expect(varintBytes(value)).toBe(end);
    expect(new Reader(fromHex(hex)).varint()).toBe(value);
  });

  test.each(vectors.varints.read)('$hex is read as $value', ({ value, hex }) => {
    const reader = new Reader(fromHex(hex));
    expect(reader.varint()).toBe(value);
    expect(reader.failed).toBe(false);
    expect(reader.atEnd).toBe(true);
  });

  // P-11
  test.each(vectors.varints.malformed)('$name is refused', ({ hex }) => {
    const reader = new Reader(fromHex(hex));
    expect(reader.varint()).toBe(0);
    expect(reader.failed).toBe(true);
    expect(reader.atEnd).toBe(true);
  });

  test('every number comes back, at any place, and touches nothing beside it', () => {
    fc.assert(
      fc.property(exact, fc.nat(5), (value, at) => {
        const target = new Uint8Array(16).fill(0xee);
        const end = writeVarint(target, at, value);
        expect(end - at).toBe(varintBytes(value));
        expect(target.subarray(0, at).every((byte) => byte === 0xee)).toBe(true);
        expect(target.subarray(end).every((byte) => byte === 0xee)).toBe(true);
        const reader = new Reader(target, at);
        expect(reader.varint()).toBe(value);
        expect(reader.at).toBe(end);
      }),
    );
  });
});

describe('eight-byte integers', () => {
  test('every number comes back', () => {
    fc.assert(
      fc.property(exact, (value) => {
        const target = new Uint8Array(8);
        expect(writeUint64(target, 0, value)).toBe(8);
        expect(Buffer.from(target).readBigUInt64BE()).toBe(BigInt(value));
        expect(readUint64(target, 0)).toBe(value);
        expect(new Reader(target).uint64()).toBe(value);
      }),
    );
  });

  test('what a number cannot hold exactly is refused', () => {
    fc.assert(
      fc.property(fc.bigInt(2n ** 53n, 2n ** 64n - 1n), (value) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64BE(value);
        expect(readUint64(bytes, 0)).toBe(-1);
        const reader = new Reader(bytes);
        reader.uint64();
        expect(reader.failed).toBe(true);
      }),
    );
  });

  test('what is not there is refused', () => {
    expect(readUint64(new Uint8Array(8), 1)).toBe(-1);
    expect(readUint64(new Uint8Array(0), 0)).toBe(-1);
  });
});

describe('Reader', () => {
  test('takes a view, not a copy', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const reader = new Reader(bytes, 1);
    const view = reader.take(2);
    bytes[1] = 9;
    expect([...view]).toEqual([9, 3]);
    expect(reader.byte()).toBe(4);
    expect(reader.failed).toBe(false);
  });

  test('once failed it stays at the end and gives zeros', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3));
    expect(reader.take(4)).toHaveLength(0);
    expect(reader.failed).toBe(true);
    expect(reader.byte()).toBe(0);
    expect(reader.varint()).toBe(0);
    expect(reader.uint64()).toBe(0);
    expect(reader.take(1)).toHaveLength(0);
  });
});
