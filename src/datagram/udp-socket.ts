// The UDP socket under the driver. dgram-as-promised creates, binds and closes it; receiving and sending in the
// hot path go to the inner socket, because recv() and `for await` lose what arrives between two calls
// (spec/decisions/0003-dgram-as-promised.md).

import dns from 'node:dns/promises';
import { isIP } from 'node:net';
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised';
import { bindError } from '../transport/bind-error.ts';
import { RpcError } from '../transport/error.ts';
import { PortProbes } from '../transport/port-probes.ts';
import { BusyPoll, type EventLoop } from './busy-poll.ts';
import type { DatagramSocket, SocketAddress } from './datagram-socket.ts';

/** Asked of the operating system for each direction; it may give less. 208 KiB, a common default, lost 408 of 500
 * datagrams of one burst over loopback. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/** The largest payload of a UDP datagram over IPv4, which loopback carries. */
const LOOPBACK_DATAGRAM_BYTES = 65_507;

/** What an Ethernet carries of a UDP datagram over IPv6; paths that carry more are rare outside of one machine. */
const ETHERNET_DATAGRAM_BYTES = 1452;

/**
 * Opens and binds a socket. Without a host it takes datagrams of both IP versions on all interfaces; `port` 0 is
 * any free one. `busyPollMs`: {@link BusyPoll}'s limit. @throws RpcError ADDRESS_IN_USE, HOST_UNKNOWN, BAD_ARGUMENT.
 */
export async function openUdpSocket(
  host: string | undefined,
  port: number,
  busyPollMs: number,
): Promise<UdpSocket> {
  if (host !== undefined) return bindTo(host, await resolveHost(host, 0), port, busyPollMs);
  try {
    return await bindTo('::', '::', port, busyPollMs);
  } catch (error) {
    const { code } = (error as RpcError).cause as NodeJS.ErrnoException;
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    // A machine without IPv6.
    return bindTo('0.0.0.0', '0.0.0.0', port, busyPollMs);
  }
}

async function bindTo(host: string, address: string, port: number, busyPollMs: number): Promise<UdpSocket> {
  const socket = DgramAsPromised.createSocket({
    type: isIP(address) === 6 ? 'udp6' : 'udp4',
    recvBufferSize: SOCKET_BUFFER_BYTES,
    sendBufferSize: SOCKET_BUFFER_BYTES,
    // Addresses are resolved before they come here: skipping the resolver keeps sending synchronous. The family is not
    // looked at, and finding it out for each datagram takes longer than sealing one.
    lookup: (name, _options, done) => done(null, name, 0),
  });
  try {
    const bound = await socket.bind({ address, port, exclusive: true });
    const busyPoll = new BusyPoll(busyPollMs, EVENT_LOOP);
    return new UdpSocket(socket, { host: bound.address, port: bound.port }, busyPoll);
  } catch (error) {
    await socket.close().catch(() => {});
    throw bindError(error, `UDP ${host}:${port}`);
  }
}

/** Both taken at once: a test that replaces the one and not the other must not have the loop turn for ever. */
const EVENT_LOOP: EventLoop = { now: performance.now.bind(performance), nextTurn: setImmediate };

/** The IP address of a host name, the same family as `like` prefers: 4, 6, or 0 for any. @throws RpcError HOST_UNKNOWN. */
export async function resolveHost(host: string, family: 0 | 4 | 6): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await dns.lookup(host, { family })).address;
  } catch (cause) {
    throw new RpcError(
      'HOST_UNKNOWN',
      `no address is known for the host "${host}"; check the name and the resolver`,
      {
        peer: host,
        cause,
      },
    );
  }
}

/** How a socket for both IP versions writes an IPv4 address (RFC 4291, 2.5.5.2). */
const IPV4_MAPPED = '::ffff:';

/** A bound UDP socket. */
export class UdpSocket implements DatagramSocket {
  readonly local: SocketAddress;
  readonly #bothVersions: boolean;
  onDatagram: (bytes: Uint8Array, from: SocketAddress) => void = () => {};
  onSendError: (to: SocketAddress, code: string, sizeBytes: number) => void = () => {};
  onTaken: () => void = () => {};
  readonly #socket: SocketAsPromised;
  readonly #probes = new PortProbes();
  readonly #busyPoll: BusyPoll;
  /** Who sent last, and how the system wrote it: most datagrams come from the one that the last one came from. */
  #lastFrom: SocketAddress = { host: '', port: 0 };
  #lastFromText = '';
  /** The same of what is sent to. */
  #lastToHost = '';
  #lastToText = IPV4_MAPPED;
  #closed = false;

  constructor(socket: SocketAsPromised, local: SocketAddress, busyPoll: BusyPoll) {
    this.#socket = socket;
    this.local = local;
    this.#busyPoll = busyPoll;
    this.#bothVersions = local.host === '::';
    socket.socket.on('message', (bytes, { address, port }) => {
      // RFC 768 allows it, nobody can answer it, and Node throws at who tries.
      if (port === 0) return;
      this.#busyPoll.onReceived();
      this.onDatagram(bytes, this.#addressOf(address, port));
    });
    // Errors of sending come to the callback of `send`; one of the socket itself must not end the process.
    socket.socket.on('error', () => {});
  }

  #textOf(host: string): string {
    if (!this.#bothVersions || host.includes(':')) return host;
    if (host !== this.#lastToHost) {
      this.#lastToHost = host;
      this.#lastToText = IPV4_MAPPED + host;
    }
    return this.#lastToText;
  }

  #addressOf(address: string, port: number): SocketAddress {
    if (port === this.#lastFrom.port && address === this.#lastFromText) return this.#lastFrom;
    const host = address.startsWith(IPV4_MAPPED) ? address.slice(IPV4_MAPPED.length) : address;
    this.#lastFromText = address;
    this.#lastFrom = { host, port };
    return this.#lastFrom;
  }

  /** What the operating system gave of the buffer that was asked for. */
  get receiveBufferBytes(): number {
    return this.#socket.getRecvBufferSize();
  }

  datagramCeilingBytes(to: SocketAddress): number {
    return isLoopback(to.host) ? LOOPBACK_DATAGRAM_BYTES : ETHERNET_DATAGRAM_BYTES;
  }

  askWhetherOpen(to: SocketAddress): void {
    this.#probes.ask(to, () => this.onSendError(to, 'ECONNREFUSED', 0));
  }

  askMachine(at: SocketAddress, onAlive: () => void): void {
    this.#probes.askMachine(at, onAlive);
  }

  get queuedBytes(): number {
    return this.#closed ? 0 : this.#socket.socket.getSendQueueSize();
  }

  send(bytes: Uint8Array, to: SocketAddress): void {
    if (this.#closed) return;
    this.#busyPoll.onSent();
    this.#socket.socket.send(bytes, 0, bytes.length, to.port, this.#textOf(to.host), (error) => {
      if (error) this.onSendError(to, (error as NodeJS.ErrnoException).code ?? 'UNKNOWN', bytes.length);
      this.onTaken();
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#probes.close();
    this.#busyPoll.close();
    await this.#socket.close();
  }
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1';
}
