import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/tahoe/format-error.ts';
import { Segmentation, segmentSizeFor } from '../../src/tahoe/segments.ts';
import {
  encodeShareChain,
  encodeShareHeader,
  frameUriExtension,
  layoutShare,
  parseShareChain,
  parseShareHeader,
  type ShareLayout,
  shareSizeBytes,
  unframeUriExtension,
} from '../../src/tahoe/share-layout.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function layoutOf(sizeBytes: number, needed: number, total: number): ShareLayout {
  return layoutShare(new Segmentation(sizeBytes, needed, segmentSizeFor(sizeBytes, needed, MIB)), total);
}

describe('the layout of a share', () => {
  it('is the one that a Tahoe-LAFS client gave 3.5 MB in 3 of 5', () => {
    const layout = layoutOf(3_500_000, 3, 5);
    expect(layout).toEqual({
      version: 1,
      blockSizeBytes: 349_526,
      dataSizeBytes: 1_166_667,
      dataOffset: 36,
      plaintextTreeOffset: 1_166_703,
      crypttextTreeOffset: 1_166_927,
      blockTreeOffset: 1_167_151,
      shareChainOffset: 1_167_375,
      uriExtensionOffset: 1_167_511,
    });
    expect(shareSizeBytes(layout, 326)).toBe(1_167_841);
  });

  it('has a header of nine 32-bit numbers in version 1', () => {
    const header = Buffer.from(encodeShareHeader(layoutOf(1000, 3, 10)));
    const numbers = Array.from({ length: 9 }, (_, index) => header.readUInt32BE(4 * index));
    // One leaf: trees of one hash. A chain of 4 siblings and the own leaf, 34 bytes each.
    expect(numbers).toEqual([1, 334, 334, 0x24, 370, 402, 434, 466, 636]);
    expect(header).toHaveLength(0x24);
  });

  it('becomes version 2, with 64-bit numbers, when the last offset reaches 2^32', () => {
    // Size and last offset grow together: search for the first size that does not fit any more.
    const fits = (sizeBytes: number): boolean => layoutOf(sizeBytes, 1, 1).version === 1;
    let [below, above] = [GIB, 4 * GIB];
    while (above - below > 1) {
      const middle = Math.floor((below + above) / 2);
      if (fits(middle)) below = middle;
      else above = middle;
    }
    expect(layoutOf(below, 1, 1).uriExtensionOffset).toBe(2 ** 32 - 1);
    const layout = layoutOf(above, 1, 1);
    expect(layout.dataOffset).toBe(0x44);
    const header = Buffer.from(encodeShareHeader(layout));
    expect(header).toHaveLength(0x44);
    expect(header.readUInt32BE(0)).toBe(2);
    expect(header.readBigUInt64BE(4)).toBe(BigInt(MIB));
    expect(header.readBigUInt64BE(12)).toBe(BigInt(above));
    expect(header.readBigUInt64BE(20)).toBe(0x44n);
    expect(header.readBigUInt64BE(60)).toBe(BigInt(layout.uriExtensionOffset));
  });

  it('stays exact for a file of 2^53 bytes', () => {
    const layout = layoutOf(Number.MAX_SAFE_INTEGER, 256, 256);
    expect(Number.isSafeInteger(shareSizeBytes(layout, 400))).toBe(true);
    expect(parseShareHeader(encodeShareHeader(layout))).toEqual(layout);
  });
});

