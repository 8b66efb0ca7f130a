import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConvergentKeyHasher, storageIndexForKey } from '../../src/tahoe/convergence.ts';

const secret = Buffer.from('a secret');
const keyOf = (plaintext: string, ...parameters: [Uint8Array, number, number, number]): string =>
  Buffer.from(new ConvergentKeyHasher(...parameters).update(Buffer.from(plaintext)).digest()).toString('hex');

// Known answers stand with the capabilities they lead to: test/grid/capability-of.test.ts.
describe('the convergent key', () => {
  it('depends on the plaintext and on each parameter, and on nothing else', () => {
    const key = keyOf('text', secret, 3, 10, 1002);
    expect(keyOf('text', Buffer.from('a secret'), 3, 10, 1002)).toBe(key);
    const others = [
      keyOf('texts', secret, 3, 10, 1002),
      keyOf('text', new Uint8Array(0), 3, 10, 1002),
      keyOf('text', secret, 2, 10, 1002),
      keyOf('text', secret, 3, 11, 1002),
      keyOf('text', secret, 3, 10, 1005),
    ];
    expect(new Set([key, ...others]).size).toBe(6);
    expect(key).toHaveLength(32);
  });

  it('is the same however the plaintext is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (chunks) => {
        const pieces = new ConvergentKeyHasher(secret, 3, 10, 1002);
        for (const chunk of chunks) pieces.update(chunk);
        const whole = new ConvergentKeyHasher(secret, 3, 10, 1002).update(Buffer.concat(chunks));
        expect(pieces.digest()).toEqual(whole.digest());
      }),
    );
  });

  it('leads to a storage index of 16 bytes that does not show it', () => {
    const key = new Uint8Array(16).fill(7);
    expect(storageIndexForKey(key)).toHaveLength(16);
    expect(storageIndexForKey(key)).not.toEqual(Buffer.from(key));
  });
});
