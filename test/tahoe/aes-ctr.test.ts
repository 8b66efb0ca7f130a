import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyKeystream } from '../../src/tahoe/aes-ctr.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const key = Uint8Array.from({ length: 16 }, (_, index) => index);

describe('the keystream', () => {
  it('entered at any byte gives what one pass over the whole gives', () => {
    const plaintext = Uint8Array.from({ length: 300 }, (_, index) => index & 255);
    const whole = createCipheriv('aes-128-ctr', key, new Uint8Array(16)).update(plaintext);
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const part = applyKeystream(key, from, plaintext.subarray(from, to));
        expect(hex(part)).toBe(hex(whole.subarray(from, to)));
        expect(hex(applyKeystream(key, from, part))).toBe(hex(plaintext.subarray(from, to)));
      }),
    );
  });

  it('is entered right beyond 2^36 bytes, where the counter has more than 32 bits', () => {
    const offset = 2 ** 37 + 5;
    const counter = Buffer.alloc(16);
    counter.writeBigUInt64BE(2n ** 33n, 8);
    const expected = createCipheriv('aes-128-ctr', key, counter).update(new Uint8Array(25)).subarray(5);
    expect(hex(applyKeystream(key, offset, new Uint8Array(20)))).toBe(hex(expected));
  });
});
