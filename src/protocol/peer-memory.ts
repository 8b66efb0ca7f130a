// What outlives a peer that we called, when nobody calls it for a while: called-peers.ts keeps it.

import type { ResponseTimes } from '../base/response-times.ts';
import type { RttEstimator } from '../base/rtt.ts';
import type { PeerHealth } from './health.ts';
import type { PathAddress } from './path.ts';

/** What is remembered of a peer that has not been called for a while. */
export interface PeerMemory {
  /** What it remembers us by, and its incarnation. */
  readonly epoch: number;
  readonly peerEpoch: number;
  readonly responseTimes: ResponseTimes;
  readonly rtt: RttEstimator;
  readonly health: PeerHealth;
  readonly lastHeardAtMs: number | undefined;
  /** Where it was last. */
  readonly address: PathAddress;
}
