// A file made into whole shares in memory, and shares taken apart again, for the tests of this room.

import { createHash } from 'node:crypto';
import { concatBytes } from '../../src/base/bytes.ts';
import { ChkDecoder } from '../../src/grid/decode.ts';
import { ChkEncoder, type ChkEncoderOptions } from '../../src/grid/encode.ts';
import type { ChkCapability } from '../../src/tahoe/capability.ts';
import { HashNodeRun } from '../../src/tahoe/merkle.ts';
import {
  encodeShareHeader,
  parseShareChain,
  parseShareHeader,
  type ShareLayout,
  unframeUriExtension,
} from '../../src/tahoe/share-layout.ts';
import { parseUriExtension, type ReadUriExtension } from '../../src/tahoe/uri-extension.ts';

/** `length` bytes: the seed over and over. */
export function sample(length: number, seed: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.alloc(length, seed));
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A file's capability and all of its shares, encoded segment by segment. */
export function encodeFile(
  plaintext: Uint8Array,
  options: Omit<ChkEncoderOptions, 'sizeBytes' | 'key'> & { readonly key: Uint8Array },
): { encoder: ChkEncoder; capability: ChkCapability; shares: Uint8Array[] } {
  const encoder = new ChkEncoder({ ...options, sizeBytes: plaintext.length });
  const shares = Array.from({ length: options.total }, () => new Uint8Array(encoder.shareSizeBytes));
  for (let segment = 0; segment < encoder.segmentCount; segment++) {
    const blocks = encoder.encodeSegment(segment, segmentOf(plaintext, encoder, segment));
    for (const [share, block] of blocks.entries()) shares[share]!.set(block, encoder.blockOffsetOf(segment));
  }
  const encoded = encoder.finish();
  for (const [share, bytes] of shares.entries()) {
    bytes.set(encodeShareHeader(encoder.layout), 0);
    bytes.set(encoded.tail(share).bytes, encoded.tail(share).offset);
  }
  return { encoder, capability: encoded.capabilityWith(options.key), shares };
}

/** A segment of the plaintext, as the encoder wants it. */
export function segmentOf(plaintext: Uint8Array, { segmentation }: ChkEncoder, segment: number): Uint8Array {
  const from = segmentation.offsetOf(segment);
  return plaintext.subarray(from, from + segmentation.segmentSizeOf(segment));
}

/** The parts of a share as a reader finds them; only the URI extension block is proven. */
export interface OpenedShare {
  readonly layout: ShareLayout;
  readonly uriExtensionBytes: Uint8Array;
  readonly uriExtension: ReadUriExtension;
  readonly chain: Map<number, Uint8Array>;
  readonly crypttextTree: HashNodeRun;
  readonly blockTree: HashNodeRun;
  block(segment: number): Uint8Array;
}

export function openShare(share: Uint8Array, capability: ChkCapability): OpenedShare {
  const layout = parseShareHeader(share, share.length);
  const uriExtensionBytes = unframeUriExtension(share.subarray(layout.uriExtensionOffset), layout.version);
  const uriExtension = parseUriExtension(uriExtensionBytes, capability);
  const { segmentation } = uriExtension;
  return {
    layout,
    uriExtensionBytes,
    uriExtension,
    chain: parseShareChain(
      share.subarray(layout.shareChainOffset, layout.uriExtensionOffset),
      capability.total,
    ),
    crypttextTree: new HashNodeRun(share.subarray(layout.crypttextTreeOffset, layout.blockTreeOffset)),
    blockTree: new HashNodeRun(share.subarray(layout.blockTreeOffset, layout.shareChainOffset)),
    block: (segment) => {
      const from = layout.dataOffset + segmentation.blockOffsetOf(segment);
      return share.subarray(from, from + segmentation.blockSizeOf(segment));
    },
  };
}

/** The plaintext from these shares (by number); throws where one of them is not proven. */
export function decodeFile(shares: ReadonlyMap<number, Uint8Array>, capability: ChkCapability): Uint8Array {
  const opened = new Map([...shares].map(([number, share]) => [number, openShare(share, capability)]));
  const [any] = opened.values();
  const decoder = new ChkDecoder(capability, any!.uriExtension);
  const segments: Uint8Array[] = [];
  for (let segment = 0; segment < decoder.segmentation.segmentCount; segment++) {
    const blocks = new Map<number, Uint8Array>();
    for (const [number, share] of opened) {
      const block = share.block(segment);
      const good =
        decoder.addShare(number, share.chain) &&
        decoder.addBlockHashes(number, segment, share.blockTree) &&
        decoder.verifyBlock(number, segment, block);
      if (!good) throw new Error(`share ${number}, segment ${segment} is not proven`);
      blocks.set(number, block);
    }
    if (!decoder.addCrypttextHashes(segment, any!.crypttextTree)) {
      throw new Error(`crypttext hash of segment ${segment}`);
    }
    segments.push(decoder.decodeSegment(segment, blocks));
  }
  return concatBytes(segments);
}
