import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, faultOfCbor } from '../../src/base/cbor-check.ts';

const cbor = new Encoder({ useRecords: false, tagUint8Array: false });

function hex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** A byte string's head for `size` bytes, behind `prefix`. */
function bytesOf(prefix: string, size: number, there = size): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = 0x5a;
  head.writeUInt32BE(size, 1);
  return Buffer.concat([hex(prefix), head, Buffer.alloc(there, 0xff)]);
}

describe('plain values are let through', () => {
  test.each([
    ['numbers', [0, 23, 24, 255, 256, 65_536, 2 ** 32, 2 ** 53 - 1, -1, -500, 1.5, NaN, Infinity]],
    ['big integers', [2n ** 53n, 2n ** 64n, -(2n ** 200n)]],
    ['simple values', [true, false, null, undefined]],
    ['texts and bytes', ['', 'ü', 'x'.repeat(70_000), new Uint8Array(70_000)]],
    ['containers', { a: [1, { b: [] }], c: new Map([[1, {}]]), d: new Set([1, 2]) }],
    ['dates and typed arrays', [new Date(0), new Float64Array(3), new Uint16Array(2)]],
  ])('%s', (_what, value) => {
    expect(faultOfCbor(cbor.encode(value))).toBeUndefined();
  });

  test('whatever JSON holds', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => faultOfCbor(cbor.encode(value)) === undefined));
  });

  test('as deep and as many as allowed, and not one more', () => {
    const deep = (levels: number): Uint8Array => Buffer.concat([Buffer.alloc(levels, 0x81), hex('00')]);
    expect(faultOfCbor(deep(CBOR_DEPTH_MAX))).toBeUndefined();
    expect(faultOfCbor(deep(CBOR_DEPTH_MAX + 1))).toBe('more than 64 levels');
    expect(faultOfCbor(deep(1_000_000))).toBe('more than 64 levels');
    const many = (count: number): Uint8Array => {
      const body = Buffer.alloc(5 + count, 0x80);
      body[0] = 0x9a;
      body.writeUInt32BE(count, 1);
      return body;
    };
    expect(faultOfCbor(many(CBOR_ITEMS_MAX - 1))).toBeUndefined();
    expect(faultOfCbor(many(CBOR_ITEMS_MAX))).toBe('more than 1000000 items');
  });
});

describe('refused without being decoded', () => {
  test.each([
    ['nothing', '', 'it ends too early'],
    ['a head that is cut off', '1b 00', 'it ends too early'],
    ['an array that claims more than there is', '9b 001f ffff ffff ffff 00', 'it ends too early'],
    ['a map that claims more than there is', 'ba ffff ffff', 'it ends too early'],
    ['a text that claims more than there is', '7b 7fff ffff ffff ffff', 'it ends too early'],
    ['a map without its last value', 'a1 01', 'it ends too early'],
    ['a tag of nothing', 'c1', 'it ends too early'],
    ['two items', '01 02', 'more bytes after the end'],
    ['an array of indefinite length', '9f 01 ff', 'an item of indefinite length, or of none'],
    ['a text of indefinite length', '7f 61 61 ff', 'an item of indefinite length, or of none'],
    ['a break that ends nothing', 'ff', 'an item of indefinite length, or of none'],
    ['a reserved head', '1c', 'an item of indefinite length, or of none'],
    ['a text as a date', 'c0 61 61', 'the tag 0'],
    ['a regular expression', 'd8 1b 82 66 526567457870 61 61', 'the tag 27'],
    ['a value that contains itself', 'd8 1c 81 d8 1d 00', 'the tag 28'],
    ['a packed table', 'd8 33 82 80 80', 'the tag 51'],
    ['a record', 'd9 dfff 84 19 e000 81 61 61 00 01', 'the tag 57343'],
    ['a tag beyond 2^53', 'db ffff ffff ffff ffff 00', 'the tag 18446744073709552000'],
    ['a big integer made of an array', 'c2 80', 'a big integer that is not made of bytes'],
    ['a big integer behind two tags', 'c2 c2 41 01', 'a big integer that is not made of bytes'],
  ])('%s', (_what, text, fault) => {
    expect(faultOfCbor(hex(text))).toBe(fault);
  });

  test('an integer over whose bytes a decoder would spend hours', () => {
    expect(faultOfCbor(bytesOf('c2', 64))).toBeUndefined();
    expect(faultOfCbor(bytesOf('c2', 65))).toBe('an integer that is too large');
    expect(faultOfCbor(bytesOf('c3', 10_000_000))).toBe('an integer that is too large');
    expect(faultOfCbor(bytesOf('', 10_000_000))).toBeUndefined();
    expect(faultOfCbor(bytesOf('', 10_000_000, 9_999_999))).toBe('it ends too early');
  });

  test('whatever the bytes: an answer, and what is let through the decoder takes or refuses at once', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        if (faultOfCbor(bytes) !== undefined) return;
        try {
          cbor.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
