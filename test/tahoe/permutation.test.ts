import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { permuteServers } from '../../src/tahoe/permutation.ts';

const servers = Array.from({ length: 12 }, (_, index) => ({
  name: `server ${index}`,
  permutationSeed: Uint8Array.from(
    createHash('sha1')
      .update(String(index))
      .digest()
      .subarray(0, 4 + index),
  ),
}));
const storageIndex = new Uint8Array(16).fill(0x5a);

describe('the permutation of servers', () => {
  it('sorts by SHA-1 of storage index and seed', () => {
    const places = permuteServers(storageIndex, servers).map(({ permutationSeed }) =>
      createHash('sha1')
        .update(Buffer.concat([storageIndex, permutationSeed]))
        .digest('hex'),
    );
    expect(places).toEqual([...places].sort());
    expect(new Set(places).size).toBe(servers.length);
  });

  it('does not depend on the order they are given in, and leaves the given list alone', () => {
    const given = [...servers].reverse();
    expect(permuteServers(storageIndex, given)).toEqual(permuteServers(storageIndex, servers));
    expect(given).toEqual([...servers].reverse());
  });

  it('is another one for another file', () => {
    const other = new Uint8Array(16).fill(0x5b);
    expect(permuteServers(other, servers)).not.toEqual(permuteServers(storageIndex, servers));
  });
});
