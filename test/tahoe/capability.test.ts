import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import vectors from '../../spec/vectors/chk.json' with { type: 'json' };
import { base32Encode } from '../../src/base/base32.ts';
import {
  type Capability,
  CapabilityError,
  formatCapability,
  parseCapability,
  storageIndexOf,
  verifierOf,
} from '../../src/tahoe/capability.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

const fileFields = fc
  .record({
    uebHash: bytes(32),
    shares: fc.tuple(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 1, max: 256 })),
    sizeBytes: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  })
  .map(({ uebHash, shares, sizeBytes }) => ({
    uebHash,
    needed: Math.min(...shares),
    total: Math.max(...shares),
    sizeBytes,
  }));

const capabilities: fc.Arbitrary<Capability> = fc.oneof(
  fc.uint8Array({ maxLength: 55 }).map((data) => ({ kind: 'lit' as const, bytes: data })),
  fc.tuple(bytes(16), fileFields).map(([key, fields]) => ({ kind: 'chk' as const, key, ...fields })),
  fc
    .tuple(bytes(16), fileFields)
    .map(([storageIndex, fields]) => ({ kind: 'chk-verifier' as const, storageIndex, ...fields })),
);

describe('capabilities', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(capabilities, (capability) => {
        expect(parseCapability(formatCapability(capability))).toEqual(capability);
      }),
    );
  });

  it('may have white space around them', () => {
    const text = formatCapability({ kind: 'lit', bytes: Uint8Array.of(1) });
    expect(parseCapability(` \t${text}\r\n`)).toEqual({ kind: 'lit', bytes: Uint8Array.of(1) });
    expect(() => parseCapability(text.replace(':LIT', ': LIT'))).toThrow(CapabilityError);
  });

  it.each(vectors.malformedCapabilities)('are refused: $text', ({ text, code, says }) => {
    const error = failureOf(text);
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
  });

  it('that were damaged are refused, or are other capabilities; nothing else is thrown', () => {
    const damaged = fc
      .tuple(capabilities, fc.nat(), fc.string({ maxLength: 3 }), fc.nat(3))
      .map(([capability, at, inserted, removed]) => {
        const text = formatCapability(capability);
        const from = at % text.length;
        return text.slice(0, from) + inserted + text.slice(from + removed);
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string()), (text) => {
        try {
          expect(formatCapability(parseCapability(text))).toBe(text.trim());
        } catch (error) {
          expect(error).toBeInstanceOf(CapabilityError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('never show their key in an error', () => {
    const key = base32Encode(new Uint8Array(16).fill(0xab));
    const rest = `${base32Encode(new Uint8Array(32))}:3:10:1000`;
    const wrong = [
      `URI:CHK:${key}`,
      `URI:CHK:${key}a:${rest}`,
      `URI:CHK:${key.toUpperCase()}:${rest}`,
      `URI:CHK:${key}:${rest}:`,
      `URI:CHK:${key}:${rest.replace(':3:', ':11:')}`,
      `URI:${key}:CHK:${rest}`,
      `URI:SSK:${key}:${rest}`,
      `CHK:${key}:${rest}`,
      `URI:CHK:${rest}:${key}`,
    ];
    for (const text of wrong) {
      expect(failureOf(text).message.toLowerCase()).not.toContain(key.slice(0, 8));
    }
  });

  it('lead to the storage index and the verifier', () => {
    for (const { capability: text, storageIndex, verifier } of vectors.files) {
      const capability = parseCapability(text);
      if (capability.kind !== 'chk') throw new Error(`${text} is no CHK capability`);
      expect(base32Encode(storageIndexOf(capability))).toBe(storageIndex);
      expect(formatCapability(verifierOf(capability))).toBe(verifier);
      expect(storageIndexOf(verifierOf(capability))).toEqual(storageIndexOf(capability));
    }
  });
});

function failureOf(text: string): CapabilityError {
  try {
    parseCapability(text);
  } catch (error) {
    if (error instanceof CapabilityError) return error;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}
