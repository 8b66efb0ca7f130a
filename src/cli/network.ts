// The one place where the command line makes a transport, and where a grid becomes the storage servers that the
// grid client knows. A second transport is a second case here.

import type { Random } from '../base/random.ts';
import { createEndpoint } from '../datagram/create-endpoint.ts';
import { RemoteStorageServer } from '../storage/remote-server.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { systemRandom } from '../transport/system-random.ts';
import type { Transport } from '../transport/transport.ts';
import type { Grid } from './grid-file.ts';

/** Where a transport is bound. */
export interface TransportOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

/** Opens the transport. @throws RpcError when it cannot be bound. */
export function openTransport(options: TransportOptions = {}): Promise<Transport> {
  return createEndpoint({
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: options.port }),
  });
}

/** What the grid client needs of the world, until it is disposed. */
export interface GridConnection extends AsyncDisposable {
  readonly servers: readonly StorageServer[];
  readonly transport: Transport;
  readonly random: Random;
}

/** The servers of a grid over a transport of their own. Nothing is sent before something is asked of them. */
export async function connectGrid(grid: Grid): Promise<GridConnection> {
  const transport = await openTransport();
  return {
    servers: grid.servers.map(
      ({ address, permutationSeed }) =>
        new RemoteStorageServer(
          transport.peer(address),
          permutationSeed === undefined ? {} : { permutationSeed },
        ),
    ),
    transport,
    random: systemRandom,
    [Symbol.asyncDispose]: () => transport.close(),
  };
}
