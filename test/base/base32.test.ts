import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base32Decode, base32Encode } from '../../src/base/base32.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('base32', () => {
  it.each([
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ])('writes the vectors of RFC 4648, lower case and unpadded: %j', (plain, encoded) => {
    expect(base32Encode(text(plain))).toBe(encoded);
    expect(base32Decode(encoded)).toEqual(text(plain));
  });

  it('gives back any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(base32Decode(base32Encode(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(['a', 'aaa', 'aaaaaa'])('refuses a length that no bytes have: %s', (encoded) => {
    expect(base32Decode(encoded)).toBeUndefined();
  });

  it.each(['MY', 'm1', 'my==', 'm y', 'mý', 'my\n'])('refuses other letters: %j', (encoded) => {
    expect(base32Decode(encoded)).toBeUndefined();
  });

  it('reads only what it would write: no second text for the same bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'abz27'), maxLength: 16 }), (encoded) => {
        const bytes = base32Decode(encoded);
        if (bytes !== undefined) expect(base32Encode(bytes)).toBe(encoded);
      }),
    );
    expect(base32Decode('mz')).toBeUndefined();
  });
});
