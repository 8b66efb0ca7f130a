// The datagram transport, unmodified, on a simulated host: the same driver, another socket and another clock.

import { DatagramTransport } from '../datagram/datagram-transport.ts';
import type { ProtocolConfig } from '../protocol/config.ts';
import type { EndpointObserver } from '../protocol/observer.ts';
import type { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';

/** Where a simulated transport lives. */
export interface SimTransportOptions {
  readonly network: SimNetwork;
  /** The host's address, e.g. `10.0.0.1`. */
  readonly host: string;
  readonly port?: number | undefined;
  readonly random: SeededRandom;
  readonly config?: Partial<ProtocolConfig> | undefined;
  readonly observer?: EndpointObserver | undefined;
}

/** A {@link DatagramTransport} on a socket of the network. */
export function openSimTransport(options: SimTransportOptions): DatagramTransport {
  const { network, host, port, random, config, observer } = options;
  const clock = network.clockOf(host);
  return new DatagramTransport(network.open(host, port), {
    clock,
    random,
    soon: (task) => void clock.setTimer(0, task),
    resolve: async (name) => name,
    ...(config === undefined ? {} : { config }),
    observer,
  });
}
