import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { ChkDecoder, InconsistentFileError } from '../../src/grid/decode.ts';
import { hashBlock } from '../../src/tahoe/leaf-hashes.ts';
import { buildMerkleTree } from '../../src/tahoe/merkle.ts';
import { encodeFile, openShare, sample, segmentOf } from './shares.ts';

const key = new Uint8Array(16).fill(3);
const plaintext = sample(5000, Buffer.from('0123456789abc'));
const { encoder, shares, capability } = encodeFile(plaintext, {
  key,
  needed: 3,
  total: 7,
  segmentSizeBytes: 1000,
});
const opened = shares.map((share) => openShare(share, capability));
const { uriExtension, crypttextTree } = opened[0]!;

let decoder: ChkDecoder;
beforeEach(() => {
  decoder = new ChkDecoder(capability, uriExtension);
});

function prove(share: number, segment: number): void {
  expect(decoder.addShare(share, opened[share]!.chain)).toBe(true);
  expect(decoder.addBlockHashes(share, segment, opened[share]!.blockTree)).toBe(true);
}

describe('a block', () => {
  it('is accepted once its hash is proven, not before', () => {
    const block = opened[4]!.block(2);
    expect(decoder.verifyBlock(4, 2, block)).toBe(false);
    expect(decoder.addBlockHashes(4, 2, opened[4]!.blockTree)).toBe(false);
    expect(decoder.addShare(4, opened[4]!.chain)).toBe(true);
    expect(decoder.verifyBlock(4, 2, block)).toBe(false);
    expect(decoder.addBlockHashes(4, 2, opened[4]!.blockTree)).toBe(true);
    expect(decoder.verifyBlock(4, 2, block)).toBe(true);
  });

  it('is proven by the nodes that are missing and no others', () => {
    decoder.addShare(4, opened[4]!.chain);
    const tree = opened[4]!.blockTree;
    expect(decoder.missingBlockNodes(4, 0)).toEqual([2, 4, 7, 8]);
    const nodes = new Map(decoder.missingBlockNodes(4, 0).map((node) => [node, tree.get(node)!]));
    expect(decoder.addBlockHashes(4, 0, nodes)).toBe(true);
    expect(decoder.missingBlockNodes(4, 0)).toEqual([]);
    expect(decoder.missingBlockNodes(4, 1)).toEqual([]);
    expect(decoder.missingBlockNodes(4, 2)).toEqual([9, 10]);
  });

  it('is refused when any bit of it, or its length, was changed', () => {
    for (const segment of [0, encoder.segmentCount - 1]) {
      prove(1, segment);
      const block = opened[1]!.block(segment);
      fc.assert(
        fc.property(fc.nat(block.length - 1), fc.nat(7), (at, bit) => {
          const corrupt = block.slice();
          corrupt[at]! ^= 1 << bit;
          expect(decoder.verifyBlock(1, segment, corrupt)).toBe(false);
        }),
      );
      expect(decoder.verifyBlock(1, segment, block.subarray(1))).toBe(false);
      expect(decoder.verifyBlock(1, segment, Uint8Array.from([...block, 0]))).toBe(false);
      expect(decoder.verifyBlock(1, segment, new Uint8Array(0))).toBe(false);
      expect(decoder.verifyBlock(1, segment, block)).toBe(true);
    }
  });

  it('of another share, or of another segment, is refused', () => {
    prove(1, 0);
    prove(1, 1);
    expect(decoder.verifyBlock(1, 0, opened[2]!.block(0))).toBe(false);
    expect(decoder.verifyBlock(1, 0, opened[1]!.block(1))).toBe(false);
    expect(decoder.verifyBlock(1, 1, opened[1]!.block(0))).toBe(false);
  });

  it('of no segment and of no share is refused without throwing', () => {
    prove(1, 0);
    for (const segment of [-1, 5, 1.5, Number.NaN]) {
      expect(decoder.verifyBlock(1, segment, opened[1]!.block(0))).toBe(false);
      expect(decoder.addBlockHashes(1, segment, opened[1]!.blockTree)).toBe(false);
      expect(decoder.missingBlockNodes(1, segment)).toEqual([]);
    }
    for (const share of [-1, 7, 256, 1.5]) {
      expect(decoder.addShare(share, opened[1]!.chain)).toBe(false);
      expect(decoder.verifyBlock(share, 0, opened[1]!.block(0))).toBe(false);
    }
  });
});

