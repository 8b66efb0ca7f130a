import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/tahoe/format-error.ts';
import { Segmentation, segmentSizeFor } from '../../src/tahoe/segments.ts';
import {
  encodeUriExtension,
  parseUriExtension,
  URI_EXTENSION_SIZE_BYTES_MAX,
  type UriExtension,
  uriExtensionHash,
} from '../../src/tahoe/uri-extension.ts';

const hash = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

const extension: UriExtension = {
  segmentation: new Segmentation(3_500_000, 3, 1_048_578),
  total: 5,
  crypttextHash: hash(0x61),
  crypttextRootHash: hash(0x62),
  shareRootHash: hash(0x63),
};

const TEXT =
  'codec_name:3:crs,codec_params:11:1048578-3-5,' +
  `crypttext_hash:32:${'a'.repeat(32)},crypttext_root_hash:32:${'b'.repeat(32)},` +
  'needed_shares:1:3,num_segments:1:4,segment_size:7:1048578,' +
  `share_root_hash:32:${'c'.repeat(32)},size:7:3500000,tail_codec_params:10:354267-3-5,total_shares:1:5,`;

/** Reads a block for a capability that was made for it, as a hostile uploader would make one. */
function parseAs(text: string, numbers: Partial<typeof file> = {}): UriExtension {
  const bytes = latin1(text);
  return parseUriExtension(bytes, { ...file, ...numbers, uebHash: uriExtensionHash(bytes) });
}
const file = { needed: 3, total: 5, sizeBytes: 3_500_000 };

describe('the URI extension block', () => {
  it('is written with sorted keys and netstrings', () => {
    expect(encodeUriExtension(extension)).toEqual(latin1(TEXT));
  });

  it('is read as it was written', () => {
    const shapes = fc.record({
      sizeBytes: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      needed: fc.integer({ min: 1, max: 256 }),
      maximum: fc.integer({ min: 2 ** 14, max: 2 ** 22 }),
    });
    fc.assert(
      fc.property(shapes, ({ sizeBytes, needed, maximum }) => {
        const segmentation = new Segmentation(sizeBytes, needed, segmentSizeFor(sizeBytes, needed, maximum));
        const written: UriExtension = { ...extension, segmentation, total: 256 };
        const bytes = encodeUriExtension(written);
        const capability = { needed, total: 256, sizeBytes, uebHash: uriExtensionHash(bytes) };
        expect(parseUriExtension(bytes, capability)).toEqual({ ...written, bytes });
      }),
    );
  });

  it('may leave out what follows from the rest, and may have fields that nobody knows', () => {
    const text =
      `crypttext_root_hash:32:${'b'.repeat(32)},zebra:2::,,segment_size:7:1048578,` +
      `share_root_hash:32:${'c'.repeat(32)},`;
    expect(parseAs(text)).toEqual({ ...extension, crypttextHash: undefined, bytes: latin1(text) });
  });

  it('is refused unless its hash is the one in the capability', () => {
    const bytes = latin1(TEXT);
    const capability = { ...file, uebHash: uriExtensionHash(bytes) };
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = bytes.slice();
        damaged[at]! ^= change;
        expect(() => parseUriExtension(damaged, capability)).toThrow(/hash is not the one in the capability/);
      }),
    );
    expect(() => parseUriExtension(bytes.subarray(1), capability)).toThrow(FormatError);
  });

  it.each([
    ['codec_name:3:crs', 'codec_name:3:rot', 'codec_name'],
    ['codec_params:11:1048578-3-5', 'codec_params:11:1048578-3-6', 'codec_params'],
    ['tail_codec_params:10:354267-3-5', 'tail_codec_params:10:354264-3-5', 'tail_codec_params'],
    ['needed_shares:1:3', 'needed_shares:1:2', 'needed_shares'],
    ['needed_shares:1:3', 'needed_shares:2:03', 'needed_shares'],
    ['num_segments:1:4', 'num_segments:1:5', 'num_segments'],
    ['segment_size:7:1048578', 'segment_size:7:1048577', 'segment_size'],
    ['segment_size:7:1048578', 'segment_size:7:1048575', 'codec_params'],
    ['segment_size:7:1048578', 'segment_size:1:0', 'segment_size'],
    ['segment_size:7:1048578', 'segment_size:2:-3', 'segment_size'],
    ['segment_size:7:1048578', 'segment_size:0:', 'segment_size'],
    ['segment_size:7:1048578', 'segment_size:15:300000000000000', 'segment_size'],
    ['segment_size:7:1048578', 'segment_size:22:1000000000000000000000', 'segment_size'],
    ['segment_size:7:1048578,', '', 'segment_size'],
    ['size:7:3500000', 'size:7:3500001', 'size'],
    ['total_shares:1:5', 'total_shares:1:6', 'total_shares'],
    ['crypttext_root_hash:32:', 'crypttext_root_hash:31:', 'no field'],
    [`crypttext_root_hash:32:${'b'.repeat(32)}`, 'crypttext_root_hash:1:b', 'crypttext_root_hash'],
    [`share_root_hash:32:${'c'.repeat(32)},`, '', 'share_root_hash'],
    [`crypttext_hash:32:${'a'.repeat(32)}`, 'crypttext_hash:1:a', 'crypttext_hash'],
    ['total_shares:1:5,', 'total_shares:1:5,total_shares:1:5,', 'twice'],
    ['total_shares:1:5,', 'total_shares:1:5', 'no field'],
    ['codec_name', ':codec_name', 'no field'],
  ])('is refused with %s turned to %j, although its hash fits', (from, to, says) => {
    expect(TEXT).toContain(from);
    expect(() => parseAs(TEXT.replace(from, to))).toThrow(FormatError);
    expect(() => parseAs(TEXT.replace(from, to))).toThrow(says);
  });

  it('is refused when the capability says otherwise: that was altered, not the share', () => {
    for (const altered of [{ sizeBytes: 3_500_001 }, { needed: 1 }, { total: 6 }]) {
      expect(() => parseAs(TEXT, altered)).toThrow(expect.objectContaining({ code: 'OTHER_CAPABILITY' }));
    }
  });

  it('is refused when it makes more segments than can be counted', () => {
    const text = `crypttext_root_hash:32:${'b'.repeat(32)},segment_size:1:3,share_root_hash:32:${'c'.repeat(32)},`;
    expect(() => parseAs(text, { sizeBytes: Number.MAX_SAFE_INTEGER })).toThrow(FormatError);
  });

  it('is refused when it is too long', () => {
    const long = `${TEXT}filler:5000:${'x'.repeat(5000)},`;
    expect(long.length).toBeGreaterThan(URI_EXTENSION_SIZE_BYTES_MAX);
    expect(() => parseAs(long)).toThrow(FormatError);
  });

  it('of any bytes is refused with a FormatError or is consistent, whatever the capability says of them', () => {
    const pieces = fc.constantFrom(
      'size:',
      'segment_size:',
      '1:3,',
      '7:1048578,',
      '32:',
      'x'.repeat(32),
      ',',
      ':',
    );
    const texts = fc.oneof(
      fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join('')),
      fc.tuple(fc.nat(TEXT.length), fc.nat(TEXT.length), pieces).map(([from, length, piece]) => {
        return TEXT.slice(0, from) + piece + TEXT.slice(from + (length % 4));
      }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          expect(parseAs(text).segmentation.segmentSizeBytes % file.needed).toBe(0);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
