// Shares of version 2, which files beyond 4 GiB have, in small: bench/huge-file.ts has a large one.

import { describe, expect, it } from 'vitest';
import { verify } from '../../src/grid/verify.ts';
import { encodeShareHeader, parseShareHeader } from '../../src/tahoe/share-layout.ts';
import { fileOf, GridFixture } from './grid-fixture.ts';

/** The same share as a writer of version 2 lays it out: wider numbers in the header and before the URI extension. */
function asVersion2(share: Uint8Array): Uint8Array {
  const old = parseShareHeader(share, share.length);
  const shift = 0x44 - 0x24;
  const header = encodeShareHeader({
    version: 2,
    blockSizeBytes: old.blockSizeBytes,
    dataSizeBytes: old.dataSizeBytes,
    dataOffset: old.dataOffset + shift,
    plaintextTreeOffset: old.plaintextTreeOffset + shift,
    crypttextTreeOffset: old.crypttextTreeOffset + shift,
    blockTreeOffset: old.blockTreeOffset + shift,
    shareChainOffset: old.shareChainOffset + shift,
    uriExtensionOffset: old.uriExtensionOffset + shift,
  });
  const body = share.subarray(old.dataOffset, old.uriExtensionOffset);
  return Buffer.concat([header, body, new Uint8Array(4), share.subarray(old.uriExtensionOffset)]);
}

describe('shares of version 2', () => {
  it.each([20_000, 2_000_000])('are read and verified beside those of version 1, %d bytes', async (size) => {
    const file = fileOf(size);
    const grid = new GridFixture(10);
    const { capability } = await grid.put(file, { segmentSizeBytes: 64 * 1024 });
    for (const { shares } of grid.servers.slice(2)) {
      for (const [number, share] of shares) shares.set(number, asVersion2(share));
    }
    for (const lost of grid.servers.slice(0, 2)) lost.shares.clear();
    expect(Buffer.compare(await grid.get(capability), file)).toBe(0);
    const health = await grid.run(
      verify(capability, grid.servers, { clock: grid.clock, random: grid.random }),
    );
    expect(health).toMatchObject({ sharesFound: 8, corrupt: [], unread: [] });
  });
});
