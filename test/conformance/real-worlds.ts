// Adapters on real sockets, over loopback. Silence is made by a relay between the two.

import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { createEndpoint } from '../../src/datagram/create-endpoint.ts';
import { Identity } from '../../src/session/identity.ts';
import { createTcpEndpoint } from '../../src/tcp/create-tcp-endpoint.ts';
import type { Peer, Transport } from '../../src/transport/transport.ts';
import { hostOf } from '../transport/addresses.ts';
import { openDatagramRelay, openStreamRelay, type Relay } from './relays.ts';
import { type Adapter, CALLS_MAX, type Capabilities, type World } from './world.ts';

/** How a real world is made. */
interface RealKind {
  /** `impatient`: time limits that were set by hand are short. */
  open(port: number, impatient: boolean, identity: Identity): Promise<Transport>;
  openRelay(serverAddress: string): Promise<Relay>;
}

export const realDatagrams: Adapter = realAdapter(
  'datagrams on real sockets',
  { silence: { by: 'evidence', why: 'frozen' }, lossDelays: 'message', exactTime: false },
  {
    open: (port, _impatient, identity) =>
      createEndpoint({ host: '127.0.0.1', port, identity, config: { maxCallsPerPeer: CALLS_MAX } }),
    openRelay: openDatagramRelay,
  },
);

/** Where silence is waited for; too short for a machine that is busy with something else. */
const LIMITS = { pingAfterMs: 200, pingTimeoutMs: 400 };

export const realTcp: Adapter = realAdapter(
  'TCP on real sockets',
  {
    silence: { by: 'limit', limitMs: LIMITS.pingAfterMs + LIMITS.pingTimeoutMs, why: 'frozen' },
    lossDelays: 'connection',
    exactTime: false,
  },
  {
    open: (port, impatient, identity) =>
      createTcpEndpoint({ host: '127.0.0.1', port, identity, config: impatient ? LIMITS : {} }),
    openRelay: openStreamRelay,
  },
);

function realAdapter(name: string, capabilities: Capabilities, kind: RealKind): Adapter {
  const runWith = async (cuttable: boolean, body: (world: World) => Promise<void>): Promise<void> => {
    const before = openHandles();
    const identity = new Identity(randomBytes(32));
    const server = await kind.open(0, cuttable, identity);
    const client = await kind.open(0, cuttable, new Identity(randomBytes(32)));
    const relay = cuttable ? await kind.openRelay(server.address) : undefined;
    const world = new RealWorld(kind, identity, client, server, relay);
    try {
      await body(world);
    } finally {
      await Promise.all([world.client.close(), world.server.close(), relay?.close()]);
    }
    // Handles go in the turn after their `close` event.
    await new Promise(setImmediate);
    expect(openHandles()).toEqual(before);
  };
  return {
    name,
    capabilities,
    run: (body) => runWith(false, body),
    runCuttable: (body) => runWith(true, body),
  };
}

class RealWorld implements World {
  readonly clock: Clock;
  readonly client: Transport;
  server: Transport;
  readonly peer: Peer;
  readonly #kind: RealKind;
  /** The server keeps it when it restarts. */
  readonly #identity: Identity;
  readonly #relay: Relay | undefined;

  constructor(
    kind: RealKind,
    identity: Identity,
    client: Transport,
    server: Transport,
    relay: Relay | undefined,
  ) {
    this.#kind = kind;
    this.#identity = identity;
    this.client = client;
    this.server = server;
    this.#relay = relay;
    this.clock = client.clock;
    this.peer = client.peer(relay?.address ?? server.address);
  }

  async restartServer(): Promise<Transport> {
    const { port } = hostOf(this.server.address);
    await this.server.close();
    this.server = await this.#kind.open(port, this.#relay !== undefined, this.#identity);
    return this.server;
  }

  silence(): void {
    this.#relay!.silence();
  }

  hear(): void {
    this.#relay!.hear();
  }
}

/** Sockets of this process. Timers are counted on virtual time: here, others have some too. */
function openHandles(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = { UDPWRAP: 0, TCPSocketWrap: 0, TCPServerWrap: 0 };
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind in counts) counts[kind]!++;
  }
  return counts;
}
