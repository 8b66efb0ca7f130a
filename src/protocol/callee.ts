// Whom a client calls: what tells it apart, where it may be, and what its protection needs to reach it.

import type { Remote } from '../session/protection.ts';
import { type PathAddress, sameAddress } from './path.ts';

/** A peer to be called. */
export interface Callee {
  /** Different for different peers, and secret: it is not printed. */
  readonly id: string;
  /** The likeliest first; by the first one it is named in events and status. */
  readonly addresses: readonly [PathAddress, ...PathAddress[]];
  readonly remote: Remote;
}

/** Whether it may be at this address. */
export function mayBeAt({ addresses }: Callee, address: PathAddress): boolean {
  return addresses.some((candidate) => sameAddress(candidate, address));
}
