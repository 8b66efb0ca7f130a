// What an endpoint shows of its insides to whoever wants to write them down (trace/ does). Without an
// observer nothing of this is even computed. It must neither throw nor call back into the endpoint.

import type { EndpointEvent } from './events.ts';
import type { Path, PathAddress } from './path.ts';

/** A packet as it was sent, before it was sealed, or as it was received, opened. */
export interface ObservedPacket {
  readonly peer: PathAddress;
  /**
   * Our id of the session. It tells sessions apart; it is not to be shown, as whoever knows it may pretend to be the
   * peer.
   */
  readonly session: number;
  /** Who began the session: `client` is us. */
  readonly role: 'client' | 'server';
  readonly kind: 'init' | 'resp' | 'data';
  readonly packetNumber: number;
  /** Of the whole datagram. */
  readonly sizeBytes: number;
  /** Encoded; to be read during the call and not kept. */
  readonly frames: Uint8Array;
}

/** A packet that counts as lost. */
export interface ObservedLoss {
  readonly packetNumber: number;
  readonly sizeBytes: number;
  /** It only tried how large a datagram may be. */
  readonly mtuProbe: boolean;
}

/** A session whose numbers may have changed; read them during the call. */
export interface ObservedSession {
  readonly localSession: number;
  readonly role: 'client' | 'server';
  readonly path: Path;
  /** Probe timeouts in a row without an acknowledgement. */
  readonly probeCount: number;
  readonly sent: { readonly bytesInFlight: number };
}

/** A call that begins. */
export interface ObservedCall {
  readonly callId: number;
  readonly peer: PathAddress;
  readonly method: string;
  readonly requestBytes: number;
  /** Milliseconds from now, with what was asked for resolved; Infinity = never. */
  readonly deadlineAfterMs: number;
  readonly overdueAfterMs: number;
}

/** Told of everything, in the order in which it happens, from inside the endpoint. */
export interface EndpointObserver {
  packetSent(packet: ObservedPacket): void;
  packetReceived(packet: ObservedPacket): void;
  packetLost(session: ObservedSession, packet: ObservedLoss): void;
  /** A datagram that was nobody's: malformed, of an unknown session, forged, seen before. */
  datagramDropped(from: PathAddress, sizeBytes: number): void;
  /** After acknowledgements, losses and probe timeouts. */
  sessionUpdated(session: ObservedSession): void;
  callStarted(call: ObservedCall): void;
  /** Never mind. */
  callCancelled(callId: number): void;
  /** What the driver will be told. */
  event(event: EndpointEvent): void;
}
