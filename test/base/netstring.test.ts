import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { netstring, readNetstring } from '../../src/base/netstring.ts';

const latin1 = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, 'latin1'));

describe('netstring', () => {
  it('counts bytes, not letters', () => {
    expect(netstring('')).toEqual(latin1('0:,'));
    expect(netstring('abc')).toEqual(latin1('3:abc,'));
    expect(netstring('é')).toEqual(latin1('2:Ã©,'));
  });

  it('is read back, wherever it stands', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), fc.uint8Array(), (before, value, after) => {
        const bytes = Uint8Array.from([...before, ...netstring(value), ...after]);
        const read = readNetstring(bytes, before.length);
        expect(read?.value).toEqual(value);
        expect(read?.end).toBe(bytes.length - after.length);
      }),
    );
  });

  it.each([
    '',
    ':',
    ':,',
    '3',
    '3:',
    '3:ab,',
    '3:abc',
    '3:abc;',
    '03:abc,',
    '-1:,',
    '+1:a,',
    ' 1:a,',
    '1 :a,',
    '1.0:a,',
    '9999999999999999:a,',
    '4294967296:a,',
  ])('is not %j', (text) => {
    expect(readNetstring(latin1(text), 0)).toBeUndefined();
  });

  it('is not found behind the end', () => {
    expect(readNetstring(latin1('0:,'), 3)).toBeUndefined();
    expect(readNetstring(latin1('0:,'), 30)).toBeUndefined();
  });
});
