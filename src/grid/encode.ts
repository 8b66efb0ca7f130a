// An immutable file made into shares: encrypt, erasure-code, hash. Segments go in, blocks come out; what stands
// around the blocks of each share is known at the end. Keeps hashes only. Where shares go is upload's business.

import { concatBytes, equalBytes } from '../base/bytes.ts';
import { ErasureCodec } from '../erasure/codec.ts';
import { applyKeystream } from '../tahoe/aes-ctr.ts';
import type { ChkCapability } from '../tahoe/capability.ts';
import { createCrypttextHasher, hashBlock, hashCrypttextSegment } from '../tahoe/leaf-hashes.ts';
import { buildMerkleTree, leafNode, MerkleTree, proofNodes } from '../tahoe/merkle.ts';
import { Segmentation, SHARES_MAX, segmentSizeFor } from '../tahoe/segments.ts';
import {
  encodeShareChain,
  frameUriExtension,
  layoutShare,
  type ShareLayout,
  shareSizeBytes,
} from '../tahoe/share-layout.ts';
import {
  encodeUriExtension,
  type ReadUriExtension,
  type UriExtension,
  uriExtensionHash,
} from '../tahoe/uri-extension.ts';
import { InconsistentFileError } from './decode.ts';
import { SourceError } from './source.ts';

/** What {@link ChkEncoder} is made from. */
export interface ChkEncoderOptions {
  /** 16 bytes: convergent or random. Undefined: the segments given are crypttext already, as when a file is repaired. */
  readonly key: Uint8Array | undefined;
  /** At least 1; a file small enough for a literal capability is the caller's business. */
  readonly sizeBytes: number;
  /** Shares that are to be enough (k), 1 to `total`. */
  readonly needed: number;
  /** Shares to make (n), up to 256. */
  readonly total: number;
  /** Largest segment; the file's own segment size is `encoder.segmentation.segmentSizeBytes`. */
  readonly segmentSizeBytes: number;
  readonly codec?: ErasureCodec | undefined;
  /** What must come out: the block that the file's other shares have. Default: whatever comes out. */
  readonly expected?: ReadUriExtension | undefined;
}

/** A file that was encoded whole: what its capability is, and what each share has behind its blocks. */
export interface EncodedFile {
  capabilityWith(key: Uint8Array): ChkCapability;
  /** Hash trees, share hash chain, URI extension block. */
  tail(shareNumber: number): { readonly offset: number; readonly bytes: Uint8Array };
}

/**
 * Encodes one file: `encodeSegment` for each segment in order, then `finish`. A share is `encodeShareHeader(layout)`,
 * its block of segment `s` at `blockOffsetOf(s)`, and its `tail`: `shareSizeBytes` in all, without a gap.
 */
export class ChkEncoder {
  /** How the file is cut. */
  readonly segmentation: Segmentation;
  readonly total: number;
  /** Where things stand in each share. */
  readonly layout: ShareLayout;
  /** Bytes of each share, what to allocate. */
  readonly shareSizeBytes: number;
  readonly #key: Uint8Array | undefined;
  readonly #expected: ReadUriExtension | undefined;
  readonly #codec: ErasureCodec;
  readonly #allShares: readonly number[];
  readonly #crypttextHasher = createCrypttextHasher();
  readonly #crypttextTree: MerkleTree;
  readonly #blockTrees: readonly MerkleTree[];
  #nextSegment = 0;

