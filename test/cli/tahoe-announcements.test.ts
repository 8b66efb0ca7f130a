// Files of Tahoe-LAFS's client as grid files. The announcements are as a Tahoe-LAFS 1.20 introducer sends them.

import { expect, test } from 'vitest';
import { base32Encode } from '../../src/base/base32.ts';
import { parseGrid } from '../../src/cli/grid-file.ts';

const ADDRESS = 'pb://r74OZ9NbzrHcbALIdb968ukdBh44s-9PWbUGZzhkqV8@127.0.0.1:39401/x33t4htyzm4wmzxm#v=1';
const FURL = 'pb://zd3hbdftki2dg72aqhsfwksimflggk6r@tcp:127.0.0.1:39401/x33t4htyzm4wmzxm';

const CACHE = `- ann:
    anonymous-storage-FURL: ${FURL}
    anonymous-storage-NURLs:
    - pb://broken
    - ${ADDRESS}
    nickname: s4
    permutation-seed-base32: gvuws4ltmjwwqmtd
    service-name: storage
    version: 0
  key_s: v0-5iiqsbmh2cltvl5tmhk4gabg3s7exiygqmxsirmybagpbtwl6qia
- ann: {anonymous-storage-FURL: "${FURL}", service-name: storage}
  key_s: v0-7nspglib77jsx3d2pud5qsb2ybdtu26mqjcbrsiuxdoydcjzk6aa
- ann: {service-name: stub_client}
  key_s: v0-7nspglib77jsx3d2pud5qsb2ybdtu26mqjcbrsiuxdoydcjzk6aa
- nonsense
`;

test('the cache of an introducer is a grid file; who speaks only Foolscap is left out', () => {
  const { servers } = parseGrid(CACHE, 'introducer_default_cache.yaml');
  expect(servers.map(({ address }) => address)).toEqual([ADDRESS]);
  expect(base32Encode(servers[0]!.permutationSeed!)).toBe('gvuws4ltmjwwqmtd');
});

test('servers.yaml is a grid file; without a seed, the server’s key is its place', () => {
  const text = `storage:
  v0-5iiqsbmh2cltvl5tmhk4gabg3s7exiygqmxsirmybagpbtwl6qia:
    ann:
      nickname: mine
      anonymous-storage-FURL: ${FURL}
      anonymous-storage-NURLs: ["${ADDRESS}"]
`;
  const { servers } = parseGrid(text, 'servers.yaml');
  expect(servers.map(({ address }) => address)).toEqual([ADDRESS]);
  expect(base32Encode(servers[0]!.permutationSeed!)).toBe(
    '5iiqsbmh2cltvl5tmhk4gabg3s7exiygqmxsirmybagpbtwl6qia',
  );
});

test('announcements of Foolscap alone say what to do', () => {
  const text = `storage:\n  v0-aa:\n    ann: {anonymous-storage-FURL: "${FURL}"}\n`;
  expect(() => parseGrid(text, 'servers.yaml')).toThrow('have no address of the HTTP protocol');
  expect(() => parseGrid('storage: {}', 'servers.yaml')).toThrow('announces no storage server');
});

test('addresses of the HTTP protocol stand in a grid file beside others', () => {
  const text = `servers:\n  - ${ADDRESS}\n  - address: ${ADDRESS.replace('39401', '39402')}\n    permutation-seed-base32: mfrgg\n`;
  const { servers } = parseGrid(text, 'grid.yaml');
  expect(servers.map(({ permutationSeed }) => permutationSeed?.length)).toEqual([undefined, 3]);
});

test('a malformed one is named without its secret', () => {
  const text = `servers:\n  - ${ADDRESS.replace('#v=1', '')}\n`;
  expect(() => parseGrid(text, 'grid.yaml')).toThrow(
    'is "pb://r74OZ9NbzrHcbALIdb968ukdBh44s-9PWbUGZzhkqV8@127.0.0.1:39401/…"',
  );
  expect(() => parseGrid(text, 'grid.yaml')).not.toThrow('x33t4htyzm4wmzxm');
  const twice = `servers:\n  - ${ADDRESS}\n  - ${ADDRESS}\n`;
  expect(() => parseGrid(twice, 'grid.yaml')).toThrow('is listed twice');
  expect(() => parseGrid(twice, 'grid.yaml')).not.toThrow('x33t4htyzm4wmzxm');
});
