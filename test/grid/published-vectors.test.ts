// Against what Tahoe-LAFS itself published and wrote. The files lie beside the checkout and are not part of it;
// the known answers of spec/vectors/chk.json are, and are tested always.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it, type TestContext } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { capabilityOf } from '../../src/grid/capability-of.ts';
import { sourceOfBytes } from '../../src/grid/source.ts';
import { type ChkCapability, formatCapability, parseCapability } from '../../src/tahoe/capability.ts';
import { encodeShareChain, encodeShareHeader, frameUriExtension } from '../../src/tahoe/share-layout.ts';
import { encodeUriExtension } from '../../src/tahoe/uri-extension.ts';
import { decodeFile, encodeFile, openShare, sample, sha256Hex } from './shares.ts';

const FOLDER = '../shared/vectors';
const folder = new URL(`../../${FOLDER}/`, import.meta.url);
const capabilitiesFile = new URL('tahoe-caps.yaml', folder);
const sharesFolder = new URL('tahoe-shares/chk/', folder);

interface PublishedVector {
  readonly convergence: string;
  readonly expected: string;
  readonly format: { readonly kind: string };
  readonly sample: { readonly length: number; readonly seed: string };
  readonly zfec: { readonly required: number; readonly segmentSize: number; readonly total: number };
}

interface PublishedShares {
  readonly capability: ChkCapability;
  readonly plaintextSha256: string;
  readonly shares: ReadonlyMap<number, Uint8Array>;
}

function skipWithout(file: URL, { skip }: TestContext): void {
  skip(!existsSync(file), `${FOLDER} is not beside the checkout: only spec/vectors/chk.json is tested`);
}

describe('published capability vectors', () => {
  it('of every CHK file are what we compute without a grid', { timeout: 120_000 }, async (context) => {
    skipWithout(capabilitiesFile, context);
    const document = parseYaml(readFileSync(capabilitiesFile, 'utf8')) as { vector: PublishedVector[] };
    const files = document.vector.filter(({ format }) => format.kind === 'chk');
    expect(files.length).toBeGreaterThanOrEqual(40);
    for (const { convergence, expected, sample: text, zfec } of files) {
      const capability = await capabilityOf(
        sourceOfBytes(sample(text.length, Buffer.from(text.seed, 'base64'))),
        {
          convergence: Buffer.from(convergence, 'base64'),
          needed: zfec.required,
          total: zfec.total,
          segmentSizeBytes: zfec.segmentSize,
        },
      );
      expect(capability).toBe(expected);
      expect(formatCapability(parseCapability(expected))).toBe(expected);
    }
  });
});

describe('shares that Tahoe-LAFS 1.20 wrote', () => {
  /** The shares by number, without the storage server's container, and what the README states of their file. */
  function readShares(context: TestContext): PublishedShares {
    skipWithout(sharesFolder, context);
    const readme = readFileSync(new URL('../README.md', sharesFolder), 'utf8');
    const [, text, plaintextSha256] = /^\| chk \| (URI:CHK:\S+) \| .*SHA-256 ([0-9a-f]{64})/m.exec(readme)!;
    const capability = parseCapability(text!);
    if (capability.kind !== 'chk') throw new Error(`${text} is no CHK capability`);
    const shares = readdirSync(sharesFolder).map((name): [number, Uint8Array] => {
      const container = readFileSync(new URL(name, sharesFolder));
      return [
        Number(name.split('.')[1]),
        Uint8Array.from(container.subarray(12, 12 + container.readUInt32BE(4))),
      ];
    });
    return { capability, plaintextSha256: plaintextSha256!, shares: new Map(shares) };
  }

  it('decode to the stated file, from any three', (context) => {
    const { capability, plaintextSha256, shares: all } = readShares(context);
    const shares = [...all];
    expect(shares).toHaveLength(5);
    for (const chosen of [shares.slice(0, 3), shares.slice(2), [shares[0]!, shares[2]!, shares[4]!]]) {
      expect(sha256Hex(decodeFile(new Map(chosen), capability))).toBe(plaintextSha256);
    }
  });

  it('have headers, chains and URI extension blocks that we write byte for byte', (context) => {
    const { capability, shares } = readShares(context);
    for (const share of shares.values()) {
      const { layout, chain, uriExtension, uriExtensionBytes } = openShare(share, capability);
      expect(encodeUriExtension(uriExtension)).toEqual(Uint8Array.from(uriExtensionBytes));
      const rewritten = share.slice();
      rewritten.fill(0, 0, layout.dataOffset).fill(0, layout.shareChainOffset);
      rewritten.set(encodeShareHeader(layout), 0);
      rewritten.set(encodeShareChain(chain), layout.shareChainOffset);
      rewritten.set(
        frameUriExtension(encodeUriExtension(uriExtension), layout.version),
        layout.uriExtensionOffset,
      );
      expect(Buffer.compare(rewritten, share)).toBe(0);
    }
  });

  it('are what we make of the same file, but for the order of the chain', (context) => {
    const { capability, shares } = readShares(context);
    const plaintext = decodeFile(shares, capability);
    const ours = encodeFile(plaintext, { ...capability, segmentSizeBytes: 1024 * 1024 });
    expect(formatCapability(ours.capability)).toBe(formatCapability(capability));
    for (const [number, share] of shares) {
      const theirs = openShare(share, capability);
      const mine = openShare(ours.shares[number]!, capability);
      expect(mine.layout).toEqual(theirs.layout);
      expect([...theirs.chain].sort(([a], [b]) => a - b)).toEqual([...mine.chain]);
      const reordered = share.slice();
      reordered.set(encodeShareChain(mine.chain), theirs.layout.shareChainOffset);
      expect(Buffer.compare(reordered, ours.shares[number]!)).toBe(0);
    }
  });
});
