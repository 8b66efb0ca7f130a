// What a TCP transport shows of itself at a moment.

import type { StreamGauges } from '../transport/handler-table.ts';
import type { TransportStatus } from '../transport/status.ts';
import type { TcpStats } from './context.ts';

/** {@link TcpTransport.status}. */
export interface TcpStatus extends TransportStatus {
  readonly counters: Readonly<Record<Exclude<keyof TcpStats, 'unsentAnswerBytes'>, number>>;
  readonly gauges: Readonly<Record<TcpGauge, number>>;
}

type TcpGauge =
  | 'outstandingCalls'
  | 'outstandingBytes'
  /** Connections that we have dialled, and that we have accepted. */
  | 'dialledConnections'
  | 'acceptedConnections'
  /** Peers that were called. */
  | 'calledPeers'
  | 'timers'
  /** Memory set aside for messages that are partly here, or wait to be run. */
  | 'reassemblyBytes'
  /** Answers that wait to be written. */
  | 'unsentAnswerBytes'
  | keyof StreamGauges
  | 'runningRequests';
