// What the leaves of a file's hash trees are hashes of, shared by who makes shares and who checks them.

import { TaggedHasher, taggedHash } from './hashes.ts';

/** Leaf of a share's block tree: a block, the tail's with its padding. */
export function hashBlock(block: Uint8Array): Uint8Array {
  return taggedHash('allmydata_encoded_subshare_v1', block);
}

/** Leaf of the crypttext tree: an encrypted segment, the tail without padding. */
export function hashCrypttextSegment(crypttext: Uint8Array): Uint8Array {
  return taggedHash('allmydata_crypttext_segment_v1', crypttext);
}

/** The hash of the whole crypttext, without padding. */
export function createCrypttextHasher(): TaggedHasher {
  return new TaggedHasher('allmydata_crypttext_v1');
}
