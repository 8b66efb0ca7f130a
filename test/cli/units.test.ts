import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatRate,
  parseBase64,
  parseBytes,
  parseCount,
  quoteName,
} from '../../src/cli/units.ts';

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [1024 * 1024 - 1, '1.0 MiB'],
    [32 * 1024 * 1024, '32.0 MiB'],
    [100 * 1024 ** 3, '100 GiB'],
    [2 ** 53, '8.0 PiB'],
  ])('%d bytes are shown as %s', (sizeBytes, shown) => {
    expect(formatBytes(sizeBytes)).toBe(shown);
  });

  test.each([
    ['0', 0],
    ['131072', 131_072],
    ['128KiB', 131_072],
    ['128 KiB', 131_072],
    ['1M', 1_048_576],
    ['1mb', 1_048_576],
    ['2GiB', 2 ** 31],
    ['7B', 7],
  ])('%s is read as %d bytes', (text, sizeBytes) => {
    expect(parseBytes(text)).toBe(sizeBytes);
  });

  test.each(['', '-1', '1.5M', 'M', '1e3', '12 34', '1PiB', '9999999999999999', '0x10'])(
    '%j is no size',
    (text) => {
      expect(parseBytes(text)).toBeUndefined();
    },
  );
});

describe('durations and rates', () => {
  test.each([
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [59_900, '59.9 s'],
    [59_990, '1 min 00 s'],
    [75_000, '1 min 15 s'],
    [3_599_600, '1 h 00 min'],
    [7_380_000, '2 h 03 min'],
  ])('%d ms are shown as %s', (durationMs, shown) => {
    expect(formatDuration(durationMs)).toBe(shown);
  });

  test('a rate needs some time', () => {
    expect(formatRate(1024, 500)).toBe('2.0 KiB/s');
    expect(formatRate(1024, 0)).toBe('–');
  });
});

test.each([
  ['0', 0],
  ['10', 10],
  ['11', undefined],
  ['-1', undefined],
  ['1.0', undefined],
  [' 1', undefined],
  ['', undefined],
])('the count %j from 0 to 10 is %j', (text, value) => {
  expect(parseCount(text, 0, 10)).toBe(value);
});

describe('base64', () => {
  test('every byte string is read back, padded or not, in either alphabet', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const buffer = Buffer.from(bytes);
        for (const text of [
          buffer.toString('base64'),
          buffer.toString('base64').replaceAll('=', ''),
          buffer.toString('base64url'),
        ]) {
          expect(parseBase64(text)).toEqual(bytes);
        }
      }),
    );
  });

  test.each(['a', 'YW!h', 'YW Fh', 'YWFhYWF', 'ä'])('%j is refused instead of being read in part', (text) => {
    expect(parseBase64(text)).toBeUndefined();
  });
});

describe('names on a terminal', () => {
  test('a plain name is left alone', () => {
    expect(quoteName('folder/notes-2.txt')).toBe('folder/notes-2.txt');
  });

  test.each([
    ['two words', '"two words"'],
    ['', '""'],
    ['line\nbreak', '"line\\nbreak"'],
    ['\u001b[2J', '"\\u001b[2J"'],
    ['\u009b2J', '"\\u009b2J"'],
    ['a\u202eb', '"a\\u202eb"'],
    ['Grüße', '"Grüße"'],
  ])('%j is shown as %s', (name, shown) => {
    expect(quoteName(name)).toBe(shown);
  });
});
