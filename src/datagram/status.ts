// What a datagram transport shows of itself at a moment.

import type { EndpointGauges, EndpointStats } from '../protocol/events.ts';
import type { StreamGauges } from '../transport/handler-table.ts';
import type { TransportStatus } from '../transport/status.ts';

/** {@link DatagramTransport.status}. */
export interface DatagramStatus extends TransportStatus {
  readonly counters: Readonly<Record<keyof EndpointStats, number>>;
  readonly gauges: Readonly<
    Record<keyof EndpointGauges | keyof StreamGauges | 'runningRequests' | 'socketQueuedBytes', number>
  >;
}
