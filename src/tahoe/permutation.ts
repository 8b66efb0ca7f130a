// The order in which a file's servers are asked: another one for each file, the same one for everybody.
// Who is preferred, and who is passed over, is grid/'s business.

import { createHash } from 'node:crypto';

/** The servers sorted by SHA1(storage index ‖ seed), in a new array. */
export function permuteServers<Server extends { readonly permutationSeed: Uint8Array }>(
  storageIndex: Uint8Array,
  servers: readonly Server[],
): Server[] {
  return servers
    .map((server) => ({
      server,
      place: createHash('sha1').update(storageIndex).update(server.permutationSeed).digest(),
    }))
    .sort((a, b) => Buffer.compare(a.place, b.place))
    .map(({ server }) => server);
}
