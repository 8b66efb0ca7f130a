// The datagram transport, unmodified, on a simulated host: the same driver, another socket and another clock.

import { createHash } from 'node:crypto';
import { DatagramTransport } from '../datagram/datagram-transport.ts';
import type { ProtocolConfig } from '../protocol/config.ts';
import type { EndpointObserver } from '../protocol/observer.ts';
import { generateIdentity, Identity, swissnumOf } from '../session/identity.ts';
import { formatAddress } from '../transport/address.ts';
import type { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';

/** Where a simulated transport lives. */
export interface SimTransportOptions {
  readonly network: SimNetwork;
  /** The host's address, e.g. `10.0.0.1`. */
  readonly host: string;
  readonly port?: number | undefined;
  readonly random: SeededRandom;
  /** By default, what has a port keeps one identity for all its processes, and what has none is somebody new. */
  readonly identity?: Identity | undefined;
  readonly allow?: ((clientKey: string) => boolean) | undefined;
  /** The wall clock; by default the host's. */
  readonly unixMs?: (() => number) | undefined;
  readonly config?: Partial<ProtocolConfig> | undefined;
  readonly observer?: EndpointObserver | undefined;
}

/** A {@link DatagramTransport} on a socket of the network. */
export function openSimTransport(options: SimTransportOptions): DatagramTransport {
  const { network, host, port, random, allow, config, observer } = options;
  const clock = network.clockOf(host);
  const { identity = port === undefined ? generateIdentity(random) : identityAt(host, port) } = options;
  return new DatagramTransport(network.open(host, port), {
    clock,
    random,
    unixMs: options.unixMs ?? (() => network.unixMsOf(host)),
    identity,
    swissnum: swissnumOf(identity),
    allow,
    soon: (task) => void clock.setTimer(0, task),
    resolve: async (name) => name,
    ...(config === undefined ? {} : { config }),
    observer,
  });
}

/** The identity that a simulated host keeps for a port, and the address of what listens there. */
export function identityAt(host: string, port: number): Identity {
  return new Identity(createHash('sha256').update(`${host} ${port}`).digest());
}

/** The address of what listens at a port of a simulated host, also before it does. */
export function addressAt(host: string, port: number): string {
  const identity = identityAt(host, port);
  return formatAddress({ key: identity.publicKey, hosts: [{ host, port }], swissnum: swissnumOf(identity) });
}
