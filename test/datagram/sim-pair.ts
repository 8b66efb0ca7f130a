// Two or more datagram transports on a simulated network, for tests that play with it.

import type { DatagramTransport } from '../../src/datagram/datagram-transport.ts';
import type { ProtocolConfig } from '../../src/protocol/config.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import type { LinkSettings } from '../../src/sim/link.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { NetworkEvent } from '../../src/sim/trace.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import type { Peer, TransportEvent } from '../../src/transport/transport.ts';

export const SERVER_HOST = '10.0.0.1';
export const SERVER_PORT = 4820;
export const CLIENT_HOST = '10.0.0.2';

export interface SimPairOptions {
  readonly link?: Partial<LinkSettings>;
  readonly config?: Partial<ProtocolConfig>;
  readonly seed?: number;
}

/** A client and a server, and everything that happens between them. */
export class SimPair {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  readonly client: DatagramTransport;
  server: DatagramTransport;
  readonly peer: Peer;
  readonly events: TransportEvent[] = [];
  /** Every datagram sent, with its own copy of the bytes. */
  readonly sent: {
    readonly atMs: number;
    readonly from: string;
    readonly to: string;
    readonly bytes: Uint8Array;
  }[] = [];
  readonly #options: SimPairOptions;
  #servers = 0;

  constructor(options: SimPairOptions = {}) {
    this.#options = options;
    this.random = new SeededRandom(options.seed ?? 1);
    this.network = new SimNetwork({
      clock: this.clock,
      random: this.random.fork('network'),
      link: { latencyMs: 5, ...options.link },
      trace: (event) => this.#record(event),
    });
    this.server = this.startServer();
    this.client = openSimTransport({
      network: this.network,
      host: CLIENT_HOST,
      random: this.random.fork('client'),
      config: options.config,
    });
    this.peer = this.client.peer(this.server.address);
    this.client.subscribe((event) => this.events.push(event));
  }

  /** A server process on the server's address: the first one, or the next after a crash. */
  startServer(): DatagramTransport {
    this.server = openSimTransport({
      network: this.network,
      host: SERVER_HOST,
      port: SERVER_PORT,
      random: this.random.fork(`server ${this.#servers++}`),
      config: this.#options.config,
    });
    return this.server;
  }

  #record(event: NetworkEvent): void {
    if (event.kind !== 'sent') return;
    const { from, to, bytes } = event.datagram;
    this.sent.push({ atMs: event.atMs, from: from.host, to: to.host, bytes: bytes.slice() });
  }

  bytesTo(host: string): number {
    return this.sent
      .filter((datagram) => datagram.to === host)
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Lets virtual time pass until `promise` settles. */
  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntil(promise, 600_000);
  }

  /** Lets time pass, whatever happens in it. */
  async pass(ms: number): Promise<void> {
    await this.clock.run({ forMs: ms });
  }

  /** Resolves at a later virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimer(ms, resolve));
  }

  /** Closes both, lets what is on its way arrive, and says what is left: it must be nothing. */
  async close(): Promise<{ timers: number; sockets: number }> {
    await this.run(Promise.all([this.client.close(), this.server.close()]));
    await this.pass(10_000);
    return { timers: this.clock.armedTimers, sockets: this.network.openSockets };
  }
}

/** What became of each call: its answer, or the code of its error. */
export async function outcomes(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((call) =>
    call.status === 'fulfilled' ? call.value : ((call.reason as { code?: unknown }).code ?? call.reason),
  );
}
