import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taggedHash, taggedPairHash } from '../../src/tahoe/hashes.ts';
import {
  buildMerkleTree,
  HashNodeRun,
  leafNode,
  MerkleVerifier,
  nodeCount,
  proofNodes,
} from '../../src/tahoe/merkle.ts';

const leafHash = (leaf: number): Uint8Array => taggedHash('leaf', Buffer.from(String(leaf)));
const leafHashes = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, leaf) => leafHash(leaf));
const pair = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  taggedPairHash('Merkle tree internal node', left, right);
const empty = (leaf: number): Uint8Array => taggedHash('Merkle tree empty leaf', Buffer.from(String(leaf)));

/** A tree's size, and one of its leaves. */
const places = fc
  .integer({ min: 1, max: 70 })
  .chain((count) => fc.tuple(fc.constant(count), fc.nat(count - 1)));

/** The nodes of an honest proof. */
function proofOf(count: number, leaf: number): Map<number, Uint8Array> {
  const tree = buildMerkleTree(leafHashes(count));
  return new Map(proofNodes(count, leaf).map((node) => [node, tree.get(node).slice()]));
}

function verifierOf(count: number): MerkleVerifier {
  return new MerkleVerifier(count, buildMerkleTree(leafHashes(count)).root);
}

describe('a Merkle tree', () => {
  it('over one leaf is the leaf', () => {
    expect(buildMerkleTree([leafHash(0)]).bytes).toEqual(Uint8Array.from(leafHash(0)));
  });

  it('over three leaves is padded to four and stored root first', () => {
    const [a, b, c] = leafHashes(3) as [Uint8Array, Uint8Array, Uint8Array];
    const left = pair(a, b);
    const right = pair(c, empty(3));
    const stored = Buffer.concat([pair(left, right), left, right, a, b, c, empty(3)]);
    expect(buildMerkleTree([a, b, c]).bytes).toEqual(Uint8Array.from(stored));
  });

  it.each([
    [1, 1],
    [2, 3],
    [3, 7],
    [4, 7],
    [5, 15],
    [256, 511],
    [2 ** 40, 2 ** 41 - 1],
  ])('over %d leaves has %d nodes', (leaves, nodes) => {
    expect(nodeCount(leaves)).toBe(nodes);
  });

  it('names the nodes of a proof: the leaf and its uncles', () => {
    expect(proofNodes(5, 0)).toEqual([2, 4, 7, 8]);
    expect(proofNodes(5, 4)).toEqual([1, 6, 11, 12]);
    expect(proofNodes(1, 0)).toEqual([0]);
    expect(leafNode(5, 4)).toBe(11);
  });

  it.each([0, -1, 1.5, Number.NaN])('has not %d leaves', (leaves) => {
    expect(() => nodeCount(leaves)).toThrow(RangeError);
  });
});

