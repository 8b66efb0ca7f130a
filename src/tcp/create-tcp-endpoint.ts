// Makes a TCP transport on a real port, the real clock and cryptographic randomness.

import { generateIdentity, type Identity, swissnumOf } from '../session/identity.ts';
import { isSwissnum } from '../transport/address.ts';
import { RpcError } from '../transport/error.ts';
import { systemClock } from '../transport/system-clock.ts';
import { systemRandom } from '../transport/system-random.ts';
import type { TcpConfig } from './config.ts';
import { openNetStreams } from './net-streams.ts';
import { TcpTransport } from './tcp-transport.ts';

/** How to make an endpoint. */
export interface TcpEndpointOptions {
  /** Local address or host name to listen on; by default all interfaces, IPv4 and IPv6. */
  readonly host?: string;
  /** 0 (default): any free port. */
  readonly port?: number;
  /** Who this endpoint is; by default somebody new. What keeps its address must keep its identity. */
  readonly identity?: Identity;
  /** What who calls must have been told besides key and host; by default it follows from the identity. */
  readonly swissnum?: string;
  /**
   * Whether the owner of a public key (its text, 43 characters) may call; by default everybody with the address. Asked
   * for each request, so that what it says now holds from now on.
   */
  readonly allow?: (clientKey: string) => boolean;
  /** Overrides of the transport's constants: for experiments and tests. */
  readonly config?: Partial<TcpConfig>;
}

/**
 * Listens on a TCP port and gives a transport on it: connections, all of them sealed, are made when calls need them.
 * Close it, or `await using` it, to free the port. Peers' addresses are those of the datagram transport; their ports mean TCP.
 * @throws RpcError ADDRESS_IN_USE, HOST_UNKNOWN, BAD_ARGUMENT.
 */
export async function createTcpEndpoint(options: TcpEndpointOptions = {}): Promise<TcpTransport> {
  const { identity = generateIdentity(systemRandom), allow } = options;
  const { swissnum = swissnumOf(identity) } = options;
  if (!isSwissnum(swissnum)) {
    throw new RpcError('BAD_ARGUMENT', 'the swissnum is not 1 to 128 letters, digits, "-" or "_"');
  }
  const network = await openNetStreams(options.host, options.port ?? 0);
  return new TcpTransport(network, {
    clock: systemClock,
    random: systemRandom,
    identity,
    swissnum,
    allow,
    soon: setImmediate,
    ...(options.config === undefined ? {} : { config: options.config }),
  });
}
