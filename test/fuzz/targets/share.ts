// What a storage server says of a share: header, hash chain, URI extension. The first byte of an input says which.

import { FormatError } from '../../../src/tahoe/format-error.ts';
import { Segmentation } from '../../../src/tahoe/segments.ts';
import {
  encodeShareChain,
  encodeShareHeader,
  frameUriExtension,
  layoutShare,
  parseShareChain,
  parseShareHeader,
  unframeUriExtension,
} from '../../../src/tahoe/share-layout.ts';
import { encodeUriExtension, parseUriExtension, uriExtensionHash } from '../../../src/tahoe/uri-extension.ts';
import { assert, type FuzzTarget, text } from '../target.ts';

const segmentation = new Segmentation(1000, 3, 300);
const layout = layoutShare(segmentation, 10);
const HASH = new Uint8Array(32).fill(7);
const extension = encodeUriExtension({
  segmentation,
  total: 10,
  crypttextHash: HASH,
  crypttextRootHash: HASH,
  shareRootHash: HASH,
});

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: ['tahoe/share-layout.ts', 'tahoe/uri-extension.ts', 'base/netstring.ts', 'tahoe/segments.ts'],
  seeds: [
    tagged(0, encodeShareHeader(layout)),
    tagged(0, encodeShareHeader({ ...layout, version: 2 })),
    tagged(
      1,
      encodeShareChain([
        [1, HASH],
        [2, HASH],
      ]),
    ),
    tagged(2, frameUriExtension(extension, 1)),
    tagged(3, frameUriExtension(extension, 2)),
    tagged(4, extension),
  ],
  dictionary: [
    'segment_size:',
    'codec_name:3:crs,',
    'needed_shares:1:3,',
    'size:4:1000,',
    'crypttext_hash:32:',
    ',',
  ].map(text),
  run(input) {
    try {
      parse(input[0] ?? 0, input.subarray(1));
    } catch (error) {
      assert(error instanceof FormatError, `what is thrown is a FormatError, not ${String(error)}`);
    }
  },
};

function parse(kind: number, bytes: Uint8Array): void {
  switch (kind % 5) {
    case 0: {
      const found = parseShareHeader(bytes, 1 << 20);
      assert(found.uriExtensionOffset <= 1 << 20 && found.dataOffset > 0, 'offsets are inside of the share');
      return;
    }
    case 1:
      for (const node of parseShareChain(bytes, 10).keys()) assert(node < 31, 'a node is in the tree');
      return;
    case 2:
      unframeUriExtension(bytes, 1);
      return;
    case 3:
      unframeUriExtension(bytes, 2);
      return;
    default: {
      // Whoever makes a capability chooses the hash: a hostile block may be one that fits.
      const capability = { uebHash: uriExtensionHash(bytes), needed: 3, total: 10, sizeBytes: 1000 };
      const { segmentation: cut } = parseUriExtension(bytes, capability);
      assert(cut.segmentCount >= 1 && cut.blockSizeBytes >= 1, 'a file has segments of some size');
    }
  }
}

function tagged(kind: number, bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(kind, ...bytes);
}
