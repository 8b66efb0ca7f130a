// What a datagram transport shows of itself at a moment: plain data for a status page, metrics, a bug report.

import type { CallerStatus, PeerStatus, SilentPeerStatus } from '../base/peer-status.ts';
import type { EndpointGauges, EndpointStats } from '../protocol/events.ts';

/** {@link DatagramTransport.status}. Times in milliseconds, sizes in bytes. */
export interface DatagramStatus {
  /** Where others reach it. */
  readonly address: string;
  /** On the transport's clock. */
  readonly atMs: number;
  /** Since the transport was made; they only grow. */
  readonly counters: Readonly<EndpointStats>;
  readonly gauges: EndpointGauges & {
    /** Handlers at work. */
    readonly runningRequests: number;
    /** What the operating system has not taken yet of what was sent. */
    readonly socketQueuedBytes: number;
  };
  /** The table of live peers, in the order in which they were first called. One that goes silent leaves it. */
  readonly peers: readonly PeerStatus[];
  readonly silentPeers: readonly SilentPeerStatus[];
  /** Peers that have called us. */
  readonly callers: readonly CallerStatus[];
}
