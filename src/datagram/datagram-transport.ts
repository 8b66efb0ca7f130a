// The driver: feeds the sans-IO endpoint from a datagram socket and turns its events into promises and handler
// calls. It decides nothing: what is sent, when, and what failed is protocol/'s business. The socket is a real
// one (udp-socket.ts) or a simulated one; time and randomness are injected.

import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { ProtocolConfig } from '../protocol/config.ts';
import { Endpoint } from '../protocol/endpoint.ts';
import type { EndpointEvent, EndpointStats, RequestRef } from '../protocol/events.ts';
import { formatAddress } from '../protocol/path.ts';
import { plainProtection } from '../session/plain.ts';
import { formatPeerAddress, parsePeerAddress } from '../transport/address.ts';
import { decodeBody, encodeBody } from '../transport/body.ts';
import { RpcError } from '../transport/error.ts';
import type {
  CallOptions,
  Handler,
  HandlerContext,
  HandlerOptions,
  Peer,
  PeerHealth,
  Transport,
  TransportEvent,
} from '../transport/transport.ts';
import type { DatagramSocket, SocketAddress } from './datagram-socket.ts';
import { explainFailure } from './failure.ts';

/** What the driver is made of besides the socket. */
export interface DatagramTransportOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Runs `task` once at the end of this turn of the event loop, after what has arrived was read. */
  readonly soon: (task: () => void) => void;
  /** The IP address of a host name. @throws RpcError HOST_UNKNOWN. */
  readonly resolve: (host: string) => Promise<string>;
  readonly config?: Partial<ProtocolConfig>;
}

interface PendingCall {
  readonly peer: DatagramPeer;
  readonly method: string;
  readonly startedAtMs: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
  readonly onOverdue: (() => void) | undefined;
}

/** A {@link Transport} over datagrams. */
export class DatagramTransport implements Transport {
  readonly address: string;
  readonly clock: Clock;
  readonly #socket: DatagramSocket;
  readonly #options: DatagramTransportOptions;
  readonly #endpoint: Endpoint;
  readonly #peers = new Map<string, DatagramPeer>();
  readonly #handlers = new Map<string, Handler>();
  readonly #pending = new Map<number, PendingCall>();
  readonly #running = new Map<string, RunningRequest>();
  readonly #listeners = new Set<(event: TransportEvent) => void>();
  #flushScheduled = false;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #closing: Promise<void> | undefined;

