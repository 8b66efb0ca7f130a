import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaggedHasher, taggedHash, taggedPairHash } from '../../src/tahoe/hashes.ts';

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('tagged hashes', () => {
  it('are SHA-256 of SHA-256 over the netstring of the tag and the value', () => {
    const message = Buffer.from('3:tag,value');
    expect(hex(taggedHash('tag', Buffer.from('value')))).toBe(hex(sha256(sha256(message))));
    expect(hex(taggedHash('tag', Buffer.from('value'), 16))).toBe(hex(sha256(sha256(message))).slice(0, 32));
  });

  it('of pairs take both values as netstrings', () => {
    const message = Buffer.from('3:tag,1:a,2:bc,');
    const expected = hex(sha256(sha256(message)));
    expect(hex(taggedPairHash('tag', Buffer.from('a'), Buffer.from('bc')))).toBe(expected);
    expect(hex(taggedPairHash('tag', Buffer.from('a'), Buffer.from('bc'), 20))).toBe(expected.slice(0, 40));
  });

  it('are the same in one piece, in many, and on either side of the size where the way changes', () => {
    const value = fc.oneof(
      fc.uint8Array(),
      fc.integer({ min: 508, max: 516 }).map((n) => new Uint8Array(n)),
    );
    fc.assert(
      fc.property(value, fc.nat(), (bytes, at) => {
        const cut = at % (bytes.length + 1);
        const hasher = new TaggedHasher('some tag')
          .update(bytes.subarray(0, cut))
          .update(bytes.subarray(cut));
        expect(hex(hasher.digest())).toBe(hex(taggedHash('some tag', bytes)));
      }),
    );
  });
});
