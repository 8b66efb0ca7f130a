import { describe, expect, it } from 'vitest';
import vectors from '../../spec/vectors/chk.json' with { type: 'json' };
import { capabilityOf } from '../../src/grid/capability-of.ts';
import { sourceOfBytes } from '../../src/grid/source.ts';
import { parseCapability } from '../../src/tahoe/capability.ts';
import { encodeFile, sample, sha256Hex } from './shares.ts';

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
const plaintextOf = ({ length, seed }: { length: number; seed: string }): Uint8Array =>
  sample(length, fromBase64(seed));

describe('the capability of a file', () => {
  it.each(vectors.files)('is the known one: $name', async (known) => {
    const source = sourceOfBytes(plaintextOf(known.sample));
    const { needed, total, segmentSizeBytes } = known;
    const convergence = fromBase64(known.convergence);
    expect(await capabilityOf(source, { convergence, needed, total, segmentSizeBytes })).toBe(
      known.capability,
    );
  });

  it.each(vectors.files)('comes with the known shares: $name', (known) => {
    const capability = parseCapability(known.capability);
    if (capability.kind !== 'chk') throw new Error('not a CHK capability');
    const { shares } = encodeFile(plaintextOf(known.sample), { ...known, key: capability.key });
    expect(sha256Hex(Buffer.concat(shares))).toBe(known.sharesSha256);
  });

  it.each(vectors.literals)('is the file itself up to 55 bytes: $sample.length', async (known) => {
    const parameters = { convergence: new Uint8Array(16), needed: 3, total: 10, segmentSizeBytes: 1000 };
    expect(await capabilityOf(sourceOfBytes(plaintextOf(known.sample)), parameters)).toBe(known.capability);
  });

  it('is refused for a source that is not as long as it says, small or large', async () => {
    const parameters = { convergence: new Uint8Array(16), needed: 3, total: 10, segmentSizeBytes: 1000 };
    for (const sizeBytes of [10, 56, 5000]) {
      const { read } = sourceOfBytes(new Uint8Array(sizeBytes));
      const longer = { sizeBytes: sizeBytes - 1, read };
      await expect(capabilityOf(longer, parameters)).rejects.toMatchObject({ code: 'SOURCE_TOO_LONG' });
      const shorter = { sizeBytes: sizeBytes + 1, read };
      await expect(capabilityOf(shorter, parameters)).rejects.toMatchObject({ code: 'SOURCE_TOO_SHORT' });
    }
  });
});
