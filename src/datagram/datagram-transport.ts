// The driver: feeds the sans-IO endpoint from a datagram socket and turns its events into promises and handler
// calls. It decides nothing: what is sent, when, and what failed is protocol/'s business. The socket is a real
// one (udp-socket.ts) or a simulated one; time and randomness are injected.

import { totalBytes } from '../base/bytes.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { IdTable } from '../base/id-table.ts';
import type { Random } from '../base/random.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { Callee } from '../protocol/callee.ts';
import type { ProtocolConfig } from '../protocol/config.ts';
import { Endpoint } from '../protocol/endpoint.ts';
import type { EndpointEvent, EndpointGauges, EndpointStats } from '../protocol/events.ts';
import type { EndpointObserver } from '../protocol/observer.ts';
import type { Identity } from '../session/identity.ts';
import type { Protection } from '../session/protection.ts';
import { sealedProtection } from '../session/sealed.ts';
import {
  formatAddress,
  formatPeerAddress,
  formatSocketAddress,
  reachableAddress,
} from '../transport/address.ts';
import type { EncodedBody } from '../transport/body.ts';
import { datagram, peerHealth, publishHealth } from '../transport/diagnostics.ts';
import { badArgument, explainFailure } from '../transport/failure.ts';
import { HandlerTable, RunningRequest } from '../transport/handler-table.ts';
import { Listeners } from '../transport/listeners.ts';
import { PendingCalls } from '../transport/pending-calls.ts';
import { Streams } from '../transport/streams.ts';
import type {
  CallOptions,
  Handler,
  HandlerOptions,
  Peer,
  PeerHealth,
  Transport,
  TransportEvent,
} from '../transport/transport.ts';
import { type CallStarter, DatagramPeer } from './datagram-peer.ts';
import type { DatagramSocket, SocketAddress } from './datagram-socket.ts';
import type { DatagramStatus } from './status.ts';

/** What the operating system has not taken, at most: the size of the buffer that is asked of it. */
const SOCKET_QUEUE_MAX_BYTES = 4 * 1024 * 1024;

/**
 * A turn of the event loop may bring 2 MiB, which is as much as a sender may be ahead: it must hear before the turn is
 * over that it may go on, or both ends take turns at waiting for each other.
 */
const ANSWER_AFTER_BYTES = 512 * 1024;

/**
 * So much leaves within the turn that makes it: the peer begins with a first part while the rest is made. With 128 small calls
 * at once and all of them in one datagram, two processes took turns at waiting for each other. So many small messages are a
 * third of a millisecond's work at each end, and worth a datagram; large ones are worth one sooner.
 */
const SEND_AFTER_MESSAGES = 45;
const SEND_AFTER_BYTES = 32 * 1024;

/** What the driver is made of besides the socket. */
export interface DatagramTransportOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The wall clock. */
  readonly unixMs: () => number;
  readonly identity: Identity;
  /** What who calls us must have been told besides our key. */
  readonly swissnum: string;
  /** Whether the owner of a public key, as text, may call; asked again for each request. */
  readonly allow?: ((clientKey: string) => boolean) | undefined;
  /** Instead of the seal: for a benchmark that asks what it costs. `createEndpoint` has no such option. */
  readonly protection?: Protection | undefined;
  /** Runs `task` once at the end of this turn of the event loop, after what has arrived was read. */
  readonly soon: (task: () => void) => void;
  /** The IP address of a host name. @throws RpcError HOST_UNKNOWN. */
  readonly resolve: (host: string) => Promise<string>;
  readonly config?: Partial<ProtocolConfig>;
  /** Sees everything that happens in the endpoint. */
  readonly observer?: EndpointObserver | undefined;
}

