import { inspect } from 'node:util';
import { x25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { formatKey, generateIdentity, Identity, parseKey } from '../../src/session/identity.ts';
import { SeededRandom } from '../../src/sim/random.ts';

describe('an identity', () => {
  const secretKey = Uint8Array.from({ length: 32 }, (_, index) => index);
  const identity = new Identity(secretKey);

  test('has the public key that @noble computes', () => {
    expect(identity.publicKey).toEqual(x25519.getPublicKey(secretKey));
  });

  test('shows its secret in no printing', () => {
    const secrets = [Buffer.from(secretKey).toString('hex'), Buffer.from(secretKey).toString('base64url')];
    const shown = [
      String(identity),
      JSON.stringify(identity),
      inspect(identity, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
      inspect({ ...identity }),
    ];
    for (const text of shown) {
      for (const secret of secrets) expect(text).not.toContain(secret);
      expect(text).not.toMatch(/0,\s*1,\s*2,\s*3/);
    }
  });

  test('is not changed through what it was made of or what it reveals', () => {
    const bytes = Uint8Array.from(secretKey);
    const made = new Identity(bytes);
    bytes.fill(0);
    made.revealSecretKey().fill(0);
    expect(made.revealSecretKey()).toEqual(secretKey);
  });

  test('derives secrets that differ by purpose and by identity', () => {
    const other = new Identity(new Uint8Array(32).fill(1));
    const derived = [
      identity.deriveSecret('a', 32),
      identity.deriveSecret('b', 32),
      other.deriveSecret('a', 32),
    ].map(formatKey);
    expect(new Set(derived).size).toBe(3);
    expect(formatKey(identity.deriveSecret('a', 32))).toBe(derived[0]);
  });

  test('follows from the randomness injected', () => {
    expect(generateIdentity(new SeededRandom(1)).name).toBe(generateIdentity(new SeededRandom(1)).name);
    expect(generateIdentity(new SeededRandom(1)).name).not.toBe(generateIdentity(new SeededRandom(2)).name);
  });

  test('is refused with a secret of another length', () => {
    expect(() => new Identity(new Uint8Array(31))).toThrow(RangeError);
  });
});

describe('a key as text', () => {
  test('comes back from its 43 characters', () => {
    const key = new Uint8Array(32).fill(0xfb);
    expect(formatKey(key)).toHaveLength(43);
    expect(parseKey(formatKey(key))).toEqual(key);
  });

  test.each([
    '',
    'A',
    'A'.repeat(42),
    `${'A'.repeat(42)}B`,
    'A'.repeat(44),
    '+'.repeat(43),
    `${'A'.repeat(43)}=`,
  ])('%j is none', (text) => {
    expect(parseKey(text)).toBeUndefined();
  });
});