describe('the header of a share', () => {
  const sizes = fc.record({
    sizeBytes: fc.oneof(fc.integer({ min: 1, max: 10 * MIB }), fc.integer({ min: 1, max: 2 ** 52 })),
    needed: fc.integer({ min: 1, max: 256 }),
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(sizes, ({ sizeBytes, needed }) => {
        const layout = layoutOf(sizeBytes, needed, 256);
        expect(parseShareHeader(encodeShareHeader(layout), shareSizeBytes(layout, 300))).toEqual(layout);
      }),
    );
  });

  it('is refused when it is cut short, in either version', () => {
    for (const layout of [layoutOf(1000, 3, 10), layoutOf(20 * GIB, 3, 10)]) {
      const header = encodeShareHeader(layout);
      for (let length = 0; length < header.length; length++) {
        expect(() => parseShareHeader(header.subarray(0, length))).toThrow(FormatError);
      }
    }
  });

  it('is refused when the share ends before the last part begins', () => {
    const layout = layoutOf(1000, 3, 10);
    const header = encodeShareHeader(layout);
    expect(parseShareHeader(header, shareSizeBytes(layout, 0))).toEqual(layout);
    expect(() => parseShareHeader(header, shareSizeBytes(layout, 0) - 1)).toThrow(/beyond the end/);
  });

  it.each([0, 3, 0x01000000, 0xffffffff])('is refused with version %d', (version) => {
    const header = encodeShareHeader(layoutOf(1000, 3, 10));
    new DataView(header.buffer).setUint32(0, version);
    expect(() => parseShareHeader(header)).toThrow(`version ${version} is not known`);
  });

  it('of any bytes is refused with a FormatError, or its offsets are in order and inside the share', () => {
    const number = fc.oneof(
      fc.nat(2000),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.constant(2n ** 53n),
    );
    const headers = fc
      .tuple(fc.constantFrom(1, 2), fc.array(number, { minLength: 8, maxLength: 8 }))
      .map(([version, numbers]) => {
        const bytes = new Uint8Array(version === 1 ? 0x24 : 0x44);
        const view = new DataView(bytes.buffer);
        view.setUint32(0, version);
        for (const [index, value] of numbers.entries()) {
          if (version === 1) view.setUint32(4 + 4 * index, Number(BigInt(value) & 0xffffffffn));
          else view.setBigUint64(4 + 8 * index, BigInt(value));
        }
        return bytes;
      });
    const changed = fc.tuple(sizes, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([shape, at, change]) => {
      const header = encodeShareHeader(layoutOf(shape.sizeBytes, shape.needed, 256));
      header[at % header.length]! ^= change;
      return header;
    });
    fc.assert(
      fc.property(fc.oneof(headers, changed, fc.uint8Array()), fc.nat(10_000), (bytes, sizeBytes) => {
        for (const size of [sizeBytes, undefined]) {
          const layout = parsedOr(FormatError, () => parseShareHeader(bytes, size));
          if (layout === undefined) continue;
          const { version, blockSizeBytes, dataSizeBytes, ...offsets } = layout;
          const inOrder = Object.values(offsets);
          expect(inOrder.every(Number.isSafeInteger)).toBe(true);
          expect([...inOrder].sort((a, b) => a - b)).toEqual(inOrder);
          expect(inOrder[0]).toBeGreaterThanOrEqual(version === 1 ? 0x24 : 0x44);
          expect(inOrder.at(-1)).toBeLessThan(size ?? Number.MAX_SAFE_INTEGER);
          expect(blockSizeBytes).toBeLessThanOrEqual(dataSizeBytes);
          expect(dataSizeBytes).toBeLessThanOrEqual(layout.plaintextTreeOffset - layout.dataOffset);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the share hash chain', () => {
  const hash = (value: number): Uint8Array => new Uint8Array(32).fill(value);

  it('is 16-bit numbers, each with its hash, in the order given', () => {
    const bytes = encodeShareChain([
      [258, hash(1)],
      [2, hash(3)],
    ]);
    expect(bytes).toEqual(Uint8Array.from([1, 2, ...hash(1), 0, 2, ...hash(3)]));
    expect([...parseShareChain(bytes, 256)]).toEqual([
      [258, hash(1)],
      [2, hash(3)],
    ]);
  });

  it('may be empty', () => {
    expect(parseShareChain(new Uint8Array(0), 1).size).toBe(0);
  });

  it.each([
    ['a node that the tree does not have', encodeShareChain([[15, hash(0)]])],
    [
      'the same node twice',
      encodeShareChain([
        [3, hash(0)],
        [3, hash(0)],
      ]),
    ],
    ['a part of an entry', new Uint8Array(33)],
    ['more entries than the tree has nodes', new Uint8Array(34 * 16)],
  ])('is refused with %s', (_, bytes) => {
    expect(() => parseShareChain(bytes, 5)).toThrow(FormatError);
  });

  it('of any bytes is refused with a FormatError or has only nodes of the tree', () => {
    const entry = fc.tuple(fc.nat(40), fc.uint8Array({ minLength: 32, maxLength: 32 }));
    const chains = fc.oneof(
      fc.array(entry, { maxLength: 12 }).map(encodeShareChain),
      fc.uint8Array({ maxLength: 80 }),
    );
    fc.assert(
      fc.property(chains, fc.integer({ min: 1, max: 16 }), (bytes, total) => {
        const chain = parsedOr(FormatError, () => parseShareChain(bytes, total));
        for (const [node, value] of chain ?? []) {
          expect(node).toBeLessThan(31);
          expect(value).toHaveLength(32);
        }
      }),
    );
  });
});

describe('the frame of the URI extension block', () => {
  it.each([1, 2] as const)('is a length of 32 bits in version 1, of 64 in version 2: %d', (version) => {
    const framed = frameUriExtension(Uint8Array.of(7, 8), version);
    expect(framed).toEqual(Uint8Array.from([...(version === 1 ? [] : [0, 0, 0, 0]), 0, 0, 0, 2, 7, 8]));
    expect(unframeUriExtension(Uint8Array.from([...framed, 1, 2, 3]), version)).toEqual(Uint8Array.of(7, 8));
    for (let length = 0; length < framed.length; length++) {
      expect(() => unframeUriExtension(framed.subarray(0, length), version)).toThrow(FormatError);
    }
  });

  it('is refused when it states more than a block can have', () => {
    expect(() => unframeUriExtension(new Uint8Array(5000).fill(0xff, 0, 4), 1)).toThrow(
      /length of 4294967295/,
    );
    expect(() => unframeUriExtension(new Uint8Array(5000).fill(0xff, 0, 8), 2)).toThrow(FormatError);
  });
});

/** What `parse` returns, or undefined when it throws the documented error; another error fails the test. */
function parsedOr<T>(documented: abstract new (...args: never[]) => Error, parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    expect(error).toBeInstanceOf(documented);
    return undefined;
  }
}