/** A {@link Transport} over datagrams. */
export class DatagramTransport implements Transport, CallStarter {
  readonly address: string;
  readonly clock: Clock;
  /** What is printed of {@link address}. */
  readonly #name: string;
  readonly #socket: DatagramSocket;
  readonly #options: DatagramTransportOptions;
  readonly #endpoint: Endpoint;
  readonly #peers = new Map<string, DatagramPeer>();
  readonly #handlers: HandlerTable;
  readonly #streams: Streams;
  readonly #pending: PendingCalls;
  /** By the numbers of their requests. */
  readonly #running = new IdTable<RunningRequest>();
  readonly #listeners = new Listeners();
  #flushScheduled = false;
  /** What has come since something was sent last. */
  #unansweredBytes = 0;
  /** Messages that have begun in this turn, and were not sent within it; and their bodies. */
  #waitingMessages = 0;
  #waitingBytes = 0;
  /** The socket has enough to do: what is due waits where it can still be taken back. */
  #socketFull = false;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #wokeAtMs: number;
  /** From the beginning of closing: what it leads to starts nothing new. */
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(socket: DatagramSocket, options: DatagramTransportOptions) {
    this.#socket = socket;
    this.#options = options;
    this.clock = options.clock;
    this.#wokeAtMs = options.clock.wokeAtMs();
    const { identity, swissnum, random, unixMs, allow } = options;
    const place = formatSocketAddress(socket.local);
    const host = reachableAddress(socket.local);
    this.address = formatAddress({ key: identity.publicKey, hosts: [host], swissnum });
    this.#name = formatPeerAddress(host);
    this.#pending = new PendingCalls(options.clock, {
      tell: (event) => this.#tell(event),
      cancel: (callId) => {
        this.#endpoint.cancel(callId, this.clock.now());
        this.#scheduleFlush();
      },
    });
    this.#streams = new Streams(options.random, (event) => this.#tell(event));
    this.#handlers = new HandlerTable(this.#streams.readAhead);
    this.#endpoint = new Endpoint({
      random,
      protection:
        options.protection ?? sealedProtection({ identity, swissnum, place, random, unixMs, allows: allow }),
      datagramCeilingBytes: (to) => socket.datagramCeilingBytes(to),
      ...(options.config === undefined ? {} : { config: options.config }),
      observer: options.observer,
    });
    socket.onDatagram = (bytes, from) => {
      if (this.#closed) return;
      if (datagram.hasSubscribers) this.#tellDatagram('received', from, bytes.length);
      const nowMs = this.clock.now();
      this.#noticeSleep(nowMs);
      this.#endpoint.receive(bytes, from, nowMs);
      this.#dispatchEvents();
      this.#unansweredBytes += bytes.length;
      // P-15
      if (this.#unansweredBytes < ANSWER_AFTER_BYTES) this.#scheduleFlush();
      else if (!this.#closed) this.#flush();
    };
    socket.onTaken = () => {
      if (!this.#socketFull || socket.queuedBytes > SOCKET_QUEUE_MAX_BYTES / 2) return;
      this.#socketFull = false;
      this.#scheduleFlush();
    };
    socket.onSendError = (to, code, sizeBytes) => {
      if (this.#closed) return;
      const nowMs = this.clock.now();
      this.#noticeSleep(nowMs);
      this.#endpoint.onSendError(to, code, sizeBytes, nowMs);
      this.#dispatchEvents();
      this.#scheduleFlush();
    };
  }

  get retries(): RetryBudget {
    return this.#endpoint.retries;
  }

  /** Counters since the transport was made. */
  get stats(): Readonly<EndpointStats> {
    return this.#endpoint.stats;
  }

  /** What it holds at this moment: calls, sessions, timers, memory. */
  get gauges(): EndpointGauges {
    return this.#endpoint.gauges;
  }

  /** A snapshot of everything that is counted, held and known. Takes time in proportion to the peers. */
  status(): DatagramStatus {
    const atMs = this.clock.now();
    const { peers, silentPeers, callers } = this.#endpoint.peersAt(atMs);
    return {
      address: this.#name,
      atMs,
      counters: { ...this.stats },
      gauges: {
        ...this.gauges,
        ...this.#handlers.streamGauges,
        runningRequests: this.#running.size,
        socketQueuedBytes: this.#socket.queuedBytes,
      },
      retryTokens: this.retries.tokensAt(atMs),
      peers: peers.map(named),
      silentPeers: silentPeers.map(named),
      callers: callers.map(named),
    };
  }

  handle(method: string, handler: Handler, options: HandlerOptions = {}): void {
    for (const name of this.#handlers.add(method, handler)) {
      this.#endpoint.registerMethod(name, options.early === 'safe');
    }
  }

  peer(address: string): Peer {
    const known = this.#peers.get(address);
    if (known !== undefined) return known;
    const peer = new DatagramPeer(this, address);
    this.#peers.set(address, peer);
    return peer;
  }

  subscribe(listener: (event: TransportEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#endpoint.close(this.clock.now());
    this.#dispatchEvents();
    this.#socketFull = false;
    // The CANCELs leave; nobody waits for what the peers say to them.
    this.#flush();
    this.#endpoint.dispose();
    this.#dispatchEvents();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listeners.clear();
    this.#peers.clear();
    await this.#socket.close();
  }

  // ---- calls

  /** {@link Peer.call}; the peer's address is resolved by then, which may have taken until `nowMs`. */
  startCall(
    name: string,
    to: Callee,
    method: string,
    body: EncodedBody,
    options: CallOptions,
    startedAtMs: number,
    nowMs: number = startedAtMs,
  ): Promise<unknown> {
    if (this.#closed) {
      return Promise.reject(explainFailure('CLOSED', 'no', undefined, name, method, 0));
    }
    // Once in a turn is enough.
    if (!this.#flushScheduled) this.#noticeSleep(nowMs);
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
      return Promise.reject(badArgument(cause, name, method));
    }
    const requestBytes = totalBytes(body);
    const outcome = this.#pending.add(callId, { peer: name, method, requestBytes, startedAtMs }, options);
    this.#flushSoon(requestBytes);
    return outcome;
  }

  get streams(): Streams {
    return this.#streams;
  }

  healthOf(to: Callee): PeerHealth {
    return this.#endpoint.health(to);
  }

  overdueAfterMs(to: Callee, method: string, expectedBytes: number): number {
    return this.#endpoint.overdueAfterMs(to, method, expectedBytes, this.clock.now());
  }

  hasLearnt(to: Callee, method: string, expectedBytes: number): boolean {
    return this.#endpoint.hasLearnt(to, method, expectedBytes, this.clock.now());
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
        this.#pending.answer(event.callId, event.body);
        break;
      case 'failed':
        this.#pending.fail(event.callId, event.code, event.executed, event.detail, event.report);
        break;
      case 'overdue':
        this.#pending.overdue(event.callId, event.afterMs);
        break;
      case 'request':
        // A handler of the same datagram may have closed us: those behind it do not begin, as if they had come later.
        if (!this.#closed) this.#onRequest(event);
        break;
      case 'request-cancelled': {
        const request = this.#running.get(event.ref.number);
        this.#running.delete(event.ref.number);
        request?.abort(event.reason);
        break;
      }
      case 'peer-live':
        this.#tellHealth(event.address, 'live');
        break;
      case 'peer-suspect':
        this.#askAbout(event.address);
        this.#tellHealth(event.address, 'suspect');
        break;
      case 'peer-silent':
        this.#tell({
          type: 'peer:silent',
          peer: formatPeerAddress(event.address),
          why: event.why,
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
    this.#listeners.tell(event);
    publishHealth(event, this.#name);
  }

  /** Asked at the first doubt: when the peer counts as silent, the verdict is there, and nothing waits for it. */
  #askAbout(address: SocketAddress): void {
    this.#socket.askWhetherOpen?.(address);
    if (this.#socket.askMachine === undefined) return;
    this.#endpoint.onMachineAsked(address);
    this.#socket.askMachine(address, () => this.#endpoint.onMachineAnswered(address));
  }

  #tellHealth(address: SocketAddress, health: 'live' | 'suspect'): void {
    if (!peerHealth.hasSubscribers) return;
    peerHealth.publish({ local: this.#name, peer: formatPeerAddress(address), health });
  }

  #tellDatagram(direction: 'sent' | 'received', peer: SocketAddress, sizeBytes: number): void {
    datagram.publish({ local: this.#name, direction, peer: formatSocketAddress(peer), sizeBytes });
  }

  // ---- handlers

  #onRequest(event: Extract<EndpointEvent, { type: 'request' }>): void {
    const { ref } = event;
    const request = new RunningRequest(event.deadlineAtMs, event.from);
    this.#running.set(ref.number, request);
    this.#handlers.run(event.method, event.body, request, (reply) => {
      this.#running.delete(ref.number);
      if (reply.ok) this.#endpoint.answer(ref, reply.body, this.clock.now());
      else this.#endpoint.answerError(ref, reply.error, this.clock.now());
      this.#flushSoon(reply.ok ? totalBytes(reply.body) : 0);
    });
  }

  // ---- the loop

  #noticeSleep(nowMs: number): void {
    const wokeAtMs = this.clock.wokeAtMs();
    if (wokeAtMs <= this.#wokeAtMs) return;
    this.#wokeAtMs = wokeAtMs;
    this.#endpoint.onWake(nowMs);
    this.#scheduleFlush();
  }

  /** A message waits to be sent: at the end of the turn at the latest, sooner when there is much already. */
  #flushSoon(bodyBytes: number): void {
    this.#scheduleFlush();
    this.#waitingMessages++;
    this.#waitingBytes += bodyBytes;
    // P-15
    const isEnough = this.#waitingMessages >= SEND_AFTER_MESSAGES || this.#waitingBytes >= SEND_AFTER_BYTES;
    if (isEnough && !this.#closed) this.#flush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#options.soon(() => {
      this.#flushScheduled = false;
      if (this.#closed) return;
      // What a command has settled at once: a call to a silent peer, one that is too large.
      this.#dispatchEvents();
      this.#flush();
    });
  }

  #flush(): void {
    this.#unansweredBytes = 0;
    this.#waitingMessages = 0;
    this.#waitingBytes = 0;
    let nowMs = this.clock.now();
    // P-75
    while (!this.#socketFull) {
      const sent = this.#endpoint.pollTransmit(nowMs);
      if (sent === undefined) break;
      this.#socket.send(sent.bytes, sent.to);
      if (datagram.hasSubscribers) this.#tellDatagram('sent', sent.to, sent.bytes.length);
      const { queuedBytes } = this.#socket;
      if (queuedBytes === 0) this.#endpoint.onTaken();
      this.#socketFull = queuedBytes > SOCKET_QUEUE_MAX_BYTES;
      // Thirty of the largest take milliseconds to seal, in which the pacer's bucket fills again.
      nowMs = this.clock.now();
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
        if (this.#closed) return;
        const nowMs = this.clock.now();
        this.#noticeSleep(nowMs);
        this.#endpoint.onTimer(nowMs);
        this.#dispatchEvents();
        this.#flush();
      });
    });
  }
}

function named<P extends { readonly address: SocketAddress }>(
  peer: P,
): Omit<P, 'address'> & { address: string } {
  return { ...peer, address: formatPeerAddress(peer.address) };
}
