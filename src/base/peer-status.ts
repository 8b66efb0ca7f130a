// What is known of peers at a moment, as plain data for status pages and metrics. It lives here because the protocols
// make it, and the transports show it. Times in milliseconds, sizes in bytes.

import type { SilenceReason } from './call-report.ts';
import type { ResponseTimeRow } from './response-times.ts';

/** The way to a peer; only protocols that do their own recovery know it. */
export interface PathStatus {
  /** Sent, and neither acknowledged nor lost. */
  readonly bytesInFlight: number;
  /** How much may be. */
  readonly windowBytes: number;
  /** At what rate it is sent, in bytes per millisecond. */
  readonly pacingBytesPerMs: number;
  /** What one datagram may be. */
  readonly datagramBytes: number;
  /** Part of our recent packets that did not arrive, 0 to 1; a guess on a fresh path. */
  readonly lossRate: number;
}

/** A peer that is there, or that is being asked for the first time. */
export interface PeerStatus<Address = string> {
  readonly address: Address;
  readonly health: 'unknown' | 'live' | 'suspect';
  /** Since the last packet from it; left out when none has ever come. */
  readonly sinceHeardMs?: number;
  readonly outstandingCalls: number;
  /** Probes, or first datagrams, in a row that it has not answered. */
  readonly unansweredProbes: number;
  /** Round-trip time as RFC 9002 estimates it; left out until it was measured. */
  readonly rtt?: { readonly smoothedMs: number; readonly varianceMs: number; readonly minMs: number };
  readonly path?: PathStatus;
  /** One row for each method and size class that was called. */
  readonly responseTimes: readonly ResponseTimeRow[];
}

/** A peer that answers nothing. Calls to it fail at once; it is asked now and then whether it is back. */
export interface SilentPeerStatus<Address = string> {
  readonly address: Address;
  readonly why: SilenceReason;
  readonly silentForMs: number;
  /** 0 when the question waits to be sent. */
  readonly nextProbeInMs: number;
  /** Left out when it has never been heard. */
  readonly sinceHeardMs?: number;
}

/** A peer that called us and is remembered. */
export interface CallerStatus<Address = string> {
  readonly address: Address;
  readonly sinceHeardMs: number;
  /** Handlers at work for it. */
  readonly runningRequests: number;
  /** Requests that are arriving, at work, or answered and not confirmed. */
  readonly heldRequests: number;
  readonly path?: PathStatus;
}
