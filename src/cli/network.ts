// The one place where the command line makes a transport, and where a grid becomes the storage servers that the
// grid client knows: nodes over a transport, and those that speak Tahoe-LAFS's HTTP protocol.

import type { Random } from '../base/random.ts';
import { ResponseTimes } from '../base/response-times.ts';
import { createEndpoint } from '../datagram/create-endpoint.ts';
import { type GbsContext, GbsStorageServer } from '../gbs/gbs-server.ts';
import { isHttpAddress, parseNurl } from '../gbs/nurl.ts';
import type { Identity } from '../session/identity.ts';
import { RemoteStorageServer } from '../storage/remote-server.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { createTcpEndpoint } from '../tcp/create-tcp-endpoint.ts';
import type { TraceFile } from '../trace/trace-file.ts';
import { parseAddress } from '../transport/address.ts';
import { systemRandom } from '../transport/system-random.ts';
import type { Transport } from '../transport/transport.ts';
import type { Grid } from './grid-file.ts';
import { readKeyFile } from './key-file.ts';

/** What carries the calls: `--transport`. */
export type TransportKind = 'udp' | 'tcp';

/** Which transport, and where it is bound. */
export interface TransportOptions {
  /** Default `udp`. */
  readonly transport?: TransportKind | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** A file with a key; without one, the endpoint is somebody new. */
  readonly key?: string | undefined;
  /** Where to write down what happens; over UDP. */
  readonly trace?: TraceFile | undefined;
}

/** Who a server is, and whom it lets in. */
export interface ServiceIdentity {
  readonly identity: Identity;
  readonly swissnum?: string;
  readonly allow?: (clientKey: string) => boolean;
}

/** Opens the transport. @throws RpcError when it cannot be bound. */
export function openTransport(
  options: TransportOptions,
  who?: ServiceIdentity | undefined,
): Promise<Transport> {
  const { transport = 'udp', host, port, trace } = options;
  const where = { ...(host !== undefined && { host }), ...(port !== undefined && { port }), ...who };
  switch (transport) {
    case 'udp':
      return createEndpoint({ ...where, trace });
    case 'tcp':
      return createTcpEndpoint(where);
    default:
      return transport satisfies never;
  }
}

/** What the grid client needs of the world, until it is disposed. */
export interface GridConnection extends AsyncDisposable {
  readonly servers: readonly StorageServer[];
  readonly transport: Transport;
  readonly random: Random;
}

/** The servers of a grid over a transport of their own. Nothing is sent before something is asked of them. */
export async function connectGrid(grid: Grid, options: TransportOptions): Promise<GridConnection> {
  const { transport: kind, trace, key } = options;
  const who = key === undefined ? undefined : { identity: await readKeyFile(key) };
  const transport = await openTransport({ transport: kind, trace }, who);
  const context = gbsContext(transport);
  const overHttp = new Set<GbsStorageServer>();
  const servers = grid.servers.map(({ address, permutationSeed, isPreferred }): StorageServer => {
    if (!isHttpAddress(address)) {
      // Its key stays when its address changes, and so do the places of its shares, and its leases.
      const place = { permutationSeed: permutationSeed ?? parseAddress(address).key, isPreferred };
      return new RemoteStorageServer(transport.peer(address), place);
    }
    const server = new GbsStorageServer(parseNurl(address), context, { permutationSeed, isPreferred });
    overHttp.add(server);
    return server;
  });
  return {
    servers,
    transport,
    random: systemRandom,
    [Symbol.asyncDispose]: async () => {
      for (const server of overHttp) server[Symbol.dispose]();
      await transport.close();
    },
  };
}

/** For servers over HTTP that are to learn together; hedges are paid from the purse of the transport beside them. */
export function gbsContext({ clock, retries }: Transport): GbsContext {
  return { clock, retries, random: systemRandom, cohort: new ResponseTimes() };
}
