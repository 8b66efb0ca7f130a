// A transport over connections: the baseline that the datagrams are compared with, behind the same interface. It gives
// calls their ids and limits, and streams to whom they belong; what is sent, when, and what has failed is decided by
// client-peer.ts for calls that we make and by server-connection.ts for those that others make.

import { concatBytes, totalBytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { reportOfRefusal } from '../base/failed-call.ts';
import { MemoryBudget } from '../base/memory-budget.ts';
import { callLimits, OutstandingCalls } from '../base/outstanding-calls.ts';
import type { Random } from '../base/random.ts';
import { ResponseTimes } from '../base/response-times.ts';
import { RetryBudget } from '../base/retry-budget.ts';
import { SelfDoubt } from '../base/self-doubt.ts';
import type { Identity } from '../session/identity.ts';
import { formatAddress, formatPeerAddress, reachableAddress } from '../transport/address.ts';
import type { EncodedBody } from '../transport/body.ts';
import { publishHealth } from '../transport/diagnostics.ts';
import { badArgument, explainFailure } from '../transport/failure.ts';
import { HandlerTable } from '../transport/handler-table.ts';
import { Listeners } from '../transport/listeners.ts';
import { encodeCall, PendingCalls } from '../transport/pending-calls.ts';
import { Streams } from '../transport/streams.ts';
import type {
  AnswerStream,
  CallOptions,
  Handler,
  HandlerOptions,
  Peer,
  PeerHealth,
  StreamOptions,
  Transport,
  TransportEvent,
} from '../transport/transport.ts';
import { requestHead } from '../wire/message.ts';
import type { ByteStream, StreamNetwork } from './byte-stream.ts';
import { ClientPeer } from './client-peer.ts';
import { DEFAULT_TCP_CONFIG, type TcpConfig } from './config.ts';
import { newStats, type TcpContext, type TcpStats } from './context.ts';
import { capabilityOf, sealAccepted } from './sealed-stream.ts';
import { ServerConnection } from './server-connection.ts';
import type { TcpStatus } from './status.ts';
import { Alarm, Timers } from './timers.ts';

/** What the transport is made of besides the network. */
export interface TcpTransportOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: Identity;
  /** What who calls us must have been told besides our key. */
  readonly swissnum: string;
  /** Whether the owner of a public key, as text, may call; asked again for each request. Everybody by default. */
  readonly allow?: ((clientKey: string) => boolean) | undefined;
  /** Runs `task` once at the end of this turn of the event loop, after what has arrived was read. */
  readonly soon: (task: () => void) => void;
  readonly config?: Partial<TcpConfig>;
}

/** A {@link Transport} over TCP. */
export class TcpTransport implements Transport {
  readonly address: string;
  readonly clock: Clock;
  /** What is printed of {@link address}. */
  readonly #name: string;
  readonly streams: Streams;
  readonly #network: StreamNetwork;
  readonly #context: TcpContext;
  readonly #pending: PendingCalls;
  readonly #peers = new Map<string, TcpPeer>();
  readonly #clients = new Set<ServerConnection>();
  /** Streams of who has dialled and not proven itself yet, the oldest first, and when that is over. */
  readonly #handshakes = new Map<ByteStream, Alarm>();
  readonly #listeners = new Listeners();
  readonly #outstanding: OutstandingCalls<ClientPeer>;
  #nextCallId = 1;
  #closing: Promise<void> | undefined;