  constructor(socket: DatagramSocket, options: DatagramTransportOptions) {
    this.#socket = socket;
    this.#options = options;
    this.clock = options.clock;
    this.address = formatPeerAddress(reachable(socket.local));
    this.#endpoint = new Endpoint({
      random: options.random,
      protection: plainProtection(),
      datagramCeilingBytes: (to) => socket.datagramCeilingBytes(to),
      ...(options.config === undefined ? {} : { config: options.config }),
    });
    socket.onDatagram = (bytes, from) => {
      this.#endpoint.receive(bytes, from, this.clock.now());
      this.#dispatchEvents();
      this.#scheduleFlush();
    };
    socket.onSendError = (to, code) => {
      this.#endpoint.onSendError(to, code);
      this.#dispatchEvents();
      this.#scheduleFlush();
    };
  }

  /** Counters since the transport was made. */
  get stats(): Readonly<EndpointStats> {
    return this.#endpoint.stats;
  }

  handle(method: string, handler: Handler, options: HandlerOptions = {}): void {
    if (this.#handlers.has(method)) {
      throw new RpcError('BAD_ARGUMENT', `the method "${method}" has a handler already`, { method });
    }
    this.#handlers.set(method, handler);
    this.#endpoint.registerMethod(method, options.early === 'safe');
  }

  peer(address: string): Peer {
    const known = this.#peers.get(address);
    if (known !== undefined) return known;
    const peer = new DatagramPeer(this, address);
    this.#peers.set(address, peer);
    return peer;
  }

  subscribe(listener: (event: TransportEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#endpoint.close();
    this.#dispatchEvents();
    // The CANCELs leave; nobody waits for what the peers say to them.
    this.#flush();
    this.#endpoint.dispose();
    this.#dispatchEvents();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listeners.clear();
    await this.#socket.close();
  }

  // ---- calls

  /** {@link Peer.call}; the peer's address is resolved by then. */
  startCall(
    peer: DatagramPeer,
    to: SocketAddress,
    method: string,
    body: Uint8Array,
    options: CallOptions,
    startedAtMs: number,
  ): Promise<unknown> {
    if (this.#closing !== undefined) {
      return Promise.reject(explainFailure('CLOSED', 'no', undefined, peer.address, method, 0));
    }
    const nowMs = this.clock.now();
    let callId: number;
    try {
      callId = this.#endpoint.call(
        to,
        {
          method,
          body,
          deadline: options.deadline ?? 'adaptive',
          idempotent: options.idempotent ?? false,
          expectedBytes: options.expectedBytes ?? 0,
        },
        nowMs,
      );
    } catch (cause) {
      return Promise.reject(badArgument(cause, peer.address, method));
    }
    return new Promise((resolve, reject) => {
      const { signal, onOverdue } = options;
      const onAbort = signal === undefined ? undefined : () => this.#onAbort(callId);
      if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true });
      this.#pending.set(callId, { peer, method, startedAtMs, resolve, reject, signal, onAbort, onOverdue });
      this.#scheduleFlush();
    });
  }

  #onAbort(callId: number): void {
    const call = this.#takePending(callId);
    if (call === undefined) return;
    this.#endpoint.cancel(callId, this.clock.now());
    call.reject(call.signal?.reason);
    this.#scheduleFlush();
  }

  /** No listener stays on the signal after the call has settled. */
  #takePending(callId: number): PendingCall | undefined {
    const call = this.#pending.get(callId);
    if (call === undefined) return undefined;
    this.#pending.delete(callId);
    if (call.onAbort !== undefined) call.signal?.removeEventListener('abort', call.onAbort);
    return call;
  }

  healthOf(to: SocketAddress): PeerHealth {
    return this.#endpoint.health(to);
  }

  overdueAfterMs(to: SocketAddress, method: string, expectedBytes: number): number {
    return this.#endpoint.overdueAfterMs(to, method, expectedBytes, this.clock.now());
  }

  resolveHost(host: string): Promise<string> {
    return this.#options.resolve(host);
  }

  // ---- events

  #dispatchEvents(): void {
    for (let event = this.#endpoint.pollEvent(); event !== undefined; event = this.#endpoint.pollEvent()) {
      this.#dispatch(event);
    }
  }

  #dispatch(event: EndpointEvent): void {
    switch (event.type) {
      case 'answered':
        this.#onAnswered(event.callId, event.body);
        break;
      case 'failed': {
        const call = this.#takePending(event.callId);
        if (call === undefined) break;
        const elapsedMs = this.clock.now() - call.startedAtMs;
        call.reject(
          explainFailure(event.code, event.executed, event.detail, call.peer.address, call.method, elapsedMs),
        );
        break;
      }
      case 'overdue':
        this.#onOverdue(event.callId, event.afterMs);
        break;
      case 'request':
        this.#onRequest(event);
        break;
      case 'request-cancelled': {
        const key = requestKey(event.ref);
        const request = this.#running.get(key);
        this.#running.delete(key);
        request?.abort(
          new RpcError(
            event.reason === 'deadline' ? 'DEADLINE_EXCEEDED' : 'CANCELLED',
            'nobody waits for this answer any more',
          ),
        );
        break;
      }
      case 'peer-silent':
        this.#tell({
          type: 'peer:silent',
          peer: formatPeerAddress(event.address),
          failedCalls: event.failedCalls,
          atMs: this.clock.now(),
        });
        break;
      case 'peer-back':
        this.#tell({
          type: 'peer:back',
          peer: formatPeerAddress(event.address),
          silentMs: event.silentMs,
          atMs: this.clock.now(),
        });
        break;
      default:
        event satisfies never;
    }
  }

  #tell(event: TransportEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #onAnswered(callId: number, bytes: Uint8Array): void {
    const call = this.#takePending(callId);
    if (call === undefined) return;
    let body: unknown;
    try {
      body = decodeBody(bytes);
    } catch (cause) {
      const elapsedMs = this.clock.now() - call.startedAtMs;
      call.reject(
        explainFailure('BAD_MESSAGE', 'yes', undefined, call.peer.address, call.method, elapsedMs, cause),
      );
      return;
    }
    call.resolve(body);
  }

  #onOverdue(callId: number, afterMs: number): void {
    const call = this.#pending.get(callId);
    if (call === undefined) return;
    this.#tell({
      type: 'peer:overdue',
      peer: call.peer.address,
      method: call.method,
      afterMs,
      atMs: this.clock.now(),
    });
    call.onOverdue?.();
  }

  // ---- handlers

  #onRequest(event: Extract<EndpointEvent, { type: 'request' }>): void {
    const handler = this.#handlers.get(event.method)!;
    let request: unknown;
    try {
      request = decodeBody(event.body);
    } catch (error) {
      const detail = {
        code: 'BAD_MESSAGE',
        message: `the body of "${event.method}" is no CBOR: ${messageOf(error)}`,
      };
      this.#endpoint.answerError(
        event.ref,
        { code: 'BAD_MESSAGE', executed: 'no', detail },
        this.clock.now(),
      );
      this.#scheduleFlush();
      return;
    }
    const running = new RunningRequest(event.deadlineAtMs, formatAddress(event.from));
    this.#running.set(requestKey(event.ref), running);
    void this.#run(event.ref, handler, request, running);
  }

  async #run(ref: RequestRef, handler: Handler, request: unknown, running: RunningRequest): Promise<void> {
    let answer: Uint8Array;
    try {
      answer = encodeBody(await handler(request, running));
    } catch (error) {
      if (this.#finish(ref, running)) {
        this.#endpoint.answerError(
          ref,
          {
            code: 'HANDLER_FAILED',
            executed: 'yes',
            detail: { code: codeOf(error), message: messageOf(error) },
          },
          this.clock.now(),
        );
      }
      return;
    }
    if (this.#finish(ref, running)) this.#endpoint.answer(ref, answer, this.clock.now());
  }

  /** False when nobody waits for this answer any more. */
  #finish(ref: RequestRef, running: RunningRequest): boolean {
    const key = requestKey(ref);
    if (this.#running.get(key) !== running) return false;
    this.#running.delete(key);
    this.#scheduleFlush();
    return true;
  }

  // ---- the loop

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#options.soon(() => {
      this.#flushScheduled = false;
      if (this.#closing === undefined) this.#flush();
    });
  }

  #flush(): void {
    const nowMs = this.clock.now();
    for (
      let sent = this.#endpoint.pollTransmit(nowMs);
      sent !== undefined;
      sent = this.#endpoint.pollTransmit(nowMs)
    ) {
      this.#socket.send(sent.bytes, sent.to);
    }
    this.#armTimer(nowMs);
  }

  /** One timer for everything. One that is armed too early is left: it looks again when it fires. */
  #armTimer(nowMs: number): void {
    const atMs = this.#endpoint.timerAtMs();
    if (atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.clock.setTimer(Math.max(0, atMs - nowMs), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      // What has arrived meanwhile is read first: an acknowledgement in the socket's buffer is no loss.
      this.#options.soon(() => {
        if (this.#closing !== undefined) return;
        this.#endpoint.onTimer(this.clock.now());
        this.#dispatchEvents();
        this.#flush();
      });
    });
  }
}

