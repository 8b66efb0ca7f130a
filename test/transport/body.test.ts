import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBody, encodeBody, joinBody } from '../../src/transport/body.ts';

const cbor = new Encoder({ useRecords: false, tagUint8Array: false });

describe('bodies that are bytes', () => {
  const LENGTHS = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 100_000];

  test.each(LENGTHS)('of %i bytes are encoded as the encoder would, and read as what they were', (length) => {
    const bytes = Buffer.alloc(length, 0x5a);
    for (const given of [bytes, Uint8Array.from(bytes)]) {
      const encoded = joinBody(encodeBody(given));
      expect(bytes.equals(decodeBody(encoded) as Uint8Array)).toBe(true);
      expect(cbor.encode(given).equals(encoded)).toBe(true);
    }
  });

  test('are views of what came', () => {
    const encoded = joinBody(encodeBody(Buffer.from('abc')));
    encoded[1] = 'A'.charCodeAt(0);
    expect(Buffer.from(decodeBody(encoded) as Uint8Array).toString()).toBe('Abc');
  });

  test.each(LENGTHS)('of %i bytes are not taken when one is missing, or one too many', (length) => {
    const encoded = joinBody(encodeBody(new Uint8Array(length)));
    expect(() => decodeBody(Buffer.concat([encoded, Buffer.of(0)]))).toThrow('more bytes after the end');
    if (length > 0) expect(() => decodeBody(encoded.subarray(0, -1))).toThrow('it ends too early');
  });

  test('may have a longer head than they need, or be part of something else', () => {
    expect(decodeBody(Uint8Array.of(0x59, 0, 1, 7))).toEqual(Uint8Array.of(7));
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 }), (pieces) => {
        expect(decodeBody(joinBody(encodeBody(pieces)))).toEqual(pieces.map((piece) => Buffer.from(piece)));
      }),
    );
  });
});

test('a short body holds little memory, also when a long one was encoded before', () => {
  const long = Array<number>(100_000).fill(1);
  for (let i = 0; i < 3; i++) {
    const [encoded] = encodeBody(long);
    const short = Array.from({ length: 1000 }, () => encodeBody({ i }));
    expect(decodeBody(encoded!)).toEqual(long);
    for (const [body] of short) {
      expect(decodeBody(body!)).toEqual({ i });
      expect(body!.buffer.byteLength).toBeLessThanOrEqual(8192);
    }
  }
});

describe('long byte strings in a body', () => {
  const long = Buffer.alloc(5000, 0x5a);
  const BODIES = {
    alone: long,
    'between others': [1, long, 'text', new Uint8Array(3), [long], undefined, long],
    'in an array of many': [...Array<number>(300).fill(7), long],
    // biome-ignore lint/suspicious/noSparseArray: what a caller may give.
    'beside holes': [1, , long],
  };

  test.each(Object.entries(BODIES))('%s: are encoded as the encoder would', (_where, value) => {
    expect(cbor.encode(value).equals(joinBody(encodeBody(value)))).toBe(true);
  });

  test('are not copied', () => {
    expect(encodeBody(long)).toContain(long);
    expect(encodeBody(['to', long, 'and', long]).filter((part) => part === long)).toHaveLength(2);
  });

  test('joined, the body has memory of its own', () => {
    const given = Buffer.from(long);
    const joined = joinBody(encodeBody(given));
    given.fill(0);
    expect(long.equals(decodeBody(joined) as Uint8Array)).toBe(true);
  });
});
