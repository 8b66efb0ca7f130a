// What a session is made with, and what those of one endpoint share. The rest of what its parts share is in context.ts,
// which knows of sessions.

import type { Acceptance } from '../session/protection.ts';
import type { ProtocolConfig } from './config.ts';
import type { EarlyDuplicateCounters } from './early-duplicates.ts';
import type { EndpointObserver } from './observer.ts';
import type { Slab } from './packet-builder.ts';
import type { PathAddress } from './path.ts';

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

/** A responder's first packet carries the handshake's answer, and waits until `smallestBytes` may be sent. */
export interface FirstPacket {
  /** Where the handshake came from, and its answer goes, wherever the path leads now. */
  readonly to: PathAddress;
  readonly acceptance: Acceptance;
  writeHello(target: Uint8Array, at: number): number;
  readonly smallestBytes: number;
}
