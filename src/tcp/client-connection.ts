// A connection that we have dialled: gives each request its id there, and finds the request of each response. What is
// to be done with calls when it ends is the peer's business (client-peer.ts).

import type { HostAndPort } from '../transport/address.ts';
import type { CallCarrier, ClientCall } from './client-call.ts';
import { Connection, type ConnectionOwner, type Ending } from './connection.ts';
import type { TcpContext } from './context.ts';
import { cancelFrame, type Frame, PING_FRAME } from './frame.ts';
import { IncomingMessage } from './incoming-message.ts';
import { type SealedServer, sealDialled } from './sealed-stream.ts';

/** What a connection tells the peer that it leads to. */
export interface ClientConnectionOwner {
  /** The operating system of the other side has accepted. */
  onConnected(): void;
  /** A process there has the server's key. */
  onProven(): void;
  /** Something has come from the other side. */
  onHeard(): void;
  /** The other side has read something: it lives. */
  onSign(): void;
  onResponse(call: ClientCall, status: number, heldUs: number, body: Uint8Array): void;
  /** The response cannot be taken. */
  onResponseRefused(call: ClientCall, code: 'TOO_LARGE' | 'OVERLOADED'): void;
  onEnded(ending: Ending): void;
}

/** Requests out, responses in, over one connection. */
export class ClientConnection implements ConnectionOwner, CallCarrier {
  /** Set when the other side's process has shown itself. */
  proven = false;
  /** {@link MemoryBudget}'s account. */
  reassemblyBytes = 0;
  readonly #context: TcpContext;
  readonly #owner: ClientConnectionOwner;
  readonly #connection: Connection;
  readonly #calls = new Map<number, ClientCall>();
  #lastWireId = 0;

  constructor(context: TcpContext, to: HostAndPort, server: SealedServer, owner: ClientConnectionOwner) {
    this.#context = context;
    this.#owner = owner;
    const stream = sealDialled(context.network.connect(to), server, context.guard, () => {
      context.stats.connectionsOpened++;
      owner.onConnected();
    });
    this.#connection = new Connection(stream, context, this);
    stream.onOpen = () => {
      this.proven = true;
      this.#connection.begin();
      owner.onProven();
    };
  }

  /** Queues a request; it goes out when those with less left to send have. */
  send(call: ClientCall): void {
    this.#connection.queue.add(call);
    this.#connection.flushSoon();
  }

  /** The id of a request whose first frame is being written. */
  register(call: ClientCall): number {
    const wireId = ++this.#lastWireId;
    this.#calls.set(wireId, call);
    return wireId;
  }

  /** Forgets a call in any state; `tellPeer`: the server may be working on it for nothing. */
  forget(call: ClientCall, tellPeer: boolean): void {
    const { stats } = this.#context;
    const unsentBytes = this.#connection.queue.remove(call);
    if (tellPeer) stats.cancelSavedBytes += unsentBytes + (call.arriving?.remainingBytes ?? 0);
    call.arriving?.release();
    call.arriving = undefined;
    if (!call.started) return;
    this.#calls.delete(call.wireId);
    if (!tellPeer) return;
    this.#connection.queue.control(cancelFrame(call.wireId));
    this.#connection.flushSoon();
  }

  ping(): void {
    this.#connection.queue.control(PING_FRAME);
    this.#connection.flushSoon();
  }

  destroy(): void {
    this.#connection.destroy();
    this.#releaseAll();
  }

  // ---- what comes

  onTaken(): void {
    this.#owner.onSign();
  }

  onFlushed(): void {}

  onFrame(frame: Frame): boolean {
    this.#owner.onHeard();
    switch (frame.type) {
      case 'response':
        return this.#onResponse(frame);
      case 'more':
        return this.#onMore(frame.callId, frame.data);
      case 'pong':
        return true;
      case 'request':
      case 'cancel':
      case 'ping':
        // A connection carries the calls of who dialled it.
        return false;
      default:
        frame satisfies never;
        return false;
    }
  }

  onEnded(ending: Ending): void {
    if (ending.why !== 'closed') this.#context.stats.peerErrors++;
    this.#releaseAll();
    this.#owner.onEnded(ending);
  }

  #onResponse({ callId, status, heldUs, total, data }: Extract<Frame, { type: 'response' }>): boolean {
    const call = this.#calls.get(callId);
    // Cancelled, and the server has not heard of it yet.
    if (call === undefined) return callId <= this.#lastWireId;
    if (call.arriving !== undefined) return false;
    const { config, memory } = this.#context;
    if (total > config.maxMessageBytes) {
      this.#owner.onResponseRefused(call, 'TOO_LARGE');
      return true;
    }
    call.status = status;
    call.heldUs = heldUs;
    if (data.length === total) {
      // A view of what the socket has read, together with other frames; the caller gets bytes of its own.
      this.#owner.onResponse(call, status, heldUs, Buffer.from(data));
      return true;
    }
    call.arriving = IncomingMessage.begin(memory, this, total);
    if (call.arriving === undefined) {
      this.#owner.onResponseRefused(call, 'OVERLOADED');
      return true;
    }
    return this.#onMore(callId, data);
  }

  #onMore(callId: number, data: Uint8Array): boolean {
    const call = this.#calls.get(callId);
    if (call === undefined) return callId <= this.#lastWireId;
    if (call.arriving === undefined) return false;
    const message = call.arriving.add(data);
    if (message === false) return false;
    if (message !== undefined) this.#owner.onResponse(call, call.status, call.heldUs, message);
    return true;
  }

  #releaseAll(): void {
    for (const call of this.#calls.values()) {
      call.arriving?.release();
      call.arriving = undefined;
    }
    this.#calls.clear();
  }
}
