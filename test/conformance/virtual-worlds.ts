// Adapters on virtual time: the datagram transport in the simulator's network, the TCP transport over streams as in
// test/tcp/fake-streams.ts.

import { expect } from 'vitest';
import { generateIdentity, swissnumOf } from '../../src/session/identity.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { DEFAULT_TCP_CONFIG } from '../../src/tcp/config.ts';
import { TcpTransport } from '../../src/tcp/tcp-transport.ts';
import type { Peer, Transport } from '../../src/transport/transport.ts';
import { FakeStreams } from '../tcp/fake-streams.ts';
import { type Adapter, CALLS_MAX, type Capabilities, type World } from './world.ts';

const SERVER = '10.0.0.1';
const CLIENT = '10.0.0.2';
const PORT = 4820;

/** What is left to do when everything was closed: words on their way, answers that nobody waits for. */
const AFTERMATH_MS = 60_000;

/** A network that a virtual world is made on. */
interface VirtualNetwork {
  readonly openSockets: number;
  open(host: string, port?: number): Transport;
  silence(): void;
  hear(): void;
  loseNext(): void;
}

export const simulatedDatagrams: Adapter = virtualAdapter(
  'datagrams, simulated',
  { silence: { by: 'evidence', why: 'vanished' }, lossDelays: 'message', exactTime: true },
  (clock) => {
    const random = new SeededRandom(1);
    const network = new SimNetwork({ clock, random, link: { latencyMs: 5 } });
    let opened = 0;
    return {
      get openSockets() {
        return network.openSockets;
      },
      open: (host, port) =>
        openSimTransport({
          network,
          host,
          port,
          random: random.fork(`process ${opened++}`),
          config: { maxCallsPerPeer: CALLS_MAX },
        }),
      silence: () => network.partition([CLIENT], [SERVER]),
      hear: () => network.heal(),
      loseNext: () => {
        // Everything of this instant: what one turn sends leaves together.
        network.cut(CLIENT, SERVER);
        clock.setTimer(1, () => network.mend(CLIENT, SERVER));
      },
    };
  },
);

export const simulatedTcp: Adapter = virtualAdapter(
  'TCP, simulated',
  {
    silence: {
      by: 'limit',
      limitMs: DEFAULT_TCP_CONFIG.pingAfterMs + DEFAULT_TCP_CONFIG.pingTimeoutMs,
      why: 'vanished',
    },
    lossDelays: 'connection',
    exactTime: true,
  },
  (clock) => {
    const random = new SeededRandom(1);
    const network = new FakeStreams(clock);
    const serverIdentity = generateIdentity(random);
    return {
      get openSockets() {
        return network.openSockets;
      },
      open: (host, port) => {
        const identity = port === undefined ? generateIdentity(random) : serverIdentity;
        return new TcpTransport(network.listen(host, port), {
          clock,
          random,
          identity,
          swissnum: swissnumOf(identity),
          soon: (task) => void clock.setTimer(0, task),
        });
      },
      silence: () => network.vanish(SERVER),
      hear: () => network.appear(SERVER),
      loseNext: () => network.loseNext(),
    };
  },
);

function virtualAdapter(
  name: string,
  capabilities: Capabilities,
  makeNetwork: (clock: VirtualClock) => VirtualNetwork,
): Adapter {
  const run = async (body: (world: World) => Promise<void>): Promise<void> => {
    const clock = new VirtualClock();
    const network = makeNetwork(clock);
    const world = new VirtualWorld(clock, network);
    try {
      await clock.runUntil(body(world));
    } finally {
      await clock.runUntil(Promise.all([world.client.close(), world.server.close()]));
    }
    await clock.run({ forMs: AFTERMATH_MS });
    expect({ timers: clock.armedTimers, sockets: network.openSockets }).toEqual({ timers: 0, sockets: 0 });
  };
  return { name, capabilities, run, runCuttable: run };
}

class VirtualWorld implements World {
  readonly clock: VirtualClock;
  readonly client: Transport;
  server: Transport;
  readonly peer: Peer;
  readonly #network: VirtualNetwork;

  constructor(clock: VirtualClock, network: VirtualNetwork) {
    this.clock = clock;
    this.#network = network;
    this.server = network.open(SERVER, PORT);
    this.client = network.open(CLIENT);
    this.peer = this.client.peer(this.server.address);
  }

  async restartServer(): Promise<Transport> {
    await this.server.close();
    this.server = this.#network.open(SERVER, PORT);
    return this.server;
  }

  silence(): void {
    this.#network.silence();
  }

  hear(): void {
    this.#network.hear();
  }

  loseNext(): void {
    this.#network.loseNext();
  }
}
