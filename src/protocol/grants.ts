// Who may send how much: large messages are granted by their receiver (Homa), the shortest remaining first, and
// the bytes promised and not yet here are bounded over all peers, so that a reader of ten servers at once does
// not drown its own socket buffer.

import { Heap, type HeapEntry } from '../base/heap.ts';
import type { ProtocolConfig } from './config.ts';
import type { IncomingMessage } from './incoming-message.ts';

/** A message that may need grants. */
export interface Grantee {
  readonly message: IncomingMessage;
  /** Tells the sender of the new limit, which {@link IncomingMessage.granted} holds already. */
  sendGrant(): void;
  /** Kept by the book. */
  grantState: { entry: HeapEntry<Grantee> | undefined; countedBytes: number } | undefined;
}

/** Shares the receive window of an endpoint among the messages on their way to it. */
export class GrantBook {
  readonly #config: ProtocolConfig;
  readonly #hungry = new Heap<Grantee>();
  #promisedBytes = 0;

  constructor(config: ProtocolConfig) {
    this.#config = config;
  }

  /** Bytes that senders may send and that are not here yet. */
  get promisedBytes(): number {
    return this.#promisedBytes;
  }

  /** A message has begun to arrive, or a piece of it has arrived. */
  update(grantee: Grantee): void {
    grantee.grantState ??= { entry: undefined, countedBytes: 0 };
    const state = grantee.grantState;
    const { message } = grantee;
    this.#count(state, message.promisedBytes);
    const hungry =
      message.granted < message.total && message.promisedBytes < this.#config.grantAheadBytes / 2;
    if (hungry) {
      if (state.entry === undefined) state.entry = this.#hungry.push(message.remainingBytes, grantee);
      else this.#hungry.move(state.entry, message.remainingBytes);
    }
    this.#distribute();
    // P-72: what was promised to senders that have gone must not starve the others.
    if (state.entry !== undefined && message.promisedBytes === 0) {
      this.#grant(grantee, Math.min(message.total, message.granted + this.#config.initialGrantBytes));
    }
  }

  /** The message is complete, or nobody wants it any more. */
  remove(grantee: Grantee): void {
    const state = grantee.grantState;
    if (state === undefined) return;
    if (state.entry !== undefined) this.#hungry.remove(state.entry);
    this.#count(state, 0);
    grantee.grantState = undefined;
    this.#distribute();
  }

  #distribute(): void {
    const { grantAheadBytes, maxGrantedBytes, initialGrantBytes } = this.#config;
    for (let next = this.#hungry.peek(); next !== undefined; next = this.#hungry.peek()) {
      const { message } = next.value;
      const budget = maxGrantedBytes - this.#promisedBytes;
      // P-71
      const limit = Math.min(message.total, message.arrivedBytes + grantAheadBytes, message.granted + budget);
      if (limit < message.total && limit - message.granted < Math.min(initialGrantBytes, grantAheadBytes / 2))
        return;
      this.#grant(next.value, limit);
    }
  }

  #grant(grantee: Grantee, limit: number): void {
    const state = grantee.grantState!;
    if (state.entry !== undefined) this.#hungry.remove(state.entry);
    state.entry = undefined;
    grantee.message.granted = limit;
    this.#count(state, grantee.message.promisedBytes);
    grantee.sendGrant();
  }

  #count(state: { countedBytes: number }, bytes: number): void {
    this.#promisedBytes += bytes - state.countedBytes;
    state.countedBytes = bytes;
  }
}