describe('a share', () => {
  it('that says to be another one is refused', () => {
    expect(decoder.addShare(2, opened[1]!.chain)).toBe(false);
    expect(decoder.addBlockHashes(2, 0, opened[2]!.blockTree)).toBe(false);
  });

  it('with the chain of its number but the block tree of another is refused', () => {
    expect(decoder.addShare(2, opened[2]!.chain)).toBe(true);
    expect(decoder.addBlockHashes(2, 0, opened[1]!.blockTree)).toBe(false);
    expect(decoder.addBlockHashes(2, 0, opened[2]!.blockTree)).toBe(true);
  });

  it('with a block tree of its own making is refused', () => {
    const forged = buildMerkleTree(Array.from({ length: 5 }, () => hashBlock(new Uint8Array(334))));
    const chain = new Map(opened[2]!.chain).set(7 + 2, forged.root);
    expect(decoder.addShare(2, chain)).toBe(false);
    expect(decoder.addShare(2, opened[2]!.chain)).toBe(true);
    expect(decoder.addBlockHashes(2, 0, forged)).toBe(false);
  });

  it('keeps what was proven of it when it is added again', () => {
    prove(2, 0);
    expect(decoder.addShare(2, opened[2]!.chain)).toBe(true);
    expect(decoder.verifyBlock(2, 0, opened[2]!.block(0))).toBe(true);
  });
});

describe('a segment', () => {
  const blocksOf = (segment: number, numbers: readonly number[]): Map<number, Uint8Array> =>
    new Map(numbers.map((number) => [number, opened[number]!.block(segment)]));

  it('is decoded alone, in any order, from any blocks, also from more than are needed', () => {
    for (const [segment, numbers] of [
      [4, [6, 5, 4]],
      [0, [0, 1, 2]],
      [2, [0, 3, 5, 6]],
    ] as const) {
      expect(decoder.addCrypttextHashes(segment, crypttextTree)).toBe(true);
      const decoded = decoder.decodeSegment(segment, blocksOf(segment, numbers));
      expect(Uint8Array.from(decoded)).toEqual(segmentOf(plaintext, encoder, segment));
    }
  });

  it('does not change the blocks it is decoded from', () => {
    decoder.addCrypttextHashes(0, crypttextTree);
    const blocks = new Map([...blocksOf(0, [0, 1, 4])].map(([number, block]) => [number, block.slice()]));
    decoder.decodeSegment(0, blocks);
    expect(blocks).toEqual(
      new Map([...blocksOf(0, [0, 1, 4])].map(([number, block]) => [number, block.slice()])),
    );
  });

  it('needs its proven crypttext hash and k blocks', () => {
    expect(() => decoder.decodeSegment(0, blocksOf(0, [0, 1, 2]))).toThrow(/not proven/);
    decoder.addCrypttextHashes(0, crypttextTree);
    expect(() => decoder.decodeSegment(0, blocksOf(0, [0, 1]))).toThrow(RangeError);
  });

  it('takes its crypttext hash from a share only when it fits the capability', () => {
    const foreign = encodeFile(plaintext.slice().reverse(), {
      key,
      needed: 3,
      total: 7,
      segmentSizeBytes: 1000,
    });
    const lie = openShare(foreign.shares[0]!, foreign.capability).crypttextTree;
    expect(decoder.missingCrypttextNodes(3)).toEqual([2, 3, 9, 10]);
    expect(decoder.addCrypttextHashes(3, lie)).toBe(false);
    expect(decoder.missingCrypttextNodes(3)).toEqual([2, 3, 9, 10]);
    expect(decoder.addCrypttextHashes(3, crypttextTree)).toBe(true);
    expect(decoder.missingCrypttextNodes(3)).toEqual([]);
  });

  it('that contradicts its hash is never decrypted: the file was uploaded inconsistent', () => {
    decoder.addCrypttextHashes(1, crypttextTree);
    const wrong = blocksOf(1, [0, 1, 2]).set(1, opened[1]!.block(0));
    const decode = (): Uint8Array => decoder.decodeSegment(1, wrong);
    expect(decode).toThrow(InconsistentFileError);
    expect(decode).toThrow(/segment 1/);
  });
});
