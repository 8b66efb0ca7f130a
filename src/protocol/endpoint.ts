// The sans-IO endpoint: datagrams, commands and the current time go in; datagrams, events and the next wake-up
// time come out. It opens no socket, starts no timer, reads no clock and draws no random number of its own.
//
// Inputs: receive, onTimer, onWake, onSendError, onTaken, onMachineAsked, onMachineAnswered. Commands: call, cancel,
// answer, registerMethod, close. Getters: health, overdueAfterMs, stats, gauges. After each input or command the driver
// drains pollEvent, sends what pollTransmit gives, and arms one timer for timerAtMs.

import { totalBytes } from '../base/bytes.ts';
import { reportOfRefusal } from '../base/failed-call.ts';
import { Heap } from '../base/heap.ts';
import { MemoryBudget } from '../base/memory-budget.ts';
import { callLimits, OutstandingCalls } from '../base/outstanding-calls.ts';
import type { Random } from '../base/random.ts';
import { ResponseTimes } from '../base/response-times.ts';
import { RetryBudget } from '../base/retry-budget.ts';
import { SelfDoubt } from '../base/self-doubt.ts';
import type { Protection } from '../session/protection.ts';
import { NO_SESSION_BYTES, noSessionDatagram, readHeader, versionDatagram } from '../wire/datagram.ts';
import { STATUS } from '../wire/frame.ts';
import { type ErrorBody, encodeErrorBody, requestHead } from '../wire/message.ts';
import { CalledPeers } from './called-peers.ts';
import type { Callee } from './callee.ts';
import { CallingClients } from './calling-clients.ts';
import { ClientPeer } from './client-peer.ts';
import { DEFAULT_CONFIG, type ProtocolConfig } from './config.ts';
import type { Pollable, TimerTarget } from './context.ts';
import { onInit } from './entrance.ts';
import {
  type EndpointEvent,
  type EndpointGauges,
  type EndpointStats,
  newStats,
  type RequestRef,
} from './events.ts';
import { GrantBook } from './grants.ts';
import type { PeerHealth } from './health.ts';
import { KeptAnswers } from './kept-answers.ts';
import type { Transmit } from './link.ts';
import { MessageMemory } from './message-memory.ts';
import type { EndpointObserver } from './observer.ts';
import { Slab } from './packet-builder.ts';
import { type PathAddress, sameAddress } from './path.ts';
import type { ServerContext } from './server-calls.ts';
import { SessionTable } from './session-table.ts';
import { type EndpointPeers, peersAt } from './status.ts';

/** What an endpoint is made of. */
export interface EndpointOptions {
  readonly random: Random;
  readonly protection: Protection;
  /** Largest datagram, in bytes, that the interface to an address carries unfragmented. */
  readonly datagramCeilingBytes: (to: PathAddress) => number;
  readonly config?: Partial<ProtocolConfig>;
  /** Sees everything that happens. */
  readonly observer?: EndpointObserver | undefined;
}

/** Options of one call, all resolved. */
export interface EndpointCall {
  readonly method: string;
  /** Encoded, in parts; copied when the call begins. */
  readonly body: readonly Uint8Array[];
  /** `'adaptive'`, or milliseconds from now; Infinity = never. */
  readonly deadline: 'adaptive' | number;
  readonly idempotent: boolean;
  /** Bytes expected in the answer, for the size class of its response time. */
  readonly expectedBytes: number;
}

