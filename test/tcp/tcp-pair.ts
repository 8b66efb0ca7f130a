// A client and a server on streams of virtual time, for tests that play with their connections.

import { generateIdentity, type Identity, swissnumOf } from '../../src/session/identity.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { ByteStream } from '../../src/tcp/byte-stream.ts';
import type { TcpConfig } from '../../src/tcp/config.ts';
import { capabilityOf, sealAccepted, sealDialled } from '../../src/tcp/sealed-stream.ts';
import { TcpTransport } from '../../src/tcp/tcp-transport.ts';
import type { Peer, TransportEvent } from '../../src/transport/transport.ts';
import { FakeStreams } from './fake-streams.ts';

export const SERVER = '10.0.0.1';
export const CLIENT = '10.0.0.2';
export const PORT = 4820;

export interface TcpPairOptions {
  readonly config?: Partial<TcpConfig>;
  readonly bufferBytes?: number;
}

/** A stream that a test has dialled, and what came of it. */
export interface Dialled {
  readonly stream: ByteStream;
  readonly received: () => Buffer;
  readonly closed: () => boolean;
  /** With which it was closed. */
  readonly code: () => string | undefined;
}

export class TcpPair {
  readonly clock: VirtualClock = new VirtualClock();
  readonly net: FakeStreams;
  readonly client: TcpTransport;
  server: TcpTransport;
  readonly peer: Peer;
  readonly events: TransportEvent[] = [];
  readonly #options: TcpPairOptions;
  readonly #random = new SeededRandom(1);
  /** The server's, over all its processes. */
  readonly identity: Identity = generateIdentity(this.#random);
  /** Whom the server lets in. */
  allows: (clientKey: string) => boolean = () => true;

  constructor(options: TcpPairOptions = {}) {
    this.#options = options;
    this.net = new FakeStreams(this.clock, {
      ...(options.bufferBytes === undefined ? {} : { bufferBytes: options.bufferBytes }),
    });
    this.server = this.open(SERVER, PORT);
    this.client = this.open(CLIENT);
    this.peer = this.client.peer(this.server.address);
    this.client.subscribe((event) => {
      if (event.type !== 'peer:overdue') this.events.push(event);
    });
  }

  open(host: string, port?: number): TcpTransport {
    const clock = this.net.clockOf(host);
    const identity = port === undefined ? generateIdentity(this.#random) : this.identity;
    return new TcpTransport(this.net.listen(host, port), {
      clock,
      random: this.#random,
      identity,
      swissnum: swissnumOf(identity),
      allow: (key) => this.allows(key),
      soon: (task) => void clock.setTimer(0, task),
      ...(this.#options.config === undefined ? {} : { config: this.#options.config }),
    });
  }

  startServer(): TcpTransport {
    this.server = this.open(SERVER, PORT);
    return this.server;
  }

  /** Dials the server without a transport; gives the stream, sealed and open, and what comes over it. */
  async dial(): Promise<Dialled> {
    const swissnum = swissnumOf(this.identity);
    return this.dialAs({
      identity: generateIdentity(this.#random),
      capability: capabilityOf(this.identity.publicKey, swissnum),
    });
  }

  /** As somebody, with a capability that may be wrong. */
  dialAs({ identity, capability }: { identity: Identity; capability: Uint8Array }): Promise<Dialled> {
    const server = { key: this.identity.publicKey, capability };
    const guard = { identity, capability, allows: () => true, random: this.#random };
    return this.#watch(sealDialled(this.dialBare(), server, guard, () => {}));
  }

  /** The server's end of a handshake, for tests that have a server of their own at its port. */
  accept(stream: ByteStream, onAccepted: (sealed: ByteStream) => void): void {
    const { identity } = this;
    const capability = capabilityOf(identity.publicKey, swissnumOf(identity));
    const guard = { identity, capability, allows: () => true, random: this.#random };
    sealAccepted(stream, guard, onAccepted, () => {});
  }

  /** A stream to the server's port, as any stranger can have it. */
  dialBare(): ByteStream {
    return this.net.listen('10.0.0.9').connect({ host: SERVER, port: PORT });
  }

  async #watch(stream: ByteStream): Promise<Dialled> {
    const chunks: Uint8Array[] = [];
    let closed: string | undefined | false = false;
    stream.onBytes = (bytes) => chunks.push(bytes);
    const open = new Promise<void>((resolve) => {
      stream.onOpen = resolve;
      stream.onClosed = (code) => {
        closed = code ?? 'closed';
        resolve();
      };
    });
    await this.run(open);
    return {
      stream,
      received: () => Buffer.concat(chunks),
      closed: () => closed !== false,
      code: () => closed || undefined,
    };
  }

  /** Makes the connection, so that what is called next reaches the server after one latency. */
  async connect(): Promise<void> {
    await this.run(outcomes([this.peer.call('no such method', null)]));
  }

  /** Lets virtual time pass until `promise` settles. */
  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntil(promise);
  }

  /** Lets time pass, whatever happens in it. */
  async pass(ms: number): Promise<void> {
    await this.clock.run({ forMs: ms });
  }
}

/** What became of each call: its answer, or the code of its error and whether it has run. */
export async function outcomes(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((call) =>
    call.status === 'fulfilled' ? call.value : `${call.reason.code}, executed: ${call.reason.executed}`,
  );
}
