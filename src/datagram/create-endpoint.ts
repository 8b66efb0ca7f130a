// Makes a datagram transport on a real UDP socket, the real clock and cryptographic randomness.

import { availableParallelism } from 'node:os';
import type { ProtocolConfig } from '../protocol/config.ts';
import type { EndpointObserver } from '../protocol/observer.ts';
import { generateIdentity, type Identity, swissnumOf } from '../session/identity.ts';
import { isSwissnum } from '../transport/address.ts';
import { RpcError } from '../transport/error.ts';
import { systemClock } from '../transport/system-clock.ts';
import { systemRandom } from '../transport/system-random.ts';
import { DatagramTransport } from './datagram-transport.ts';
import { openUdpSocket, resolveHost } from './udp-socket.ts';

/** As long as two processes on one machine take to answer each other. */
const BUSY_POLL_US = 300;
const BUSY_POLL_US_MAX = 10_000;

/** How to make an endpoint. */
export interface EndpointOptions {
  /** Local address or host name to bind to; by default all interfaces, IPv4 and IPv6. */
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
  /**
   * While datagrams to a peer are lost, small messages to it go a second time in the next datagram that leaves, at no
   * cost but bytes. This is what they may cost beyond that, as a part of all datagrams: 0.1 by default. 2 is enough
   * for one more datagram per message, 5 ms behind it: the shortest tail. `false`: nothing goes twice.
   */
  readonly earlyDuplicates?: number | false;
  /**
   * After each datagram the event loop goes on turning, without sleeping, for up to so many microseconds: 300 by default
   * where there is a second processor, and only while answers come in time. Small calls over loopback become twice as fast; to
   * who measures the event loop's utilisation it looks busy. 0: it sleeps whenever it has nothing to do.
   */
  readonly busyPollUs?: number;
  /** Overrides of the protocol's constants: for experiments and tests. */
  readonly config?: Partial<ProtocolConfig>;
  /** Where to write down everything that happens: what `openTraceFile` gives. */
  readonly trace?: { readonly observer: EndpointObserver } | undefined;
}

/**
 * Opens a UDP socket and gives a transport on it; everything that it sends is sealed. Close it, or `await using` it, to free the socket.
 * @throws RpcError ADDRESS_IN_USE, HOST_UNKNOWN, BAD_ARGUMENT.
 */
export async function createEndpoint(options: EndpointOptions = {}): Promise<DatagramTransport> {
  const { identity = generateIdentity(systemRandom), allow, earlyDuplicates } = options;
  // Where there is one processor, who stays awake keeps the other from answering.
  const { busyPollUs = availableParallelism() > 1 ? BUSY_POLL_US : 0 } = options;
  const { swissnum = swissnumOf(identity) } = options;
  if (!isSwissnum(swissnum)) {
    throw new RpcError('BAD_ARGUMENT', 'the swissnum is not 1 to 128 letters, digits, "-" or "_"');
  }
  if (typeof earlyDuplicates === 'number' && !(earlyDuplicates >= 0)) {
    throw new RpcError(
      'BAD_ARGUMENT',
      `earlyDuplicates is ${earlyDuplicates}, not a number from 0, or false`,
    );
  }
  if (typeof busyPollUs !== 'number' || !(busyPollUs >= 0 && busyPollUs <= BUSY_POLL_US_MAX)) {
    throw new RpcError(
      'BAD_ARGUMENT',
      `busyPollUs is ${busyPollUs}, not a number from 0 to ${BUSY_POLL_US_MAX}`,
    );
  }
  const socket = await openUdpSocket(options.host, options.port ?? 0, busyPollUs / 1000);
  const { host } = socket.local;
  const family = host === '::' ? 0 : host.includes(':') ? 6 : 4;
  return new DatagramTransport(socket, {
    clock: systemClock,
    random: systemRandom,
    unixMs: Date.now,
    identity,
    swissnum,
    allow,
    soon: setImmediate,
    resolve: (host) => resolveHost(host, family),
    config: { ...(earlyDuplicates !== undefined && { earlyDuplicates }), ...options.config },
    observer: options.trace?.observer,
  });
}