/** The protocol without its socket. */
export class Endpoint {
  readonly stats: EndpointStats = newStats();
  /** Pays for the hedges of its callers, and for calls that are repeated. */
  readonly retries: RetryBudget = new RetryBudget(this.stats);
  readonly config: ProtocolConfig;
  readonly #context: ServerContext;
  readonly #options: EndpointOptions;
  /** Response times of all peers together. */
  readonly #cohort = new ResponseTimes();
  readonly #calledPeers: CalledPeers;
  readonly #callingClients: CallingClients;
  readonly #outstanding: OutstandingCalls<ClientPeer>;
  readonly #methods = new Map<string, { readonly earlySafe: boolean }>();
  readonly #sessions = new SessionTable();
  readonly #timers = new Heap<TimerTarget>();
  readonly #dirty: Pollable[] = [];
  readonly #events: EndpointEvent[] = [];
  #eventsRead = 0;
  /** Answers to datagrams of nobody's session; bounded. */
  readonly #stateless: Transmit[] = [];
  #nextCallId = 1;
  #stalledUntilMs = Number.NEGATIVE_INFINITY;
  readonly #waking = { graceUntilMs: Number.NEGATIVE_INFINITY };

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.config = { ...DEFAULT_CONFIG, ...options.config };
    this.#outstanding = new OutstandingCalls(this.config);
    this.#callingClients = new CallingClients(this.config);
    this.#calledPeers = new CalledPeers({
      maxAwake: this.config.maxAwakePeers,
      maxAsleep: this.config.maxIdleClientPeers,
      initialRttMs: this.config.initialRttMs,
      cohort: this.#cohort,
      make: (callee, memory) => {
        const ceilingBytes = options.datagramCeilingBytes(callee.addresses[0]);
        return new ClientPeer(this.#context, callee, ceilingBytes, memory);
      },
    });
    const { random } = options;
    const freshId = (): number => {
      for (;;) {
        const bytes = random.bytes(7);
        let id = bytes[0]! & 0x1f;
        for (let i = 1; i < 7; i++) id = id * 256 + bytes[i]!;
        if (id !== 0) return id;
      }
    };
    const freshSessionId = (): number => {
      for (;;) {
        const [high, middle, low] = random.bytes(3) as unknown as [number, number, number];
        const id = options.protection.sessionId((high & 0x1f) * 65_536 + middle * 256 + low);
        // P-4
        if (!this.#sessions.has(id)) return id;
      }
    };
    this.#context = {
      config: this.config,
      slab: new Slab(),
      messages: new MessageMemory(this.config.maxSpareBytes),
      jitter: () => random.float(),
      observer: options.observer,
      protection: options.protection,
      timers: this.#timers,
      grants: new GrantBook(this.config),
      memory: new MemoryBudget(this.config.maxReassemblyBytes, this.config.maxReassemblyBytesPerPeer),
      stats: this.stats,
      cohort: this.#cohort,
      retries: this.retries,
      selfDoubt: new SelfDoubt(),
      sessions: this.#sessions,
      waking: this.#waking,
      kept: new KeptAnswers(this.config.maxKeptResponseBytes),
      load: { calls: 0 },
      freshId,
      freshSessionId,
      emit: (event) => this.#emit(event),
      touch: (peer) => {
        if (peer.dirty) return;
        peer.dirty = true;
        this.#dirty.push(peer);
      },
      isAllowed: (key) => options.protection.allows(key),
      isEarlySafe: (method) => this.#methods.get(method)?.earlySafe ?? true,
      hasMethod: (method) => this.#methods.has(method),
    };
  }

  // ---- inputs

  /** A datagram has arrived. The bytes belong to the endpoint from now on. Never throws. */
  receive(datagram: Uint8Array, from: PathAddress, nowMs: number): void {
    // What has waited for us is read before any timer runs.
    this.#noticeStall(nowMs);
    this.stats.datagramsReceived++;
    this.stats.bytesReceived += datagram.length;
    // P-13: whatever it is, it is looked at as a value.
    const header = readHeader(datagram);
    switch (header.kind) {
      case 'data':
        this.#onData(header.to, header.packetNumber, datagram, from, nowMs);
        return;
      case 'init':
        this.#onInit(header.from, datagram, from, nowMs);
        return;
      case 'resp': {
        const owner = this.#sessions.get(header.to);
        if (owner?.kind !== 'attempt' || !owner.peer.onResp(header.to, header.from, datagram, nowMs)) {
          this.#drop(datagram, from);
        }
        return;
      }
      case 'cookie': {
        const owner = this.#sessions.get(header.to);
        if (owner?.kind !== 'attempt' || !owner.peer.onCookie(header.to, datagram, nowMs)) {
          this.#drop(datagram, from);
        }
        return;
      }
      case 'no-session':
        this.#onNoSession(header.to, header.token, datagram, from, nowMs);
        return;
      case 'unknown-version':
        this.#drop(datagram, from);
        // P-3
        if (this.#options.protection.isMeantForUs(datagram)) this.#answerStateless(versionDatagram(), from);
        return;
      case 'version':
      case 'malformed':
        this.#drop(datagram, from);
        return;
      default:
        header satisfies never;
    }
  }

  #drop(datagram: Uint8Array, from: PathAddress): void {
    this.stats.datagramsDropped++;
    this.#context.observer?.datagramDropped(from, datagram.length);
  }

  #onData(to: number, packetNumber: number, datagram: Uint8Array, from: PathAddress, nowMs: number): void {
    let owner = this.#sessions.get(to);
    if (owner?.kind === 'link' && owner.link.isWorn(nowMs)) {
      owner.peer.onSessionWorn(owner.link);
      owner = undefined;
    }
    if (owner === undefined) {
      this.#drop(datagram, from);
      // P-7
      if (datagram.length > NO_SESSION_BYTES && this.#options.protection.mayHaveIssued(to)) {
        this.#answerStateless(noSessionDatagram(to, this.#options.protection.resetToken(to)), from);
      }
      return;
    }
    const frames = owner.kind === 'link' ? owner.link.open(datagram, packetNumber) : undefined;
    if (owner.kind !== 'link' || frames === undefined) {
      this.#drop(datagram, from);
      return;
    }
    this.#context.observer?.packetReceived({
      peer: from,
      session: to,
      role: owner.link.role,
      kind: 'data',
      packetNumber,
      sizeBytes: datagram.length,
      frames,
    });
    const packet = { packetNumber, frames, from, sizeBytes: datagram.length };
    if (!owner.peer.onPacket(owner.link, packet, nowMs)) this.stats.peerErrors++;
  }

  #onInit(remoteSession: number, datagram: Uint8Array, from: PathAddress, nowMs: number): void {
    const { datagramCeilingBytes } = this.#options;
    const clients = this.#callingClients;
    const entry = onInit(this.#context, clients, datagramCeilingBytes, remoteSession, datagram, from, nowMs);
    if (entry === 'dropped') this.#drop(datagram, from);
    else if (entry === 'unsound') this.stats.peerErrors++;
    else if (entry !== 'sound') this.#answerStateless(entry.bytes, entry.to);
  }

  #onNoSession(to: number, token: Uint8Array, datagram: Uint8Array, from: PathAddress, nowMs: number): void {
    // The id is the other side's: find the session that sends with it.
    const owner = this.#sessions.byRemoteId(to);
    // P-8
    if (owner === undefined || !owner.link.isResetToken(token)) {
      this.#drop(datagram, from);
      return;
    }
    owner.peer.onSessionForgotten(owner.link, nowMs);
  }

  #answerStateless(bytes: Uint8Array, to: PathAddress): void {
    // P-10
    if (this.#stateless.length < MAX_STATELESS_ANSWERS) this.#stateless.push({ to, bytes });
  }

  /** The time that {@link timerAtMs} named has come. */
  onTimer(nowMs: number): void {
    this.#noticeStall(nowMs);
    for (
      let entry = this.#timers.peek();
      entry !== undefined && entry.key <= nowMs;
      entry = this.#timers.peek()
    ) {
      this.#timers.pop();
      entry.value.onTimer(nowMs);
    }
    this.#sessions.dropWorn(nowMs);
  }

  /** We were not running: what ran out meanwhile, or took so long, is no evidence against any peer. */
  #noticeStall(nowMs: number): void {
    const first = this.#timers.peek();
    // P-68
    if (first === undefined || nowMs - Math.max(first.key, this.#stalledUntilMs) <= this.config.stallMs)
      return;
    this.#stalledUntilMs = nowMs;
    for (const peer of this.#calledPeers.awake()) peer.forgiveStall(nowMs);
    for (const peer of this.#callingClients.all()) peer.forgiveStall(nowMs);
  }

  /**
   * The machine has slept, and the clock of `nowMs` with it; to be told before what has arrived since. Who is called
   * is asked at once, and nobody is silent before the network had time to come back.
   */
  onWake(nowMs: number): void {
    // P-69
    this.#stalledUntilMs = nowMs;
    this.#waking.graceUntilMs = nowMs + this.config.wakeGraceMs;
    for (const peer of this.#calledPeers.awake()) peer.onWake(nowMs);
    for (const peer of this.#callingClients.all()) peer.forgiveStall(nowMs);
  }

  /** The local network refused a datagram of this size: the calls to that address fail now, not at a timeout. */
  onSendError(to: PathAddress, code: string, sizeBytes: number, nowMs: number): void {
    for (const peer of this.#calledPeers.at(to)) peer.onSendError(to, code, sizeBytes, nowMs);
    if (code !== 'EMSGSIZE') return;
    for (const peer of this.#callingClients.all()) {
      if (sameAddress(peer.path.address, to)) peer.path.mtu.onTooLong(sizeBytes, nowMs);
    }
  }

  /** The machine of a suspect peer is being asked whether it lives. */
  onMachineAsked(of: PathAddress): void {
    for (const { health } of this.#calledPeers.at(of)) health.onMachineAsked();
  }

  /** It lives: if the peer stays silent, it is the process that says nothing. */
  onMachineAnswered(of: PathAddress): void {
    for (const { health } of this.#calledPeers.at(of)) health.onMachineAnswered();
  }

  // ---- commands

  /** Starts a call and returns its id; what becomes of it is an event. @throws RangeError for a bad method name. */
  call(to: Callee, call: EndpointCall, nowMs: number): number {
    const parts = [requestHead(call.method), ...call.body];
    const requestBytes = totalBytes(parts);
    const callId = this.#nextCallId++;
    this.retries.earn();
    const peer = this.#calledPeers.wake(to);
    const sizeBytes = requestBytes + call.expectedBytes;
    const limits = callLimits(
      call.deadline,
      peer.responseTimes.limits(call.method, sizeBytes, nowMs, peer.path.rtt),
    );
    const refusedBy = this.#outstanding.refusal(peer.calls.size, requestBytes);
    if (refusedBy !== undefined) {
      const report = reportOfRefusal(requestBytes, limits, peer.report(nowMs), refusedBy);
      const code = refusedBy.limit === 'maxMessageBytes' ? 'TOO_LARGE' : 'OVERLOADED';
      this.#emit({ type: 'failed', callId, code, executed: 'no', report });
      return callId;
    }
    this.#context.observer?.callStarted({
      callId,
      peer: peer.address,
      method: call.method,
      requestBytes,
      deadlineAfterMs: limits.deadlineAfterMs,
      overdueAfterMs: limits.overdueAfterMs,
    });
    this.#outstanding.add(callId, peer, requestBytes);
    peer.start(
      {
        callId,
        method: call.method,
        bytes: this.#context.messages.join(parts),
        deadlineAtMs: nowMs + limits.deadlineAfterMs,
        limits,
        idempotent: call.idempotent,
        sizeBytes,
      },
      nowMs,
    );
    return callId;
  }

  /** Never mind. False when the call has settled already. No event follows. */
  cancel(callId: number, nowMs: number): boolean {
    const peer = this.#outstanding.peerOf(callId);
    if (peer === undefined) return false;
    this.#outstanding.forget(callId);
    this.#context.observer?.callCancelled(callId);
    return peer.calls.cancel(callId, nowMs);
  }

  /** A handler's result; ignored when nobody waits for it any more. */
  answer(ref: RequestRef, body: readonly Uint8Array[], nowMs: number): void {
    this.#callingClients.get(ref.clientEpoch)?.calls.answer(ref.callId, STATUS.ok, body, nowMs);
  }

  /** A handler's failure. */
  answerError(ref: RequestRef, error: ErrorBody, nowMs: number): void {
    this.#callingClients
      .get(ref.clientEpoch)
      ?.calls.answer(ref.callId, STATUS.error, [encodeErrorBody(error)], nowMs);
  }

  /** From now on requests for this method become events; `earlySafe`: also those in a first datagram. */
  registerMethod(method: string, earlySafe: boolean): void {
    this.#methods.set(method, { earlySafe });
  }

  /** Fails every outstanding call with CLOSED and tells the peers; send what {@link pollTransmit} gives, then forget. */
  close(nowMs: number): void {
    for (const peer of this.#calledPeers.awake()) peer.close(nowMs);
  }

  /** After {@link close}: frees everything; handlers still at work are told that nobody waits. */
  dispose(): void {
    for (const peer of this.#calledPeers.awake()) peer.dispose();
    for (const peer of this.#callingClients.all()) peer.dispose();
    this.#calledPeers.clear();
    this.#callingClients.clear();
    this.#dirty.length = 0;
    this.#stateless.length = 0;
  }

  // ---- getters

  get gauges(): EndpointGauges {
    const { memory, grants, kept } = this.#context;
    return {
      outstandingCalls: this.#outstanding.count,
      outstandingBytes: this.#outstanding.bytes,
      calledPeers: this.#calledPeers.size,
      callingPeers: this.#callingClients.size,
      sessions: this.#sessions.size,
      timers: this.#timers.size,
      reassemblyBytes: memory.usedBytes,
      promisedBytes: grants.promisedBytes,
      keptAnswerBytes: kept.sizeBytes,
    };
  }

  /** Everybody that is known at this moment, but for peers that were not called for so long that they sleep. */
  peersAt(nowMs: number): EndpointPeers {
    return peersAt(this.#calledPeers.awake(), this.#callingClients.all(), nowMs);
  }

  health(to: Callee): PeerHealth {
    return this.#calledPeers.health(to);
  }

  /** When a call of this method and size would be called overdue, in milliseconds, from what is known now. */
  overdueAfterMs(to: Callee, method: string, expectedBytes: number, nowMs: number): number {
    const { responseTimes, rtt } = this.#calledPeers.times(to);
    return responseTimes.overdueAfterMs(method, expectedBytes, nowMs, rtt);
  }

  /** Whether {@link overdueAfterMs} follows from answers. */
  hasLearnt(to: Callee, method: string, expectedBytes: number, nowMs: number): boolean {
    return this.#calledPeers.times(to).responseTimes.estimate(method, expectedBytes, nowMs).source !== 'none';
  }

  // ---- outputs

  pollEvent(): EndpointEvent | undefined {
    if (this.#eventsRead === this.#events.length) {
      this.#events.length = 0;
      this.#eventsRead = 0;
      return undefined;
    }
    return this.#events[this.#eventsRead++];
  }

  /** The next datagram to send now; call until there is none. */
  pollTransmit(nowMs: number): Transmit | undefined {
    const stateless = this.#stateless.shift();
    if (stateless !== undefined) return this.#count(stateless);
    for (let peer = this.#dirty.at(-1); peer !== undefined; peer = this.#dirty.at(-1)) {
      const transmit = peer.poll(nowMs);
      if (transmit !== undefined) return this.#count(transmit);
      // `poll` does not touch peers, so this one is still the last.
      this.#dirty.pop();
      peer.dirty = false;
    }
    return undefined;
  }

  #count(transmit: Transmit): Transmit {
    this.stats.datagramsSent++;
    this.stats.bytesSent += transmit.bytes.length;
    return transmit;
  }

  /** Nobody reads what {@link pollTransmit} has given so far any more: its bytes are used for what comes next. */
  onTaken(): void {
    this.#context.slab.reuse();
  }

  /** When {@link onTimer} wants to be called; Infinity: not at all. As of the last {@link pollTransmit}. */
  timerAtMs(): number {
    return Math.min(this.#timers.peek()?.key ?? Number.POSITIVE_INFINITY, this.#sessions.wornAtMs);
  }

  #emit(event: EndpointEvent): void {
    if (event.type === 'answered' || event.type === 'failed') this.#outstanding.forget(event.callId);
    this.#events.push(event);
    this.#context.observer?.event(event);
  }
}

/** Stateless answers waiting to be sent; a flood gets no more. */
const MAX_STATELESS_ANSWERS = 64;
