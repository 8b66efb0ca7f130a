import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundUp, SEGMENTS_MAX, Segmentation, segmentSizeFor } from '../../src/tahoe/segments.ts';

describe('segment size', () => {
  it.each([
    [3_500_000, 3, 1048576, 1048578],
    [1000, 3, 1048576, 1002],
    [999, 3, 1048576, 999],
    [1, 101, 131072, 101],
    [131072, 1, 131072, 131072],
    [0, 3, 131072, 0],
  ])('of %i bytes with %i needed and at most %i is %i', (sizeBytes, needed, maximum, expected) => {
    expect(segmentSizeFor(sizeBytes, needed, maximum)).toBe(expected);
  });

  it('does not change when it is computed from itself', () => {
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.integer({ min: 1, max: 256 }),
        fc.integer({ min: 1, max: 10_000 }),
        (...given) => {
          const [sizeBytes, needed, maximum] = given;
          const once = segmentSizeFor(sizeBytes, needed, maximum);
          expect(segmentSizeFor(sizeBytes, needed, once)).toBe(once);
        },
      ),
    );
  });
});

describe('segmentation', () => {
  it('cuts an empty file in no segments', () => {
    expect(new Segmentation(0, 3, 0)).toMatchObject({ segmentCount: 0, tailSizeBytes: 0, dataSizeBytes: 0 });
  });

  it('pads the only segment of a small file', () => {
    expect(new Segmentation(1000, 3, 1002)).toMatchObject({
      segmentCount: 1,
      tailSizeBytes: 1000,
      paddedTailSizeBytes: 1002,
      tailBlockSizeBytes: 334,
      dataSizeBytes: 334,
    });
  });

  it('has a full tail when the file is an exact multiple', () => {
    expect(new Segmentation(3006, 3, 1002)).toMatchObject({
      segmentCount: 3,
      tailSizeBytes: 1002,
      paddedTailSizeBytes: 1002,
      tailBlockSizeBytes: 334,
    });
    expect(new Segmentation(3007, 3, 1002)).toMatchObject({
      segmentCount: 4,
      tailSizeBytes: 1,
      paddedTailSizeBytes: 3,
      tailBlockSizeBytes: 1,
    });
  });

  it('covers the file without a gap, and the blocks cover the segments', () => {
    const sizes = fc.tuple(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 900 }),
    );
    fc.assert(
      fc.property(sizes, ([sizeBytes, needed, maximum]) => {
        const cut = new Segmentation(sizeBytes, needed, segmentSizeFor(sizeBytes, needed, maximum));
        let at = 0;
        let blockAt = 0;
        for (let segment = 0; segment < cut.segmentCount; segment++) {
          expect(cut.offsetOf(segment)).toBe(at);
          expect(cut.blockOffsetOf(segment)).toBe(blockAt);
          const padding = needed * cut.blockSizeOf(segment) - cut.segmentSizeOf(segment);
          expect(padding).toBeGreaterThanOrEqual(0);
          expect(padding).toBeLessThan(needed);
          expect(cut.segmentSizeOf(segment)).toBeGreaterThan(0);
          at += cut.segmentSizeOf(segment);
          blockAt += cut.blockSizeOf(segment);
        }
        expect(at).toBe(sizeBytes);
        expect(blockAt).toBe(cut.dataSizeBytes);
      }),
    );
  });

  it('stays exact up to 2^53', () => {
    const sizeBytes = Number.MAX_SAFE_INTEGER;
    expect(roundUp(sizeBytes - 255, 256)).toBe(2 ** 53 - 256);
    const cut = new Segmentation(sizeBytes, 256, 2 ** 20);
    expect(BigInt(cut.segmentCount)).toBe((BigInt(sizeBytes) + 2n ** 20n - 1n) / 2n ** 20n);
    expect(cut.offsetOf(cut.segmentCount - 1) + cut.tailSizeBytes).toBe(sizeBytes);
  });

  it.each([
    [-1, 3, 3],
    [1.5, 3, 3],
    [Number.NaN, 3, 3],
    [2 ** 53, 3, 3],
    [10, 0, 3],
    [10, 3, 4],
    [10, 3, 0],
    [SEGMENTS_MAX + 1, 1, 1],
  ])(
    'refuses impossible numbers: %d bytes, %d needed, segments of %d',
    (sizeBytes, needed, segmentSizeBytes) => {
      expect(() => new Segmentation(sizeBytes, needed, segmentSizeBytes)).toThrow(RangeError);
    },
  );

  it.each([-1, 4, 0.5, Number.NaN])('has no segment %d', (segment) => {
    const cut = new Segmentation(3007, 3, 1002);
    expect(() => cut.segmentSizeOf(segment)).toThrow(RangeError);
    expect(() => cut.blockSizeOf(segment)).toThrow(RangeError);
    expect(() => cut.offsetOf(segment)).toThrow(RangeError);
    expect(() => cut.blockOffsetOf(segment)).toThrow(RangeError);
  });
});
