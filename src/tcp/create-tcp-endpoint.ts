// Makes a TCP transport on a real port, the real clock and cryptographic randomness.

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
  /** Overrides of the transport's constants: for experiments and tests. */
  readonly config?: Partial<TcpConfig>;
}

/**
 * Listens on a TCP port and gives a transport on it: connections are made when calls need them. Close it, or
 * `await using` it, to free the port. Peers' addresses are those of the datagram transport; their ports mean TCP.
 * @throws RpcError ADDRESS_IN_USE, HOST_UNKNOWN, BAD_ARGUMENT.
 */
export async function createTcpEndpoint(options: TcpEndpointOptions = {}): Promise<TcpTransport> {
  const network = await openNetStreams(options.host, options.port ?? 0);
  return new TcpTransport(network, {
    clock: systemClock,
    random: systemRandom,
    soon: setImmediate,
    ...(options.config === undefined ? {} : { config: options.config }),
  });
}