describe('a Merkle verifier', () => {
  it('proves every leaf of an honest tree, asking for each node once', () => {
    fc.assert(
      fc.property(places, fc.infiniteStream(fc.nat()), ([count], order) => {
        const tree = buildMerkleTree(leafHashes(count));
        const verifier = verifierOf(count);
        const asked = new Set<number>();
        const leaves = Array.from({ length: count }, (_, leaf) => ({
          leaf,
          rank: order.next().value as number,
        }));
        for (const { leaf } of leaves.sort((a, b) => a.rank - b.rank)) {
          const missing = verifier.missingNodes(leaf);
          for (const node of missing) {
            expect(asked.has(node)).toBe(false);
            asked.add(node);
          }
          expect(verifier.prove(leaf, new Map(missing.map((node) => [node, tree.get(node)])))).toBe(true);
          expect(verifier.missingNodes(leaf)).toEqual([]);
          expect(verifier.matches(leaf, leafHash(leaf))).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('proves leaves from a stored tree, read whole or in part', () => {
    const tree = buildMerkleTree(leafHashes(9));
    const whole = verifierOf(9);
    for (let leaf = 0; leaf < 9; leaf++) expect(whole.prove(leaf, new HashNodeRun(tree.bytes))).toBe(true);
    const part = verifierOf(9);
    expect(part.prove(8, new HashNodeRun(tree.bytes.subarray(32), 1))).toBe(true);
    expect(part.prove(0, new HashNodeRun(tree.bytes.subarray(0, 8 * 32 - 1)))).toBe(false);
  });

  it('refuses a proof with any one bit changed, learns nothing from it, and takes the honest one after', () => {
    fc.assert(
      fc.property(places, fc.nat(), fc.nat(255), ([count, leaf], which, bit) => {
        const verifier = verifierOf(count);
        const forged = proofOf(count, leaf);
        const node = [...forged.keys()][which % forged.size]!;
        forged.get(node)![bit >> 3]! ^= 1 << (bit & 7);
        const before = verifier.missingNodes(leaf);
        // Over a single leaf nothing has to be proven: the root is known.
        expect(verifier.prove(leaf, forged)).toBe(count === 1);
        expect(verifier.missingNodes(leaf)).toEqual(before);
        expect(verifier.prove(leaf, proofOf(count, leaf))).toBe(true);
        expect(verifier.matches(leaf, leafHash(leaf))).toBe(true);
      }),
    );
  });

  it('refuses a proof that lacks any node', () => {
    for (const missing of proofNodes(9, 4)) {
      const proof = proofOf(9, 4);
      proof.delete(missing);
      expect(verifierOf(9).prove(4, proof)).toBe(false);
    }
  });

  it('refuses two leaves that were swapped, and a leaf in the place of another', () => {
    const proof = proofOf(8, 2);
    const [own, sibling] = [leafNode(8, 2), leafNode(8, 3)];
    const swapped = new Map(proof).set(own, proof.get(sibling)!).set(sibling, proof.get(own)!);
    expect(verifierOf(8).prove(2, swapped)).toBe(false);
    const verifier = verifierOf(8);
    expect(verifier.prove(2, proof)).toBe(true);
    expect(verifier.prove(4, proof)).toBe(false);
    expect(verifier.matches(2, leafHash(3))).toBe(false);
    expect(verifier.matches(3, leafHash(2))).toBe(false);
  });

  it('refuses an inner node in the place of a leaf', () => {
    const tree = buildMerkleTree(leafHashes(8));
    const proof = new Map([
      [leafNode(8, 0), tree.get(1)],
      [leafNode(8, 1), tree.get(2)],
    ]);
    expect(verifierOf(8).prove(0, proof)).toBe(false);
  });

  it('takes any nodes and any leaf number without throwing, and believes none of it', () => {
    const anyNode = fc.tuple(fc.oneof(fc.integer(), fc.nat(40)), fc.uint8Array({ maxLength: 40 }));
    const anyLeaf = fc.oneof(fc.integer(), fc.nat(20), fc.double());
    fc.assert(
      fc.property(anyLeaf, fc.array(anyNode, { maxLength: 40 }), (leaf, nodes) => {
        const verifier = verifierOf(11);
        expect(verifier.prove(leaf, new Map(nodes))).toBe(false);
        expect(verifier.matches(leaf, leafHash(0))).toBe(false);
        expect(verifier.provenLeaf(leaf)).toBeUndefined();
        expect(verifier.missingNodes(0)).toEqual(proofNodes(11, 0));
      }),
    );
  });

  it('keeps what it proved when the buffers it came from are used again', () => {
    for (const kind of [Buffer, Uint8Array]) {
      const proof = new Map([...proofOf(4, 1)].map(([node, hash]) => [node, kind.from(hash)]));
      const verifier = verifierOf(4);
      verifier.prove(1, proof);
      for (const hash of proof.values()) hash.fill(0);
      expect(verifier.matches(1, leafHash(1))).toBe(true);
    }
  });
});
