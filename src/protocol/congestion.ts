// How many bytes may be under way on one path: the seam between loss recovery, which knows what was sent,
// acknowledged and lost, and the algorithms that decide (cubic.ts, bbr.ts). Pacing out what the window
// allows is pacer.ts.

/** Round-trip times of a path, as RFC 9002 section 5 keeps them. */
export interface RoundTrips {
  readonly smoothedMs: number;
  readonly latestMs: number;
  readonly minMs: number;
}

/** What one acknowledgement newly acknowledged. */
export interface AckedEvent {
  readonly nowMs: number;
  /** Sizes of the packets newly acknowledged that counted as in flight, summed up. */
  readonly ackedBytes: number;
  /** When the newest of them was sent. */
  readonly largestSentAtMs: number;
  readonly rtt: RoundTrips;
  /** Still in flight, those acknowledged here not included. */
  readonly inFlightBytes: number;
  /**
   * The sender had less to send than the window allowed when these packets were out, so that their
   * acknowledgement says nothing about a larger window (RFC 9002 section 7.8). Waiting for the pacer does not
   * count as having nothing to send.
   */
  readonly appLimited: boolean;
}

/** Packets declared lost in one go. */
export interface LostEvent {
  readonly nowMs: number;
  readonly lostBytes: number;
  /** When the newest of them was sent. */
  readonly largestSentAtMs: number;
  /** Still in flight, the lost not included. */
  readonly inFlightBytes: number;
}

/**
 * Decides over one path. The order within one acknowledgement: losses that it reveals first, then what it
 * acknowledges. Packets of acknowledgements only, and MTU probes, are not its business: they are not
 * counted as in flight, and a lost probe says nothing about congestion (RFC 9000 section 14.4).
 */
export interface CongestionController {
  /** Bytes that may be in flight. A packet may go when `inFlightBytes + its size <= windowBytes`. */
  readonly windowBytes: number;
  /** At what rate to send, in bytes per millisecond; for the pacer. */
  pacingBytesPerMs(rtt: RoundTrips): number;
  /** A packet was sent; `inFlightBytes` includes it. */
  onSent(nowMs: number, sentBytes: number, inFlightBytes: number): void;
  /** Nothing more waits to be sent, though window and pacing would allow it. Told again whenever it is so. */
  onAppLimited(inFlightBytes: number): void;
  onAcked(event: AckedEvent): void;
  onLost(event: LostEvent): void;
  /** Everything sent over three probe timeouts was lost (RFC 9002 section 7.6); comes after its `onLost`. */
  onPersistentCongestion(): void;
  /** The path carries datagrams of another size now. */
  setDatagramBytes(datagramBytes: number): void;
}

/** RFC 9002 section 7.2: ten datagrams, but no more than 14720 bytes or two datagrams. */
export function initialWindowBytes(datagramBytes: number): number {
  return Math.min(10 * datagramBytes, Math.max(14_720, 2 * datagramBytes));
}

/** RFC 9002 section 7.2: two datagrams. */
export function minimumWindowBytes(datagramBytes: number): number {
  return 2 * datagramBytes;
}
