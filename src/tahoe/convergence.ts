// Keys of immutable files: the convergent key, by which the same file gets the same capability from everybody
// who knows the convergence secret, and the storage index that servers know a file by.

import { concatBytes } from '../base/bytes.ts';
import { netstring } from '../base/netstring.ts';
import { TaggedHasher, taggedHash } from './hashes.ts';

/** Length of an encryption key and of a storage index. */
export const KEY_BYTES = 16;
export const STORAGE_INDEX_BYTES = 16;

/** Computes a file's key from its plaintext, given in pieces of any size. */
export class ConvergentKeyHasher {
  readonly #hasher: TaggedHasher;

  /**
   * @param secret the convergence secret; empty for keys that anybody with the same file can compute.
   * @param segmentSizeBytes as {@link segmentSizeFor} gives it for this file, not the maximum.
   */
  constructor(secret: Uint8Array, needed: number, total: number, segmentSizeBytes: number) {
    const tag = concatBytes([
      Buffer.from('allmydata_immutable_content_to_key_with_added_secret_v1+'),
      netstring(secret),
      netstring(`${needed},${total},${segmentSizeBytes}`),
    ]);
    this.#hasher = new TaggedHasher(tag);
  }

  update(plaintext: Uint8Array): this {
    this.#hasher.update(plaintext);
    return this;
  }

  /** The key, 16 bytes; once only. */
  digest(): Uint8Array {
    return this.#hasher.digest(KEY_BYTES);
  }
}

/** The storage index (16 bytes) of an immutable file with this key. */
export function storageIndexForKey(key: Uint8Array): Uint8Array {
  return taggedHash('allmydata_immutable_key_to_storage_index_v1', key, STORAGE_INDEX_BYTES);
}
