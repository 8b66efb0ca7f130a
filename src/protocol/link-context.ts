// What the sessions of one endpoint share. The rest of what its parts share is in context.ts, which knows of sessions.

import type { ProtocolConfig } from './config.ts';
import type { EarlyDuplicateCounters } from './early-duplicates.ts';
import type { EndpointObserver } from './observer.ts';
import type { Slab } from './packet-builder.ts';

/** What a link needs from its endpoint. */
export interface LinkContext {
  readonly config: ProtocolConfig;
  readonly slab: Slab;
  readonly stats: EarlyDuplicateCounters;
  /** Uniform in [0, 1): jitter on retries. */
  readonly jitter: () => number;
  /** Whoever writes down what happens, if anybody does. */
  readonly observer?: EndpointObserver | undefined;
}
