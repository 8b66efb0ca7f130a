import { describe, expect, it } from 'vitest';
import { decodeHeader, encodeHeader, encodeLease, HEADER_BYTES } from '../../src/storage/share-container.ts';
import { secret } from './helpers.ts';

const GIB = 2 ** 30;

function dataLength(header: Uint8Array, fileBytes: number): number | undefined {
  return decodeHeader(header, fileBytes)?.dataBytes;
}

describe('a share container', () => {
  it.each([0, 1, 1000, 4 * GIB - 1, 4 * GIB, 4 * GIB + 5, 9 * GIB + 7])(
    'holds %d bytes of share data',
    (size) => {
      for (const leases of [0, 1, 3]) {
        expect(dataLength(encodeHeader(size, leases), HEADER_BYTES + size + leases * 72)).toBe(size);
      }
    },
  );

  it('has the low 32 bits of the length in its header', () => {
    expect(Buffer.from(encodeHeader(4 * GIB + 5, 2)).toString('hex')).toBe('000000020000000500000002');
  });

  it('of a share beyond 4 GiB may say the most that it can, as Tahoe-LAFS does', () => {
    expect(dataLength(encodeHeader(2 ** 32 - 1, 1), HEADER_BYTES + 5 * GIB + 72)).toBe(5 * GIB);
  });

  it('does not pass off as data a lease that a crash left uncounted', () => {
    expect(dataLength(encodeHeader(100, 0), HEADER_BYTES + 100 + 72)).toBe(100);
    expect(dataLength(encodeHeader(5 * GIB, 1), HEADER_BYTES + 5 * GIB + 144)).toBe(5 * GIB);
  });

  it('that was cut short has the bytes that are there', () => {
    expect(dataLength(encodeHeader(100, 0), HEADER_BYTES + 60)).toBe(60);
  });

  it('of version 1 has the same layout; others are no immutable share', () => {
    const header = encodeHeader(100, 1);
    const withVersion = (version: number) => new Uint8Array([0, 0, 0, version, ...header.subarray(4)]);
    expect(dataLength(withVersion(1), HEADER_BYTES + 172)).toBe(100);
    for (const version of [0, 3])
      expect(dataLength(withVersion(version), HEADER_BYTES + 172)).toBeUndefined();
    expect(dataLength(Buffer.from('Tahoe mutable container v1\n'), 1000)).toBeUndefined();
    expect(dataLength(header.subarray(0, 11), 11)).toBeUndefined();
    expect(dataLength(encodeHeader(0, 1), HEADER_BYTES + 71)).toBeUndefined();
    expect(dataLength(encodeHeader(0, 2 ** 32 - 1), 1000)).toBeUndefined();
  });

  it('keeps the owner, both secrets and the time of a lease in 72 bytes; of the secrets, in version 2, the hashes', () => {
    const lease = { renewSecret: secret(1), cancelSecret: secret(2), expiresAtUnixSeconds: 0xfedcba98 };
    const expected = ['00000000', hex(secret(1)), hex(secret(2)), 'fedcba98'].join('');
    expect(hex(encodeLease(lease, 1))).toBe(expected);
    // As observed at Tahoe-LAFS 1.20.
    const observed = { renewSecret: Buffer.alloc(32, 'R'), cancelSecret: Buffer.alloc(32, 'C') };
    expect(hex(encodeLease({ ...observed, expiresAtUnixSeconds: 0x6b2c38d9 }, 2))).toBe(
      [
        '00000000',
        '0666d16d6f9960d32c9e59c59b33800be038644ece4cb3da310b258e6d852204',
        'f23824449c1860ead7065f1539cca5ada8ddfdf84a5e4f7608634fed82c0eb24',
        '6b2c38d9',
      ].join(''),
    );
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
