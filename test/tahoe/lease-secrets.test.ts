import { describe, expect, it } from 'vitest';
import { leaseSecrets } from '../../src/tahoe/lease-secrets.ts';

const counted = (length: number, from = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i);

describe('the secrets of a lease', () => {
  it('are those that Tahoe-LAFS 1.20 derives', () => {
    const { renewSecret, cancelSecret } = leaseSecrets(counted(32), counted(16), counted(20));
    expect(Buffer.from(renewSecret).toString('hex')).toBe(
      'e1bc90e26a7a1ae37aa0ccff271cf0f3182936b650d1f2aec44cbd3bb65f5776',
    );
    expect(Buffer.from(cancelSecret).toString('hex')).toBe(
      '492399e026ee2c63887b412c8b254e2e56c4f5f0a2c3fe3112e2d0ab20f95097',
    );
  });

  it('are others for another client, file and server', () => {
    const all = [
      leaseSecrets(counted(32), counted(16), counted(20)),
      leaseSecrets(counted(32, 1), counted(16), counted(20)),
      leaseSecrets(counted(32), counted(16, 1), counted(20)),
      leaseSecrets(counted(32), counted(16), counted(20, 1)),
    ].flatMap(({ renewSecret, cancelSecret }) => [renewSecret, cancelSecret]);
    expect(new Set(all.map((secret) => Buffer.from(secret).toString('hex'))).size).toBe(8);
  });
});
