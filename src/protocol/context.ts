// What the parts of one endpoint share: configuration, tables, timers, the list of events. Made by endpoint.ts.

import type { Heap, HeapEntry } from '../base/heap.ts';
import type { MemoryBudget } from '../base/memory-budget.ts';
import type { ResponseTimes } from '../base/response-times.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { SelfDoubt } from '../base/self-doubt.ts';
import type { Protection } from '../session/protection.ts';
import type { ProtocolConfig } from './config.ts';
import type { EndpointEvent, EndpointStats } from './events.ts';
import type { GrantBook } from './grants.ts';
import type { Transmit } from './link.ts';
import type { LinkContext } from './link-context.ts';
import type { MessageMemory } from './message-memory.ts';
import type { SessionTable } from './session-table.ts';

/** Something with a time at which it wants to be woken. */
export interface TimerTarget {
  onTimer(nowMs: number): void;
}

/** A peer's side of the endpoint's loop. */
export interface Pollable {
  /** In the set of those that may have something to send. */
  dirty: boolean;
  /** The next datagram that may leave now; `undefined` when there is none, and the timer is set. */
  poll(nowMs: number): Transmit | undefined;
}

export interface EndpointContext extends LinkContext {
  readonly config: ProtocolConfig;
  readonly protection: Protection;
  readonly messages: MessageMemory;
  readonly timers: Heap<TimerTarget>;
  readonly grants: GrantBook;
  readonly memory: MemoryBudget;
  readonly stats: EndpointStats;
  /** Response times of all peers together: what a peer without history is judged by. */
  readonly cohort: ResponseTimes;
  /** Whether those who are late show that we are. */
  readonly selfDoubt: SelfDoubt<object>;
  /** Pays for hedges and for repeated calls. */
  readonly retries: RetryBudget;
  readonly sessions: SessionTable;
  /** Until then nothing that the network does speaks against anybody: the machine has just woken. */
  readonly waking: { graceUntilMs: number };
  /** A fresh 53-bit random number, not 0: epochs, challenges. */
  freshId(): number;
  /** The id of a session that is to be: not in use. */
  freshSessionId(): number;
  emit(event: EndpointEvent): void;
  /** The peer may have something to send, or its timer may have changed. */
  touch(peer: Pollable): void;
}

/** Moves a timer entry, makes it, or takes it out when `atMs` is Infinity. */
export function setTimer(
  timers: Heap<TimerTarget>,
  entry: HeapEntry<TimerTarget> | undefined,
  target: TimerTarget,
  atMs: number,
): HeapEntry<TimerTarget> | undefined {
  if (atMs === Number.POSITIVE_INFINITY) {
    if (entry !== undefined) timers.remove(entry);
    return undefined;
  }
  if (entry === undefined) return timers.push(atMs, target);
  if (entry.key !== atMs) timers.move(entry, atMs);
  return entry;
}