  constructor(network: StreamNetwork, options: TcpTransportOptions) {
    const { clock, random, soon, identity, swissnum, allow = () => true } = options;
    const config = { ...DEFAULT_TCP_CONFIG, ...options.config };
    const stats = newStats();
    this.clock = clock;
    const host = reachableAddress(network.local);
    this.address = formatAddress({ key: identity.publicKey, hosts: [host], swissnum });
    this.#name = formatPeerAddress(host);
    this.#network = network;
    this.#pending = new PendingCalls(clock, {
      tell: (event) => this.#tell(event),
      cancel: (callId) => {
        const peer = this.#outstanding.peerOf(callId);
        this.#outstanding.forget(callId);
        peer?.cancel(callId);
      },
    });
    this.streams = new Streams(random, (event) => this.#tell(event));
    this.#outstanding = new OutstandingCalls(config);
    this.#context = {
      config,
      clock,
      random,
      soon,
      network,
      guard: { identity, capability: capabilityOf(identity.publicKey, swissnum), allows: allow, random },
      timers: new Timers(clock, soon, config.stallMs),
      memory: new MemoryBudget(config.maxReassemblyBytes, config.maxReassemblyBytesPerPeer),
      stats,
      cohort: new ResponseTimes(),
      retries: new RetryBudget(stats),
      selfDoubt: new SelfDoubt(),
      handlers: new HandlerTable(this.streams.readAhead),
      outcomes: {
        answer: (callId, body) => {
          this.#outstanding.forget(callId);
          this.#pending.answer(callId, body);
        },
        fail: (callId, code, executed, detail, report) => {
          this.#outstanding.forget(callId);
          this.#pending.fail(callId, code, executed, detail, report);
        },
        overdue: (callId, afterMs) => this.#pending.overdue(callId, afterMs),
      },
      tell: (event) => this.#tell(event),
    };
    this.#context.timers.onWake = (nowMs) => {
      for (const { client } of this.#peers.values()) client.onWake(nowMs);
    };
    network.onStream = (stream) => this.#accept(stream);
  }

  get retries(): RetryBudget {
    return this.#context.retries;
  }

  /** Counters since the transport was made. */
  get stats(): Readonly<TcpStats> {
    return this.#context.stats;
  }

  /** A snapshot of everything that is counted, held and known. Takes time in proportion to the peers. */
  status(): TcpStatus {
    const atMs = this.clock.now();
    const { timers, memory, stats } = this.#context;
    const { unsentAnswerBytes, ...counters } = stats;
    const known = [...this.#peers.values()].map((peer) => peer.client);
    const peers = known.flatMap((peer) => peer.liveStatus(atMs) ?? []);
    const silentPeers = known.flatMap((peer) => peer.silentStatus(atMs) ?? []);
    const callers = Array.from(this.#clients, (client) => client.status(atMs));
    return {
      address: this.#name,
      atMs,
      counters,
      gauges: {
        ...this.#context.handlers.streamGauges,
        outstandingCalls: this.#outstanding.count,
        outstandingBytes: this.#outstanding.bytes,
        dialledConnections: known.filter(({ connection }) => connection !== undefined).length,
        acceptedConnections: this.#clients.size,
        calledPeers: peers.length + silentPeers.length,
        timers: timers.size,
        reassemblyBytes: memory.usedBytes,
        unsentAnswerBytes,
        runningRequests: callers.reduce((sum, { runningRequests }) => sum + runningRequests, 0),
      },
      retryTokens: this.retries.tokensAt(atMs),
      peers,
      silentPeers,
      callers,
    };
  }

  /** `options` make no difference: nobody can record a connection's first bytes and have them run again. */
  handle(method: string, handler: Handler, _options?: HandlerOptions): void {
    this.#context.handlers.add(method, handler);
  }

  peer(address: string): Peer {
    const known = this.#peers.get(address);
    if (known !== undefined) return known;
    const client = new ClientPeer(this.#context, address);
    const peer = new TcpPeer(this, client);
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
    for (const peer of this.#peers.values()) peer.close();
    for (const client of [...this.#clients]) client.close();
    for (const stream of [...this.#handshakes.keys()]) this.#giveUp(stream);
    this.#context.timers.close();
    this.#listeners.clear();
    await this.#network.close();
  }

  /** {@link Peer.call}; the arguments have been looked at, and the body is encoded. */
  startCall(peer: ClientPeer, method: string, body: EncodedBody, options: CallOptions): Promise<unknown> {
    const { address } = peer;
    if (this.#closing !== undefined) {
      return Promise.reject(explainFailure('CLOSED', 'no', undefined, address, method, 0));
    }
    let bytes: Uint8Array;
    try {
      bytes = concatBytes([requestHead(method), ...body]);
    } catch (cause) {
      return Promise.reject(badArgument(cause, address, method));
    }
    const callId = this.#nextCallId++;
    this.retries.earn();
    const startedAtMs = this.clock.now();
    const { deadline = 'adaptive', expectedBytes = 0, idempotent = false } = options;
    const sizeBytes = bytes.length + expectedBytes;
    const { responseTimes, rtt } = peer.calls;
    const limits = callLimits(deadline, responseTimes.limits(method, sizeBytes, startedAtMs, rtt));
    const name = { peer: address, method, requestBytes: totalBytes(body), startedAtMs };
    const answer = this.#pending.add(callId, name, options);
    const refusedBy = this.#outstanding.refusal(peer.calls.size, bytes.length);
    if (refusedBy !== undefined) {
      const report = reportOfRefusal(bytes.length, limits, peer.report(startedAtMs), refusedBy);
      const code = refusedBy.limit === 'maxMessageBytes' ? 'TOO_LARGE' : 'OVERLOADED';
      this.#pending.fail(callId, code, 'no', undefined, report);
      return answer;
    }
    this.#outstanding.add(callId, peer, bytes.length);
    peer.start({
      callId,
      method,
      bytes,
      deadlineAtMs: startedAtMs + limits.deadlineAfterMs,
      limits,
      idempotent,
      sizeBytes,
    });
    return answer;
  }

  #accept(stream: ByteStream): void {
    const { config, guard, stats, timers } = this.#context;
    if (this.#closing !== undefined || this.#clients.size >= config.maxConnections) {
      stats.connectionsRefused++;
      stream.destroy();
      return;
    }
    if (this.#handshakes.size >= config.maxHandshakes) this.#giveUp(this.#handshakes.keys().next().value!);
    const alarm = new Alarm(timers, () => this.#giveUp(stream));
    alarm.set(this.clock.now() + config.handshakeTimeoutMs);
    this.#handshakes.set(stream, alarm);
    sealAccepted(
      stream,
      guard,
      (sealed, clientKey) => {
        // There was room when it dialled.
        if (this.#clients.size >= config.maxConnections) {
          sealed.destroy();
          this.#giveUp(stream);
          return;
        }
        this.#forgetHandshake(stream);
        stats.connectionsAccepted++;
        this.#clients.add(
          new ServerConnection(this.#context, sealed, clientKey, (gone) => this.#clients.delete(gone)),
        );
      },
      () => this.#giveUp(stream),
    );
  }

  /** Whoever dialled has shown that it does not belong here, or has had its time. */
  #giveUp(stream: ByteStream): void {
    this.#context.stats.connectionsRefused++;
    this.#forgetHandshake(stream);
    stream.destroy();
  }

  #forgetHandshake(stream: ByteStream): void {
    this.#handshakes.get(stream)?.clear();
    this.#handshakes.delete(stream);
  }

  #tell(event: TransportEvent): void {
    this.#listeners.tell(event);
    publishHealth(event, this.#name);
  }
}

class TcpPeer implements Peer {
  readonly address: string;
  readonly clock: Clock;
  /** The calls to it, and what carries them. */
  readonly client: ClientPeer;
  readonly #transport: TcpTransport;

  constructor(transport: TcpTransport, client: ClientPeer) {
    this.address = client.address;
    this.clock = transport.clock;
    this.#transport = transport;
    this.client = client;
  }

  get retries(): RetryBudget {
    return this.#transport.retries;
  }

  get health(): PeerHealth {
    return this.client.health;
  }

  stream(method: string, body: unknown, options: StreamOptions = {}): AnswerStream {
    return this.#transport.streams.read(this, method, body, options);
  }

  call(method: string, body: unknown, options: CallOptions = {}): Promise<unknown> {
    if (options.upload !== undefined) return this.#transport.streams.write(this, method, body, options);
    let encoded: EncodedBody;
    try {
      encoded = encodeCall(this.address, method, body, options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#transport.startCall(this.client, method, encoded, options);
  }

  hasLearnt(method: string, expectedBytes = 0): boolean {
    const { responseTimes } = this.client.calls;
    return responseTimes.estimate(method, expectedBytes, this.clock.now()).source !== 'none';
  }

  overdueAfterMs(method: string, expectedBytes = 0): number {
    const { responseTimes, rtt } = this.client.calls;
    return responseTimes.overdueAfterMs(method, expectedBytes, this.clock.now(), rtt);
  }

  close(): void {
    this.client.close();
  }
}
