// Hash trees: whatever hashes a server sends, nothing is proven that is not in the tree.

import { FormatError } from '../../../src/tahoe/format-error.ts';
import { buildMerkleTree, HashNodeRun, MerkleVerifier, proofNodes } from '../../../src/tahoe/merkle.ts';
import { parseShareChain } from '../../../src/tahoe/share-layout.ts';
import { assert, type FuzzTarget } from '../target.ts';

const LEAVES = 5;
const leaves = Array.from({ length: LEAVES }, (_, index) => new Uint8Array(32).fill(index));
const tree = buildMerkleTree(leaves);

export const target: FuzzTarget = {
  maxBytes: 700,
  covers: ['tahoe/merkle.ts'],
  seeds: [
    Uint8Array.of(0, 0, ...tree.bytes),
    Uint8Array.of(0, 4, ...tree.bytes),
    Uint8Array.of(1, 2, ...proofNodes(LEAVES, 2).flatMap((node) => [0, node, ...tree.get(node)])),
  ],
  run(input) {
    const [kind = 0, leaf = 0] = input;
    const verifier = new MerkleVerifier(LEAVES, tree.root);
    const bytes = input.subarray(2);
    let isProven: boolean;
    try {
      const nodes = kind % 2 === 0 ? new HashNodeRun(bytes, kind >> 1) : parseShareChain(bytes, LEAVES);
      isProven = verifier.prove(leaf, nodes);
    } catch (error) {
      assert(error instanceof FormatError, `what is thrown is a FormatError, not ${String(error)}`);
      return;
    }
    if (!isProven) {
      assert(verifier.provenLeaf(leaf) === undefined, 'nothing is learnt of a refused proof');
      return;
    }
    assert(leaf < LEAVES && verifier.matches(leaf, leaves[leaf]!), 'only what is in the tree is proven');
  },
};
