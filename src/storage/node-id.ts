// The 20 bytes that lease secrets are made for, where a server has no certificate to take them from.

import { createHash } from 'node:crypto';

/** SHA-1 of a server's permutation seed: as lasting as its place in the ring. */
export function nodeIdOf(permutationSeed: Uint8Array): Uint8Array {
  return createHash('sha1').update(permutationSeed).digest();
}
