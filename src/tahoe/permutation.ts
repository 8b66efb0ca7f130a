// The order in which a file's servers are asked: another one for each file, the same one for everybody.
// Who is passed over is grid/'s business.

import { createHash } from 'node:crypto';

/** The servers, those preferred first, sorted by SHA1(storage index ‖ seed), in a new array. */
export function permuteServers<Server extends Placeable>(
  storageIndex: Uint8Array,
  servers: readonly Server[],
): Server[] {
  return servers
    .map((server) => ({
      server,
      place: createHash('sha1').update(storageIndex).update(server.permutationSeed).digest(),
    }))
    .sort(
      (a, b) =>
        Number(b.server.isPreferred ?? false) - Number(a.server.isPreferred ?? false) ||
        Buffer.compare(a.place, b.place),
    )
    .map(({ server }) => server);
}

interface Placeable {
  readonly permutationSeed: Uint8Array;
  readonly isPreferred?: boolean | undefined;
}
