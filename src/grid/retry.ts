// How long to wait before the same question is asked the same server once more. Other servers come first;
// this is for when there is none.

import type { Random } from '../base/random.ts';
import { RpcError } from '../transport/error.ts';

/** How often one server is asked one question, all in all. */
export const TRIES_MAX = 3;

/** Milliseconds until the next try after `tries`: about 100, then 400, with jitter so that clients do not meet. */
export function retryDelayMs(tries: number, random: Random): number {
  return 100 * 4 ** (tries - 1) * (0.5 + random.float());
}

/** Whether the same server may do a moment later what it did not do now. */
export function isWorthRepeating(error: unknown): boolean {
  return error instanceof RpcError && (error.code === 'OVERLOADED' || error.code === 'DEADLINE_EXCEEDED');
}
