// The calls of an endpoint that have not settled: whose they are, what they hold, and what limits them. What a call
// is and does is the business of the transport that carries it.

import type { CallLimits } from './call-report.ts';
import { IdTable } from './id-table.ts';
import type { LearntLimits } from './response-times.ts';

/** What bounds outstanding calls: numbers of bytes and of calls. */
export interface OutstandingLimits {
  readonly maxMessageBytes: number;
  readonly maxCallsPerPeer: number;
  readonly maxClientCalls: number;
  readonly maxQueuedBytes: number;
}

/** A limit that a call would break. */
export interface Refusal {
  readonly limit: keyof OutstandingLimits;
  readonly max: number;
}

/** Outstanding calls over all peers. */
export class OutstandingCalls<Peer> {
  readonly #limits: OutstandingLimits;
  readonly #calls = new IdTable<{ readonly peer: Peer; readonly requestBytes: number }>();
  #bytes = 0;

  constructor(limits: OutstandingLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#calls.size;
  }

  /** Bytes of their requests. */
  get bytes(): number {
    return this.#bytes;
  }

  peerOf(callId: number): Peer | undefined {
    return this.#calls.get(callId)?.peer;
  }

  /** The limit that one more call, with so large a request, would break; `callsToPeer` are outstanding to its peer. */
  refusal(callsToPeer: number, requestBytes: number): Refusal | undefined {
    const { maxMessageBytes, maxCallsPerPeer, maxClientCalls, maxQueuedBytes } = this.#limits;
    // P-32
    if (requestBytes > maxMessageBytes) return { limit: 'maxMessageBytes', max: maxMessageBytes };
    // P-74
    if (callsToPeer >= maxCallsPerPeer) return { limit: 'maxCallsPerPeer', max: maxCallsPerPeer };
    if (this.#calls.size >= maxClientCalls) return { limit: 'maxClientCalls', max: maxClientCalls };
    if (this.#bytes + requestBytes > maxQueuedBytes) return { limit: 'maxQueuedBytes', max: maxQueuedBytes };
    return undefined;
  }

  add(callId: number, peer: Peer, requestBytes: number): void {
    this.#calls.set(callId, { peer, requestBytes });
    this.#bytes += requestBytes;
  }

  /** The call has settled. */
  forget(callId: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    this.#calls.delete(callId);
    this.#bytes -= call.requestBytes;
  }
}

/** The time limits of a call: what its caller named, and what was learnt of such calls. */
export function callLimits(deadline: 'adaptive' | number, learnt: LearntLimits): CallLimits {
  return deadline === 'adaptive' ? learnt : { ...learnt, deadline: 'given', deadlineAfterMs: deadline };
}
