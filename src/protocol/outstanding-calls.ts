// The calls of an endpoint that have not settled: whose they are, what they hold, and what limits them. What a call
// is and does is client-calls.ts.

import type { ClientPeer } from './client-peer.ts';
import type { ProtocolConfig } from './config.ts';

/** A limit that a call would break. */
export interface Refusal {
  readonly limit: keyof ProtocolConfig;
  readonly max: number;
}

/** Outstanding calls over all peers. */
export class OutstandingCalls {
  readonly #config: ProtocolConfig;
  readonly #calls = new Map<number, { readonly peer: ClientPeer; readonly requestBytes: number }>();
  #bytes = 0;

  constructor(config: ProtocolConfig) {
    this.#config = config;
  }

  get count(): number {
    return this.#calls.size;
  }

  /** Bytes of their requests. */
  get bytes(): number {
    return this.#bytes;
  }

  peerOf(callId: number): ClientPeer | undefined {
    return this.#calls.get(callId)?.peer;
  }

  /** The limit that one more call to this peer, with so large a request, would break. */
  refusal(peer: ClientPeer, requestBytes: number): Refusal | undefined {
    const { maxMessageBytes, maxCallsPerPeer, maxClientCalls, maxQueuedBytes } = this.#config;
    // P-32
    if (requestBytes > maxMessageBytes) return { limit: 'maxMessageBytes', max: maxMessageBytes };
    // P-74
    if (peer.calls.size >= maxCallsPerPeer) return { limit: 'maxCallsPerPeer', max: maxCallsPerPeer };
    if (this.#calls.size >= maxClientCalls) return { limit: 'maxClientCalls', max: maxClientCalls };
    if (this.#bytes + requestBytes > maxQueuedBytes) return { limit: 'maxQueuedBytes', max: maxQueuedBytes };
    return undefined;
  }

  add(callId: number, peer: ClientPeer, requestBytes: number): void {
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
