// TCP by node:net: a listening port and connections, as the transport wants them (byte-stream.ts).
//
// Nagle's algorithm is off: frames are gathered per turn of the event loop, waiting for more only delays. The system's
// keep-alive is on, for connections on which nothing is outstanding: after 60 s without traffic Node has it probe
// every second, and ten unanswered probes end the connection. What is outstanding is watched over by client-peer.ts.

import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { HostAndPort } from '../transport/address.ts';
import { formatSocketAddress } from '../transport/address.ts';
import { bindError } from '../transport/bind-error.ts';
import { PortProbes } from '../transport/port-probes.ts';
import type { ByteStream, StreamNetwork } from './byte-stream.ts';

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 } as const;

/**
 * Listens. Without a host on all interfaces, for both IP versions where there are two; `port` 0 is any free one.
 * @throws RpcError ADDRESS_IN_USE, HOST_UNKNOWN, BAD_ARGUMENT.
 */
export function openNetStreams(host: string | undefined, port: number): Promise<StreamNetwork> {
  const server = createServer(SOCKET_OPTIONS);
  return new Promise((resolve, reject) => {
    const where = `TCP ${formatSocketAddress({ host: host ?? '::', port })}`;
    const refuse = (cause: unknown): void => reject(bindError(cause, where));
    server.once('error', refuse);
    server.listen({ port, exclusive: true, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', refuse);
      resolve(new NetStreams(server));
    });
  });
}

class NetStreams implements StreamNetwork {
  readonly local: HostAndPort;
  onStream: (stream: ByteStream) => void = (stream) => stream.destroy();
  readonly #server: Server;
  readonly #streams = new Set<NetStream>();
  readonly #probes = new PortProbes();

  constructor(server: Server) {
    this.#server = server;
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new TypeError('a TCP server has an IP address');
    this.local = { host: bound.address, port: bound.port };
    server.on('connection', (socket) => {
      const { remoteAddress = '', remotePort = 0 } = socket;
      this.onStream(this.#add(socket, { host: withoutMapping(remoteAddress), port: remotePort }));
    });
    // One connection that could not be accepted must not end the process.
    server.on('error', () => {});
  }

  connect(to: HostAndPort): ByteStream {
    return this.#add(dial({ ...SOCKET_OPTIONS, host: to.host, port: to.port }), to);
  }

  askMachine(at: HostAndPort, onAlive: () => void): void {
    this.#probes.askMachine(at, onAlive);
  }

  async close(): Promise<void> {
    this.#probes.close();
    const gone = [...this.#streams].map((stream) => stream.gone);
    const stopped = new Promise((resolve) => this.#server.close(resolve));
    for (const stream of this.#streams) stream.destroy();
    await Promise.all([stopped, ...gone]);
  }

  #add(socket: Socket, remote: HostAndPort): NetStream {
    const stream = new NetStream(socket, remote);
    this.#streams.add(stream);
    void stream.gone.then(() => this.#streams.delete(stream));
    return stream;
  }
}

class NetStream implements ByteStream {
  readonly remote: HostAndPort;
  /** The operating system has let go of it. */
  readonly gone: Promise<void>;
  onOpen: () => void = () => {};
  onBytes: (bytes: Uint8Array) => void = () => {};
  onWritten: () => void = () => {};
  onClosed: (code: string | undefined) => void = () => {};
  readonly #socket: Socket;
  /** Something that was written is still here. */
  #waiting = false;
  #over = false;

  constructor(socket: Socket, remote: HostAndPort) {
    this.#socket = socket;
    this.remote = remote;
    this.gone = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('connect', () => this.onOpen());
    socket.on('data', (bytes: Buffer) => {
      if (!this.#over) this.onBytes(bytes);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code));
    socket.on('end', () => this.#end(undefined));
    socket.on('close', () => this.#end(undefined));
  }

  write(parts: readonly Uint8Array[]): boolean {
    // Corked, so that all parts go to the system in one call.
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part, this.#onTaken);
    this.#socket.uncork();
    if (this.#socket.writableLength === 0) return true;
    this.#waiting = true;
    return false;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  /** One of the writes is done, perhaps one that was so at once. */
  readonly #onTaken = (): void => {
    if (!this.#waiting || this.#over || this.#socket.writableLength > 0) return;
    this.#waiting = false;
    this.onWritten();
  };

  #end(code: string | undefined): void {
    if (this.#over) return;
    this.destroy();
    this.onClosed(code);
  }
}

/** How a socket for both IP versions writes an IPv4 address (RFC 4291, 2.5.5.2). */
const IPV4_MAPPED = '::ffff:';

function withoutMapping(host: string): string {
  return host.startsWith(IPV4_MAPPED) ? host.slice(IPV4_MAPPED.length) : host;
}
