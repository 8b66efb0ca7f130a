// What a grid file makes of its servers, before anything is asked of them.

import { expect, test } from 'vitest';
import { base64urlEncode } from '../../src/base/base64url.ts';
import { connectGrid } from '../../src/cli/network.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);

test('a server keeps its place in the permutation when host, port and swissnum of its address change', async () => {
  const seeds: Uint8Array[] = [];
  for (const place of ['10.0.0.1:4820/one', 'nas.local:4999/other']) {
    const address = `nm://${base64urlEncode(KEY)}@${place}`;
    await using grid = await connectGrid({ servers: [{ address, permutationSeed: undefined }] }, {});
    seeds.push(grid.servers[0]!.permutationSeed);
  }
  expect(seeds).toEqual([KEY, KEY]);
});

test('the seed that the grid file names comes before the key', async () => {
  const address = `nm://${base64urlEncode(KEY)}@10.0.0.1:4820/one`;
  const permutationSeed = new Uint8Array([1, 2, 3]);
  await using grid = await connectGrid({ servers: [{ address, permutationSeed }] }, {});
  expect(grid.servers[0]!.permutationSeed).toEqual(permutationSeed);
});