  /** @throws RangeError when the numbers are impossible. */
  constructor(options: ChkEncoderOptions) {
    const { key, sizeBytes, needed, total, segmentSizeBytes, codec, expected } = options;
    if (!(needed >= 1 && needed <= total && total <= SHARES_MAX)) {
      throw new RangeError(`${needed} of ${total} shares`);
    }
    if (sizeBytes < 1) throw new RangeError('an empty file has no shares');
    this.segmentation = new Segmentation(
      sizeBytes,
      needed,
      segmentSizeFor(sizeBytes, needed, segmentSizeBytes),
    );
    this.total = total;
    this.layout = layoutShare(this.segmentation, total);
    this.#key = key;
    this.#expected = expected;
    this.#codec = codec ?? new ErasureCodec(needed, total);
    this.#allShares = Array.from({ length: total }, (_, share) => share);
    const { segmentCount } = this.segmentation;
    this.#crypttextTree = new MerkleTree(segmentCount);
    this.#blockTrees = this.#allShares.map(() => new MerkleTree(segmentCount));
    const placeholder = new Uint8Array(this.#crypttextTree.root.length);
    this.shareSizeBytes = shareSizeBytes(
      this.layout,
      (expected?.bytes ?? encodeUriExtension(this.#uriExtension(placeholder, placeholder, placeholder)))
        .length,
    );
  }

  get segmentCount(): number {
    return this.segmentation.segmentCount;
  }

  /** Bytes of each share's block of this segment. */
  blockSizeOf(segment: number): number {
    return this.segmentation.blockSizeOf(segment);
  }

  /** Where the block of this segment begins in a share. */
  blockOffsetOf(segment: number): number {
    return this.layout.dataOffset + this.segmentation.blockOffsetOf(segment);
  }

  /**
   * The blocks of the next segment, one for each share by its number. Some may be views of one buffer, that
   * nobody else uses.
   * @throws RangeError when the segment is not the next one or has not its size: a mistake of the caller.
   */
  encodeSegment(segment: number, plaintext: Uint8Array): Uint8Array[] {
    if (segment !== this.#nextSegment) {
      throw new RangeError(`segment ${segment} where ${this.#nextSegment} is due`);
    }
    const crypttext = this.#encrypt(segment, plaintext);
    this.#nextSegment++;
    if (this.#expected === undefined) this.#crypttextHasher.update(crypttext);
    this.#crypttextTree.setLeaf(segment, hashCrypttextSegment(crypttext));
    const blocks = this.#cut(segment, crypttext, this.#allShares);
    for (const [share, block] of blocks.entries())
      this.#blockTrees[share]!.setLeaf(segment, hashBlock(block));
    return blocks;
  }

  /**
   * The blocks of any segment for some shares, in the order asked for: for a share that moves to another
   * server later.
   * @throws SourceError when the plaintext is not what it was the first time: its block would fit no hash, and
   *   two texts under one key stream give away what they differ in.
   */
  encodeBlocksAgain(segment: number, plaintext: Uint8Array, shareNumbers: readonly number[]): Uint8Array[] {
    const crypttext = this.#encrypt(segment, plaintext);
    if (segment < this.#nextSegment) {
      const known = this.#crypttextTree.get(leafNode(this.segmentCount, segment));
      if (!equalBytes(hashCrypttextSegment(crypttext), known)) {
        throw new SourceError(
          'SOURCE_DIFFERS',
          `segment ${segment} is not what it was when it was read before`,
        );
      }
    }
    return this.#cut(segment, crypttext, shareNumbers);
  }

  /**
   * Completes the hash trees; once only.
   * @throws RangeError before every segment was encoded.
   * @throws InconsistentFileError when what comes out is not what was expected.
   */
  finish(): EncodedFile {
    if (this.#nextSegment !== this.segmentCount) {
      throw new RangeError(`finished at segment ${this.#nextSegment} of ${this.segmentCount}`);
    }
    const crypttextTree = this.#crypttextTree.complete();
    const shareTree = buildMerkleTree(this.#blockTrees.map((tree) => tree.complete().root));
    const uriExtension = this.#uriExtensionBytes(crypttextTree.root, shareTree.root);
    const { layout } = this;
    const { needed, sizeBytes } = this.segmentation;
    return {
      capabilityWith: (key) => ({
        kind: 'chk',
        key,
        uebHash: uriExtensionHash(uriExtension),
        needed,
        total: this.total,
        sizeBytes,
      }),
      tail: (shareNumber) => ({
        offset: layout.plaintextTreeOffset,
        bytes: concatBytes([
          new Uint8Array(layout.crypttextTreeOffset - layout.plaintextTreeOffset),
          crypttextTree.bytes,
          this.#blockTrees[shareNumber]!.bytes,
          encodeShareChain(proofNodes(this.total, shareNumber).map((node) => [node, shareTree.get(node)])),
          frameUriExtension(uriExtension, layout.version),
        ]),
      }),
    };
  }

  #encrypt(segment: number, plaintext: Uint8Array): Uint8Array {
    const sizeBytes = this.segmentation.segmentSizeOf(segment);
    if (plaintext.length !== sizeBytes) {
      throw new RangeError(`segment ${segment} has ${plaintext.length} bytes instead of ${sizeBytes}`);
    }
    if (this.#key === undefined) return plaintext;
    return applyKeystream(this.#key, this.segmentation.offsetOf(segment), plaintext);
  }

  /** Cuts crypttext in k pieces, the last ones filled up with zeros, and computes the blocks of these shares. */
  #cut(segment: number, crypttext: Uint8Array, shareNumbers: readonly number[]): Uint8Array[] {
    const { needed } = this.segmentation;
    const blockBytes = this.blockSizeOf(segment);
    let padded = crypttext;
    if (crypttext.length < needed * blockBytes) {
      padded = new Uint8Array(needed * blockBytes);
      padded.set(crypttext);
    }
    const pieces = Array.from({ length: needed }, (_, piece) =>
      padded.subarray(piece * blockBytes, (piece + 1) * blockBytes),
    );
    return this.#codec.encode(pieces, shareNumbers);
  }

  #uriExtensionBytes(crypttextRootHash: Uint8Array, shareRootHash: Uint8Array): Uint8Array {
    const expected = this.#expected;
    if (expected === undefined) {
      return encodeUriExtension(
        this.#uriExtension(this.#crypttextHasher.digest(), crypttextRootHash, shareRootHash),
      );
    }
    if (
      !equalBytes(expected.crypttextRootHash, crypttextRootHash) ||
      !equalBytes(expected.shareRootHash, shareRootHash)
    ) {
      throw new InconsistentFileError('the shares made of it are others than those that it has');
    }
    return expected.bytes;
  }

  #uriExtension(
    crypttextHash: Uint8Array,
    crypttextRootHash: Uint8Array,
    shareRootHash: Uint8Array,
  ): UriExtension {
    const { segmentation, total } = this;
    return { segmentation, total, crypttextHash, crypttextRootHash, shareRootHash };
  }
}
