import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChkEncoder } from '../../src/grid/encode.ts';
import { layoutShare } from '../../src/tahoe/share-layout.ts';
import { decodeFile, encodeFile, openShare, sample, segmentOf, sha256Hex } from './shares.ts';

const key = Uint8Array.from({ length: 16 }, (_, index) => index);
const plaintext = sample(5000, Buffer.from('0123456789abc'));
const options = { key, needed: 3, total: 7, segmentSizeBytes: 1000 };

/** Sizes around the boundaries of segments and of k, any k of n. */
const shapes = fc
  .record({
    needed: fc.integer({ min: 1, max: 12 }),
    spare: fc.nat(6),
    segmentSizeBytes: fc.integer({ min: 1, max: 300 }),
    sizeBytes: fc.integer({ min: 1, max: 1200 }),
    seed: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  })
  .filter(({ sizeBytes, segmentSizeBytes }) => sizeBytes / segmentSizeBytes < 60);

describe('an encoded file', () => {
  it('comes back from any k of its shares', () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.nat()), (shape, order) => {
        const { needed, spare, segmentSizeBytes, sizeBytes, seed } = shape;
        const text = sample(sizeBytes, seed);
        const total = needed + spare;
        const { shares, capability } = encodeFile(text, { key, needed, total, segmentSizeBytes });
        const chosen = [...shares.entries()]
          .map(([number, share]) => ({ number, share, rank: order.next().value as number }))
          .sort((a, b) => a.rank - b.rank)
          .slice(0, needed);
        const back = decodeFile(new Map(chosen.map(({ number, share }) => [number, share])), capability);
        expect(Buffer.compare(back, text)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('has shares without a gap, of the size announced, with a chain in ascending order', () => {
    const { encoder, shares, capability } = encodeFile(plaintext, options);
    expect(encoder.segmentCount).toBe(5);
    let at = encoder.layout.dataOffset;
    for (let segment = 0; segment < encoder.segmentCount; segment++) {
      expect(encoder.blockOffsetOf(segment)).toBe(at);
      at += encoder.blockSizeOf(segment);
    }
    expect(at).toBe(encoder.layout.plaintextTreeOffset);
    for (const [number, share] of shares.entries()) {
      const { layout, chain, uriExtension } = openShare(share, capability);
      expect(layout).toEqual(layoutShare(uriExtension.segmentation, 7));
      expect([...chain.keys()]).toEqual([...chain.keys()].sort((a, b) => a - b));
      expect(chain.has(7 + number)).toBe(true);
    }
  });

  it('has zeros where the plaintext tree was', () => {
    const { encoder, shares } = encodeFile(plaintext, options);
    const { plaintextTreeOffset, crypttextTreeOffset } = encoder.layout;
    const part = shares[2]!.subarray(plaintextTreeOffset, crypttextTreeOffset);
    expect(part.length).toBe(15 * 32);
    expect(part.every((byte) => byte === 0)).toBe(true);
  });
});

describe('the encoder', () => {
  it('gives any block again, in any order, also before the rest was encoded', () => {
    const { encoder, shares } = encodeFile(plaintext, options);
    const early = new ChkEncoder({ ...options, sizeBytes: plaintext.length });
    for (const segment of [4, 0, 2]) {
      for (const wanted of [[6, 0, 3], [5], []]) {
        for (const source of [encoder, early]) {
          const again = source.encodeBlocksAgain(segment, segmentOf(plaintext, source, segment), wanted);
          const from = source.blockOffsetOf(segment);
          const expected = wanted.map((number) =>
            shares[number]!.subarray(from, from + source.blockSizeOf(segment)),
          );
          expect(again.map(sha256Hex)).toEqual(expected.map(sha256Hex));
        }
      }
    }
  });

  it('is not disturbed by encoding blocks again', () => {
    const encoder = new ChkEncoder({ ...options, sizeBytes: plaintext.length });
    for (let segment = 0; segment < encoder.segmentCount; segment++) {
      encoder.encodeSegment(segment, segmentOf(plaintext, encoder, segment));
      encoder.encodeBlocksAgain(0, segmentOf(plaintext, encoder, 0), [1]);
    }
    expect(encoder.finish().capabilityWith(options.key)).toEqual(encodeFile(plaintext, options).capability);
  });

  it('gives no block again of a plaintext that has changed since', () => {
    const { encoder } = encodeFile(plaintext, options);
    const changed = segmentOf(plaintext, encoder, 2).slice();
    changed[7]! ^= 1;
    expect(() => encoder.encodeBlocksAgain(2, changed, [0])).toThrow(
      expect.objectContaining({ code: 'SOURCE_DIFFERS' }),
    );
  });

  it('leaves the plaintext as it was', () => {
    const given = plaintext.slice();
    encodeFile(given, options);
    expect(given).toEqual(plaintext);
  });

  it('refuses segments out of order, of another size, and an early finish', () => {
    const encoder = new ChkEncoder({ ...options, sizeBytes: plaintext.length });
    const first = segmentOf(plaintext, encoder, 0);
    expect(() => encoder.encodeSegment(1, first)).toThrow(/segment 1 where 0 is due/);
    expect(() => encoder.encodeSegment(0, first.subarray(1))).toThrow(/1001 bytes instead of 1002/);
    expect(() => encoder.finish()).toThrow(/segment 0 of 5/);
    encoder.encodeSegment(0, first);
    expect(() => encoder.encodeSegment(0, first)).toThrow(RangeError);
    expect(() => encoder.encodeBlocksAgain(5, first, [0])).toThrow(RangeError);
  });

  it.each([
    [0, 10, 100],
    [4, 3, 100],
    [3, 257, 100],
    [3, 10, 0],
    [Number.NaN, 10, 100],
    [1.5, 10, 100],
  ])('refuses %d of %d shares of %d bytes', (needed, total, sizeBytes) => {
    expect(() => new ChkEncoder({ ...options, needed, total, sizeBytes })).toThrow(RangeError);
  });

  it('lays out a file larger than 4 GiB per share in version 2', () => {
    const encoder = new ChkEncoder({
      key,
      sizeBytes: 2 ** 34,
      needed: 3,
      total: 10,
      segmentSizeBytes: 2 ** 20,
    });
    expect(encoder.layout.version).toBe(2);
    expect(encoder.shareSizeBytes).toBeGreaterThan(2 ** 32);
    expect(encoder.blockOffsetOf(encoder.segmentCount - 1)).toBeLessThan(encoder.layout.plaintextTreeOffset);
  });
});
