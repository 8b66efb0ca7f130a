// An immutable file put together again from untrusted blocks: every block is proven by the hash trees before it
// is used, every segment before it is decrypted (where there is a key). Which server to ask for what is download's business.

import { ErasureCodec } from '../erasure/codec.ts';
import { applyKeystream } from '../tahoe/aes-ctr.ts';
import type { ChkFile } from '../tahoe/capability.ts';
import { hashBlock, hashCrypttextSegment } from '../tahoe/leaf-hashes.ts';
import { type HashNodes, MerkleVerifier } from '../tahoe/merkle.ts';
import type { Segmentation } from '../tahoe/segments.ts';
import type { ReadUriExtension } from '../tahoe/uri-extension.ts';

/**
 * The file was encoded wrong by who uploaded it: proven blocks decode to a segment that the crypttext tree
 * contradicts. No other share can help.
 */
export class InconsistentFileError extends Error {
  override readonly name: string = 'InconsistentFileError';
  readonly code: 'INCONSISTENT_FILE' = 'INCONSISTENT_FILE';

  /** @param problem one clause. */
  constructor(problem: string) {
    super(`${problem}: the file was uploaded inconsistent`);
  }
}

/** The capability contradicts what it vouches for: the file is there, and the capability is not as it was. */
export class AlteredCapabilityError extends Error {
  override readonly name: string = 'AlteredCapabilityError';
}

/** For who has such a capability. */
export const ALTERED_ADVICE =
  'Use the capability as `put` printed it, complete and unchanged, to its last number.';

/**
 * Verifies and decodes one file. The order of things:
 * 1. for each share: `addShare` with its share hash chain;
 * 2. for each segment and share: `addBlockHashes` with the nodes that `missingBlockNodes` names (or the whole
 *    block tree), then `verifyBlock`;
 * 3. for each segment: `addCrypttextHashes` likewise, from any share; then `decodeSegment` with k proven blocks.
 *
 * What returns a boolean says false for what does not fit the hashes and has then changed nothing: it came
 * from a corrupt share, another one can be asked. Only proven hashes are kept, in memory proportional to the
 * segments that were read.
 */
export class ChkDecoder {
  readonly segmentation: Segmentation;
  /** What the file was found to be; proven. */
  readonly uriExtension: ReadUriExtension;
  readonly #capability: ChkFile;
  readonly #codec: ErasureCodec;
  readonly #shareTree: MerkleVerifier;
  readonly #crypttextTree: MerkleVerifier;
  readonly #blockTrees = new Map<number, MerkleVerifier>();

  /** @param uriExtension as `parseUriExtension` gives it for this capability. */
  constructor(capability: ChkFile, uriExtension: ReadUriExtension, codec?: ErasureCodec) {
    this.uriExtension = uriExtension;
    this.segmentation = uriExtension.segmentation;
    this.#capability = capability;
    this.#codec = codec ?? new ErasureCodec(capability.needed, capability.total);
    this.#shareTree = new MerkleVerifier(capability.total, uriExtension.shareRootHash);
    this.#crypttextTree = new MerkleVerifier(this.segmentation.segmentCount, uriExtension.crypttextRootHash);
  }

  /** Proven roots of block trees, by share number. */
  get blockRoots(): { get(shareNumber: number): Uint8Array | undefined } {
    return { get: (shareNumber) => this.#shareTree.provenLeaf(shareNumber) };
  }

  /** Whether a share hash chain is enough by itself, without what others have proven. */
  provesAlone(shareNumber: number, chain: HashNodes): boolean {
    const { shareRootHash } = this.uriExtension;
    return new MerkleVerifier(this.#capability.total, shareRootHash).prove(shareNumber, chain);
  }

  /** Proves the root of a share's block tree by its share hash chain. */
  addShare(shareNumber: number, chain: HashNodes): boolean {
    if (!this.#shareTree.prove(shareNumber, chain)) return false;
    if (!this.#blockTrees.has(shareNumber)) {
      const root = this.#shareTree.provenLeaf(shareNumber)!;
      this.#blockTrees.set(shareNumber, new MerkleVerifier(this.segmentation.segmentCount, root));
    }
    return true;
  }

  /** Numbers of the nodes of the share's block tree that are needed to prove this block; none when it is proven. */
  missingBlockNodes(shareNumber: number, segment: number): number[] {
    return this.#blockTrees.get(shareNumber)?.missingNodes(segment) ?? [];
  }

  /** Proves the hash of a block. Nodes that are not needed are ignored. */
  addBlockHashes(shareNumber: number, segment: number, nodes: HashNodes): boolean {
    return this.#blockTrees.get(shareNumber)?.prove(segment, nodes) ?? false;
  }

  /** Whether this is the block that the file has there. False also as long as its hash is not proven. */
  verifyBlock(shareNumber: number, segment: number, block: Uint8Array): boolean {
    const tree = this.#blockTrees.get(shareNumber);
    // The size first: a wrong one would otherwise be hashed for nothing.
    if (tree?.provenLeaf(segment) === undefined) return false;
    if (block.length !== this.segmentation.blockSizeOf(segment)) return false;
    return tree.matches(segment, hashBlock(block));
  }

  /** Numbers of the nodes of the crypttext tree that are needed for this segment; none when it is proven. */
  missingCrypttextNodes(segment: number): number[] {
    return this.#crypttextTree.missingNodes(segment);
  }

  /** Proves the hash of an encrypted segment. Nodes that are not needed are ignored. */
  addCrypttextHashes(segment: number, nodes: HashNodes): boolean {
    return this.#crypttextTree.prove(segment, nodes);
  }

  /**
   * The plaintext of a segment; for a verifier's capability, which has no key, its crypttext.
   * @param blocks k blocks or more by share number, each passed by {@link verifyBlock}.
   * @throws InconsistentFileError
   * @throws RangeError for fewer blocks, or while the crypttext hash is not proven: mistakes of the caller.
   */
  decodeSegment(segment: number, blocks: ReadonlyMap<number, Uint8Array>): Uint8Array {
    if (this.#crypttextTree.provenLeaf(segment) === undefined) {
      throw new RangeError(`the crypttext hash of segment ${segment} is not proven`);
    }
    const crypttext = joinPieces(this.#codec.decode(blocks), this.segmentation.segmentSizeOf(segment));
    if (!this.#crypttextTree.matches(segment, hashCrypttextSegment(crypttext))) {
      throw new InconsistentFileError(`segment ${segment} decodes to something else than its hash says`);
    }
    if (this.#capability.kind === 'chk-verifier') return crypttext;
    return applyKeystream(this.#capability.key, this.segmentation.offsetOf(segment), crypttext);
  }
}

/** The pieces one after the other, without the padding behind `sizeBytes`. */
function joinPieces(pieces: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const whole = new Uint8Array(sizeBytes);
  let at = 0;
  for (const piece of pieces) {
    const part = piece.subarray(0, sizeBytes - at);
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
