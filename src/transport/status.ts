// What any transport shows of itself at a moment: plain data for a status page, metrics, a bug report.

import type { CallerStatus, PeerStatus, SilentPeerStatus } from '../base/peer-status.ts';

/** A snapshot. Times in milliseconds, sizes in bytes; what is counted and measured depends on what carries the calls. */
export interface TransportStatus {
  /** Where others reach it. */
  readonly address: string;
  /** On the transport's clock. */
  readonly atMs: number;
  /** Since the transport was made; they only grow. */
  readonly counters: Readonly<Record<string, number>>;
  /** What it holds at this moment. */
  readonly gauges: Readonly<Record<string, number>>;
  /** Hedges and retries that could be made now; parts of a token count. See `Transport.retries`. */
  readonly retryTokens: number;
  /** The table of live peers, in the order in which they were first called. One that goes silent leaves it. */
  readonly peers: readonly PeerStatus[];
  readonly silentPeers: readonly SilentPeerStatus[];
  /** Peers that have called us. */
  readonly callers: readonly CallerStatus[];
}
