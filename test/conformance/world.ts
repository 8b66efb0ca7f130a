// What the conformance suite asks of an adapter: a client and a server on a network of its own, real or virtual, and
// what that network can be told to do. The tests are written against this and know neither UDP nor TCP.

import type { SilenceReason } from '../../src/base/call-report.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { Peer, Transport } from '../../src/transport/transport.ts';

/** Calls that may be outstanding to one peer in each world: what TCP has by default; datagrams allow more. */
export const CALLS_MAX = 4096;

/** One client, one server, and what is between them. */
export interface World {
  readonly clock: Clock;
  readonly client: Transport;
  /** The one that serves now. */
  readonly server: Transport;
  /** The server, as the client reaches it. */
  readonly peer: Peer;
  /** Closes the server, and opens another one, without handlers, at the same address. */
  restartServer(): Promise<Transport>;
  /** From now on nothing gets from the server to the client, or the other way. */
  silence(): void;
  /** Ends the silence. */
  hear(): void;
  /** The network loses what the client sends next, once. Absent where the network cannot be told. */
  readonly loseNext?: () => void;
}

/** What tests may expect of a transport beyond what all of them do. Stated by each, and tested for each. */
export interface Capabilities {
  /**
   * How a peer is found out that does not answer. `evidence`: by acknowledgements that do not come, in a time that
   * follows from the path. `limit`: by a time limit that somebody has set by hand, and never before it.
   */
  readonly silence: ({ readonly by: 'evidence' } | { readonly by: 'limit'; readonly limitMs: number }) & {
    /** What the silence of these worlds is: over loopback the machine itself goes on answering. */
    readonly why: SilenceReason;
  };
  /** What waits for the repetition of a lost packet: the message that it was of, or all that came behind it. */
  readonly lossDelays: 'message' | 'connection';
  /** Durations can be asserted, for time is virtual. */
  readonly exactTime: boolean;
}

/** A transport to be tested. */
export interface Adapter {
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Runs a test in a world of its own, then closes both transports and checks that nothing is left of them: no
   * sockets and, where time is virtual, no timers.
   */
  run(body: (world: World) => Promise<void>): Promise<void>;
  /** The same, in a world in which `silence` works. */
  runCuttable(body: (world: World) => Promise<void>): Promise<void>;
}

/** Resolves at a later time of the world. */
export function pass(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => world.clock.setTimer(ms, resolve));
}

/** Something that a test waits for, and that a handler or another part of the test makes happen. */
export class Gate<T = void> {
  readonly opened: Promise<T>;
  open!: (value: T) => void;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
