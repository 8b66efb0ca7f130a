// Merkle trees over tagged hashes: built whole by who has all leaves, proven piece by piece by who has only
// the root. Nodes are numbered as they are stored: root 0, children of i at 2i + 1 and 2i + 2.

import { equalBytes } from '../base/bytes.ts';
import { HASH_BYTES, taggedHash, taggedPairHash } from './hashes.ts';

/** Hashes by node number, from a source that need not be trusted. A `Map` is one. */
export interface HashNodes {
  get(node: number): Uint8Array | undefined;
}

/** The number of a leaf's node: leaves fill the lowest row, which is padded to a power of two. */
export function leafNode(leafCount: number, leaf: number): number {
  return rowWidth(leafCount) - 1 + leaf;
}

/** How many nodes a tree has. */
export function nodeCount(leafCount: number): number {
  return 2 * rowWidth(leafCount) - 1;
}

/** The nodes that prove leaf `leaf`: itself and the sibling of each node on its way to the root, ascending. */
export function proofNodes(leafCount: number, leaf: number): number[] {
  const nodes: number[] = [];
  let node = leafNode(leafCount, leaf);
  nodes.push(node);
  for (; node > 0; node = parentOf(node)) nodes.push(siblingOf(node));
  return nodes.sort((a, b) => a - b);
}

/** A tree under construction: set every leaf, then `complete` it. */
export class MerkleTree implements HashNodes {
  readonly leafCount: number;
  /** All nodes one after the other, root first: the form in which shares store a tree. */
  readonly bytes: Uint8Array;

  constructor(leafCount: number) {
    this.leafCount = leafCount;
    this.bytes = new Uint8Array(nodeCount(leafCount) * HASH_BYTES);
  }

  setLeaf(leaf: number, hash: Uint8Array): void {
    this.bytes.set(hash, leafNode(this.leafCount, leaf) * HASH_BYTES);
  }

  /** Computes padding leaves and inner nodes. */
  complete(): this {
    const width = rowWidth(this.leafCount);
    for (let leaf = this.leafCount; leaf < width; leaf++) this.setLeaf(leaf, emptyLeaf(leaf));
    for (let node = width - 2; node >= 0; node--) {
      this.bytes.set(parentHash(this.get(2 * node + 1), this.get(2 * node + 2)), node * HASH_BYTES);
    }
    return this;
  }

  /** A node's hash: a view. */
  get(node: number): Uint8Array {
    return this.bytes.subarray(node * HASH_BYTES, (node + 1) * HASH_BYTES);
  }

  get root(): Uint8Array {
    return this.get(0);
  }
}

/** The complete tree over these leaf hashes; at least one. */
export function buildMerkleTree(leaves: readonly Uint8Array[]): MerkleTree {
  const tree = new MerkleTree(leaves.length);
  for (const [leaf, hash] of leaves.entries()) tree.setLeaf(leaf, hash);
  return tree.complete();
}

/** A run of stored nodes as read from a share, beginning with node `firstNode`. Parts of a hash are ignored. */
export class HashNodeRun implements HashNodes {
  readonly #bytes: Uint8Array;
  readonly #firstNode: number;

  constructor(bytes: Uint8Array, firstNode: number = 0) {
    this.#bytes = bytes;
    this.#firstNode = firstNode;
  }

  get(node: number): Uint8Array | undefined {
    const at = (node - this.#firstNode) * HASH_BYTES;
    return at >= 0 && at + HASH_BYTES <= this.#bytes.length
      ? this.#bytes.subarray(at, at + HASH_BYTES)
      : undefined;
  }
}

/**
 * Knows a tree by its root and learns leaves from untrusted hashes. Only what was proven against the root is
 * ever kept, so a lie costs one refused proof and leaves nothing behind.
 */
export class MerkleVerifier {
  readonly leafCount: number;
  readonly #proven = new Map<number, Uint8Array>();

  /** @param root the trusted root hash. */
  constructor(leafCount: number, root: Uint8Array) {
    this.leafCount = leafCount;
    this.#proven.set(0, copyOf(root));
  }