/** A request that its handler works on; the signal is only made when somebody looks at it. */
class RunningRequest implements HandlerContext {
  readonly deadlineAtMs: number;
  readonly from: string;
  #controller: AbortController | undefined;
  #reason: unknown;
  #aborted = false;

  constructor(deadlineAtMs: number, from: string) {
    this.deadlineAtMs = deadlineAtMs;
    this.from = from;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

class DatagramPeer implements Peer {
  readonly address: string;
  readonly clock: Clock;
  readonly #transport: DatagramTransport;
  readonly #host: string;
  readonly #port: number;
  #resolved: SocketAddress | undefined;

  constructor(transport: DatagramTransport, address: string) {
    const { host, port } = parsePeerAddress(address);
    this.#transport = transport;
    this.address = address;
    this.clock = transport.clock;
    this.#host = host;
    this.#port = port;
    // Digits and dots, or anything with a colon, is no name.
    if (/^[\d.]+$|:/.test(host)) this.#resolved = { host, port };
  }

  get health(): PeerHealth {
    return this.#resolved === undefined ? 'unknown' : this.#transport.healthOf(this.#resolved);
  }

  call(method: string, body: unknown, options: CallOptions = {}): Promise<unknown> {
    const startedAtMs = this.clock.now();
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const { deadline } = options;
    if (typeof deadline === 'number' && !(deadline > 0)) {
      const cause = new RangeError(`a deadline is more than 0 ms, not ${deadline}`);
      return Promise.reject(badArgument(cause, this.address, method));
    }
    let encoded: Uint8Array;
    try {
      encoded = encodeBody(body);
    } catch (cause) {
      return Promise.reject(badArgument(cause, this.address, method));
    }
    const to = this.#resolved;
    return to === undefined
      ? this.#resolveAndCall(method, encoded, options, startedAtMs)
      : this.#transport.startCall(this, to, method, encoded, options, startedAtMs);
  }

  async #resolveAndCall(
    method: string,
    body: Uint8Array,
    options: CallOptions,
    startedAtMs: number,
  ): Promise<unknown> {
    const host = await this.#transport.resolveHost(this.#host);
    this.#resolved = { host, port: this.#port };
    options.signal?.throwIfAborted();
    return this.#transport.startCall(this, this.#resolved, method, body, options, startedAtMs);
  }

  overdueAfterMs(method: string, expectedBytes = 0): number {
    const to = this.#resolved ?? { host: this.#host, port: this.#port };
    return this.#transport.overdueAfterMs(to, method, expectedBytes);
  }
}

/** A socket on all interfaces is reached, from this machine, over loopback; others know the machine's name. */
function reachable({ host, port }: SocketAddress): SocketAddress {
  return { host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port };
}

function requestKey(ref: RequestRef): string {
  return `${ref.clientEpoch}:${ref.callId}`;
}

function badArgument(cause: unknown, peer: string, method: string): RpcError {
  return new RpcError('BAD_ARGUMENT', `cannot call "${method}" of ${peer}: ${messageOf(cause)}`, {
    peer,
    method,
    cause,
  });
}

function codeOf(error: unknown): string {
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    return typeof code === 'string' ? code : error.name;
  }
  return 'Error';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