  /** The proven hash of a leaf; undefined when it is not proven, or no leaf. */
  provenLeaf(leaf: number): Uint8Array | undefined {
    return this.#isLeaf(leaf) ? this.#proven.get(leafNode(this.leafCount, leaf)) : undefined;
  }

  /** The nodes that `prove(leaf, …)` still needs, ascending; none once the leaf is proven. */
  missingNodes(leaf: number): number[] {
    if (!this.#isLeaf(leaf) || this.provenLeaf(leaf) !== undefined) return [];
    return proofNodes(this.leafCount, leaf).filter((node) => !this.#proven.has(node));
  }

  /**
   * Proves a leaf's hash with the nodes of {@link proofNodes}; those proven before may be left out.
   * @returns false when one is missing or does not fit the root; then nothing is learnt.
   */
  prove(leaf: number, untrusted: HashNodes): boolean {
    if (!this.#isLeaf(leaf)) return false;
    const learnt = new Map<number, Uint8Array>();
    let node = leafNode(this.leafCount, leaf);
    let hash = this.#proven.get(node) ?? untrusted.get(node);
    for (;;) {
      if (hash?.length !== HASH_BYTES) return false;
      const proven = this.#proven.get(node);
      if (proven !== undefined) {
        if (!equalBytes(proven, hash)) return false;
        for (const [number, value] of learnt) this.#proven.set(number, value);
        return true;
      }
      const sibling = this.#proven.get(siblingOf(node)) ?? untrusted.get(siblingOf(node));
      if (sibling?.length !== HASH_BYTES) return false;
      learnt.set(node, copyOf(hash)).set(siblingOf(node), copyOf(sibling));
      hash = isLeftChild(node) ? parentHash(hash, sibling) : parentHash(sibling, hash);
      node = parentOf(node);
    }
  }

  /** Whether `hash` is the proven hash of this leaf. */
  matches(leaf: number, hash: Uint8Array): boolean {
    const proven = this.provenLeaf(leaf);
    return proven !== undefined && equalBytes(proven, hash);
  }

  #isLeaf(leaf: number): boolean {
    return Number.isInteger(leaf) && leaf >= 0 && leaf < this.leafCount;
  }
}

/** Whether these are all nodes of a tree with this root, each the hash of those below it. */
export function isWholeTree(leafCount: number, root: Uint8Array, nodes: HashNodes): boolean {
  const top = nodes.get(0);
  if (top === undefined || !equalBytes(top, root)) return false;
  for (let node = rowWidth(leafCount) - 2; node >= 0; node--) {
    const [hash, left, right] = [nodes.get(node), nodes.get(2 * node + 1), nodes.get(2 * node + 2)];
    if (hash === undefined || left?.length !== HASH_BYTES || right?.length !== HASH_BYTES) return false;
    if (!equalBytes(hash, parentHash(left, right))) return false;
  }
  return true;
}

/** Leaves of the lowest row, padding counted: the power of two at or above `leafCount`. */
function rowWidth(leafCount: number): number {
  if (!Number.isSafeInteger(leafCount) || leafCount < 1)
    throw new RangeError(`a tree of ${leafCount} leaves`);
  let width = 1;
  while (width < leafCount) width *= 2;
  return width;
}

/** Not `slice`: a Buffer's is a view, and what was proven must not change with the buffer it came in. */
function copyOf(hash: Uint8Array): Uint8Array {
  return new Uint8Array(hash);
}

function parentOf(node: number): number {
  return Math.floor((node - 1) / 2);
}

function isLeftChild(node: number): boolean {
  return node % 2 === 1;
}

function siblingOf(node: number): number {
  return isLeftChild(node) ? node + 1 : node - 1;
}

function parentHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return taggedPairHash('Merkle tree internal node', left, right);
}

function emptyLeaf(leaf: number): Uint8Array {
  return taggedHash('Merkle tree empty leaf', Buffer.from(String(leaf)));
}
