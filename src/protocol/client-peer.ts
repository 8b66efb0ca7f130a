// A peer that we call: its outstanding calls, the session to it and the handshakes that make one, and what is
// known of its health. Everything in here may be forgotten when no call is outstanding; the next call makes it anew.

import type { PeerReport } from '../base/call-report.ts';
import type { Executed } from '../base/error-code.ts';
import type { HeapEntry } from '../base/heap.ts';
import { ResponseTimes } from '../base/response-times.ts';
import type { Initiation } from '../session/protection.ts';
import { MIN_DATAGRAM_BYTES } from '../wire/datagram.ts';
import { decodeFrames, FRAME, type Frame, STATUS, writeHello } from '../wire/frame.ts';
import { type ErrorBody, parseErrorBody } from '../wire/message.ts';
import { Arrival } from './arrival.ts';
import { type CallRequest, ClientCall, type ClientCallOwner } from './client-call.ts';
import { type EndpointContext, type Pollable, setTimer, type TimerTarget } from './context.ts';
import { RangesFrame } from './control-frames.ts';
import { reportOfCall, reportOfRefusal } from './failed-call.ts';
import { type Evidence, HealthMonitor, type PeerHealth } from './health.ts';
import { Link, type Transmit } from './link.ts';
import { Outbox, type Outgoing } from './outbox.ts';
import { PacketBuilder } from './packet-builder.ts';
import { Path, type PathAddress } from './path.ts';
import type { SentItem } from './sent-packets.ts';
import type { AttemptInput, OpenedPacket, PeerInput } from './session-table.ts';

/** A first datagram that waits for its answer. Each attempt has a session id of its own. */
interface Attempt {
  readonly localSession: number;
  readonly initiation: Initiation;
  readonly sentAtMs: number;
  readonly sizeBytes: number;
  readonly items: readonly SentItem[];
  /** Its items have been queued again because no answer came in time. */
  requeued: boolean;
}

/** Handshakes remembered at once: an answer to an older one than these is ignored. */
const MAX_ATTEMPTS = 8;

const ATTEMPT_BACKOFF = 1.5;

/** Unanswered probes on a session after which a new handshake is tried beside it (a NOSESS may be lost). */
const PROBES_BEFORE_HANDSHAKE = 2;

export class ClientPeer implements ClientCallOwner, PeerInput, AttemptInput, Pollable, TimerTarget {
  readonly path: Path;
  readonly responseTimes: ResponseTimes;
  readonly health: HealthMonitor;
  dirty = false;
  /** {@link MemoryBudget}'s account. */
  reassemblyBytes = 0;
  readonly #context: EndpointContext;
  readonly #outbox: Outbox;
  readonly #calls = new Map<number, ClientCall>();
  readonly #ceilingBytes: number;
  #link: Link | undefined;
  #attempts: Attempt[] = [];
  /** Handshakes to be sent; a repeated one goes twice, because three losses in a row must not look like silence. */
  #attemptsWanted = 0;
  #attemptTimeoutAtMs = Number.POSITIVE_INFINITY;
  #unansweredAttempts = 0;
  /** What the peer remembers us by. One for each peer: a server behind two addresses sees two clients. */
  readonly #epoch: number;
  /** What the peer remembers of us is its incarnation; 0 = not known yet. */
  #peerEpoch = 0;
  /** How much of a request the peer takes before it grants more. */
  #initialGrantBytes: number;
  #cancelFrame: RangesFrame | undefined;
  #timerEntry: HeapEntry<TimerTarget> | undefined;

  /** `ceilingBytes`: the largest datagram that the interface to this address carries. */
  constructor(context: EndpointContext, address: PathAddress, ceilingBytes: number) {
    this.#context = context;
    this.path = new Path(address, context.config);
    // P-22
    this.#epoch = context.freshId();
    this.#initialGrantBytes = context.config.initialGrantBytes;
    this.responseTimes = new ResponseTimes(context.cohort);
    this.#ceilingBytes = ceilingBytes;
    this.health = new HealthMonitor(context.config);
    this.#outbox = new Outbox((outgoing) => this.#onDelivered(outgoing));
  }

  get address(): PathAddress {
    return this.path.address;
  }

  get outstandingCalls(): number {
    return this.#calls.size;
  }

  get firstIncomplete(): number {
    const [first] = this.#calls.keys();
    return first ?? 0;
  }

  get state(): PeerHealth {
    return this.health.state;
  }

  /** What explains a call that fails now. */
  report(nowMs: number): PeerReport {
    const { rtt, lossRate } = this.path;
    const { lastHeardAtMs, state } = this.health;
    const { unansweredProbes, probesToSilence } = this.#evidence;
    return {
      health: state,
      ...(lastHeardAtMs !== undefined && { sinceHeardMs: nowMs - lastHeardAtMs }),
      unansweredProbes,
      probesToSilence,
      outstandingCalls: this.#calls.size,
      rttMeasured: rtt.sampled,
      smoothedRttMs: rtt.smoothedMs,
      rttVarianceMs: rtt.varianceMs,
      lossRate,
    };
  }

  /** Starts a call; fails it at once when the peer is silent. */
  start(request: CallRequest, nowMs: number): void {
    const call = new ClientCall(request, this, this.#initialGrantBytes, nowMs);
    this.#context.stats.callsStarted++;
    if (this.health.state === 'silent') {
      this.health.probeSoon(nowMs);
      this.#context.touch(this);
      this.#context.stats.callsFailed++;
      // P-94
      const report = reportOfRefusal(request.bytes.length, request.limits, this.report(nowMs));
      const { callId } = request;
      this.#context.emit({ type: 'failed', callId, code: 'PEER_SILENT', executed: 'no', report });
      return;
    }
    if (this.#calls.size === 0) this.health.onFirstCall(nowMs);
    this.#calls.set(request.callId, call);
    call.timerEntry = setTimer(this.#context.timers, undefined, call, call.wakeAtMs);
    this.#outbox.queue(call);
    this.#context.touch(this);
  }

  /** Never mind: true when the call was outstanding. Nothing of it is sent any more but, where needed, one CANCEL. */
  cancel(callId: number, nowMs: number): boolean {
    const call = this.#calls.get(callId);
    if (call === undefined) return false;
    this.#context.stats.callsCancelled++;
    this.#recordAtLeast(call, nowMs);
    this.#settle(call, true);
    return true;
  }

  onCallTimer(call: ClientCall, nowMs: number): void {
    const { request } = call;
    if (request.deadlineAtMs <= nowMs) {
      this.#recordAtLeast(call, nowMs);
      // P-40
      this.#fail(call, { code: 'DEADLINE_EXCEEDED', executed: executedSoFar(call) }, true, nowMs);
      return;
    }
    if (!call.overdueTold && request.overdueAtMs <= nowMs) {
      call.overdueTold = true;
      this.#context.emit({ type: 'overdue', callId: request.callId, afterMs: nowMs - call.startedAtMs });
    }
    call.timerEntry = setTimer(this.#context.timers, undefined, call, call.wakeAtMs);
  }

  // ---- what comes from the network

  onResp(localSession: number, remoteSession: number, datagram: Uint8Array, nowMs: number): boolean {
    const attempt = this.#attempts.find((candidate) => candidate.localSession === localSession);
    const completed = attempt?.initiation.complete(datagram, remoteSession);
    if (attempt === undefined || completed === undefined) return false;
    const frames = decodeFrames(completed.opened.frames);
    const hello = frames?.[0];
    if (frames === undefined || hello?.type !== 'hello') return false;
    this.#context.observer?.packetReceived({
      peer: this.address,
      session: localSession,
      role: 'client',
      kind: 'resp',
      packetNumber: completed.opened.packetNumber,
      sizeBytes: datagram.length,
      frames: completed.opened.frames,
    });
    this.#heard(nowMs);

    this.#link?.abandon();
    if (this.#link !== undefined) this.#context.sessions.delete(this.#link.localSession);
    // P-27
    for (const other of this.#attempts) {
      if (other !== attempt) this.#dropAttempt(other);
    }
    this.#attempts = [];
    this.#attemptsWanted = 0;
    this.#attemptTimeoutAtMs = Number.POSITIVE_INFINITY;
    const newIncarnation = this.#peerEpoch !== 0 && this.#peerEpoch !== hello.epoch;
    this.#peerEpoch = hello.epoch;
    this.#initialGrantBytes = hello.initialGrantBytes;
    if (newIncarnation) this.#onRestart(nowMs);
    for (const { request } of this.#calls.values()) this.#onGrant(request.callId, hello.initialGrantBytes);

    const link = new Link(
      this.#context,
      localSession,
      remoteSession,
      completed.keys,
      this.path,
      this.#outbox,
    );
    this.#link = link;
    link.confirmed = true;
    this.#context.sessions.addLink(link, this);
    this.#context.stats.sessionsEstablished++;
    if (this.path.datagramBytes === MIN_DATAGRAM_BYTES) {
      this.path.setCeiling(
        Math.min(this.#ceilingBytes, hello.maxDatagramBytes, this.#context.config.maxDatagramBytes),
      );
    }
    // What the old incarnation's INIT carried is not delivered, whatever the ACK says: it refused to look at it.
    const items = newIncarnation ? [] : attempt.items;
    link.sent.onSent({
      sentAtMs: attempt.sentAtMs,
      sizeBytes: attempt.sizeBytes,
      ackEliciting: true,
      mtuProbe: false,
      items,
    });
    if (attempt.requeued) link.sent.markRequeued(0);
    this.#onFrames(link, frames, nowMs);
    link.received.onReceived(completed.opened.packetNumber, true, nowMs);
    // The server runs what may not be repeated only when it has heard from us inside the session.
    if (this.#calls.size > 0) link.received.ackDueAtMs = nowMs;
    this.#context.touch(this);
    return true;
  }

  onPacket(link: Link, packet: OpenedPacket, nowMs: number): boolean {
    const frames = decodeFrames(packet.frames);
    if (frames === undefined) return false;
    const ackEliciting = frames.some((frame) => frame.type !== 'ack');
    link.received.onReceived(packet.packetNumber, ackEliciting, nowMs);
    this.#heard(nowMs);
    const sound = this.#onFrames(link, frames, nowMs);
    this.#context.touch(this);
    return sound;
  }

  onSessionForgotten(link: Link, nowMs: number): void {
    if (link !== this.#link) return;
    link.abandon();
    this.#context.sessions.delete(link.localSession);
    this.#link = undefined;
    this.#wantAttempt(nowMs);
  }

  #onFrames(link: Link, frames: readonly Frame[], nowMs: number): boolean {
    let sound = true;
    for (const frame of frames) {
      switch (frame.type) {
        case 'ack':
          sound = link.onAck(frame, nowMs) && sound;
          break;
        case 'response-start': {
          // P-36, P-48
          const call = this.#calls.get(frame.callId);
          if (call === undefined) break;
          call.answerStatus = frame.status;
          call.heldUs = frame.heldUs;
          sound = this.#onAnswerPiece(call, 0, frame.total, frame.data, nowMs) && sound;
          break;
        }
        case 'response': {
          const call = this.#calls.get(frame.callId);
          if (call === undefined) break;
          sound = this.#onAnswerPiece(call, frame.offset, frame.total, frame.data, nowMs) && sound;
          break;
        }
        case 'working':
          this.#calls.get(frame.callId)?.onWorking();
          break;
        case 'grant':
          this.#onGrant(frame.callId, frame.limit);
          break;
        case 'cancelled':
          for (const [first, last] of frame.ranges) this.#onCancelled(last - first + 1, frame.executed);
          break;
        case 'unknown': {
          const call = this.#calls.get(frame.callId);
          // P-53
          if (call !== undefined)
            this.#fail(call, { code: 'OUTCOME_UNKNOWN', executed: 'unknown' }, false, nowMs);
          break;
        }
        case 'path-challenge':
          link.onPathChallenge(frame.token);
          break;
        case 'path-response':
          link.onPathResponse(frame.token);
          break;
        case 'hello':
        case 'ping':
          break;
        case 'request':
        case 'request-start':
        case 'cancel':
          // P-14: a session carries the calls of who began it.
          sound = false;
          break;
        default:
          frame satisfies never;
      }
    }
    return sound;
  }

  #onAnswerPiece(call: ClientCall, offset: number, total: number, data: Uint8Array, nowMs: number): boolean {
    const { config } = this.#context;
    if (total > config.maxMessageBytes) {
      this.#fail(call, { code: 'TOO_LARGE', executed: 'yes' }, true, nowMs);
      return false;
    }
    call.answer ??= Arrival.begin(this.#context, this, this.#outbox, call.request.callId, total, data.length);
    if (call.answer === undefined) {
      this.#fail(call, { code: 'OVERLOADED', executed: 'yes' }, true, nowMs);
      return true;
    }
    call.apply('answer-piece');
    const outcome = call.answer.add(offset, total, data);
    if (outcome === 'contradiction') return false;
    if (outcome === 'complete') this.#onAnswer(call, call.answer.message.bytes, nowMs);
    return true;
  }

  #onAnswer(call: ClientCall, body: Uint8Array, nowMs: number): void {
    const { callId, method, sizeBytes } = call.request;
    const { stats } = this.#context;
    if (call.answerStatus === STATUS.ok) {
      const elapsedMs = nowMs - (call.firstSentAtMs ?? call.startedAtMs);
      this.responseTimes.record(method, sizeBytes, elapsedMs, nowMs);
      stats.callsAnswered++;
      this.#settle(call, false);
      this.#context.emit({ type: 'answered', callId, ok: true, body });
      return;
    }
    this.#fail(call, parseErrorBody(body), false, nowMs);
  }

  #onGrant(callId: number, limit: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined || limit <= call.message.granted) return;
    call.message.granted = limit;
    this.#outbox.queue(call);
  }

  #onCancelled(count: number, executed: 'no' | 'yes'): void {
    const { stats } = this.#context;
    if (executed === 'yes') stats.cancelledExecuted += count;
    else stats.cancelledNotExecuted += count;
  }

  /** Delivered requests stay in the table until their answer comes: nothing to do. */
  #onDelivered(_outgoing: Outgoing): void {}

  // ---- the life of a call

  /** `peer`: what is known of it, when several calls fail for one reason. */
  #fail(
    call: ClientCall,
    error: ErrorBody,
    tellPeer: boolean,
    nowMs: number,
    peer: PeerReport = this.report(nowMs),
  ): void {
    const report = reportOfCall(call, peer, nowMs);
    this.#context.stats.callsFailed++;
    this.#settle(call, tellPeer);
    this.#context.emit({ type: 'failed', callId: call.request.callId, ...error, report });
  }

  /** Takes a call out of every table and queue; `tellPeer`: the peer may be working on it for nothing. */
  #settle(call: ClientCall, tellPeer: boolean): void {
    const { callId } = call.request;
    const known = call.state !== 'queued';
    if (tellPeer) {
      this.#context.stats.cancelSavedBytes +=
        call.message.unsentBytes + (call.answer?.message.remainingBytes ?? 0);
    }
    call.apply('settle');
    this.#calls.delete(callId);
    this.#outbox.remove(call);
    call.answer?.release();
    call.timerEntry = setTimer(this.#context.timers, call.timerEntry, call, Number.POSITIVE_INFINITY);
    // P-43
    if (tellPeer && known) this.#queueCancel(callId);
    this.#context.touch(this);
  }

  #queueCancel(callId: number): void {
    // P-44
    if (this.#cancelFrame?.add(callId, callId)) return;
    this.#cancelFrame = new RangesFrame(this.#outbox, 'cancel');
    this.#cancelFrame.add(callId, callId);
    this.#outbox.control(this.#cancelFrame);
  }

  #recordAtLeast(call: ClientCall, nowMs: number): void {
    if (call.firstSentAtMs === undefined) return;
    const { method, sizeBytes } = call.request;
    this.responseTimes.recordAtLeast(method, sizeBytes, nowMs - call.firstSentAtMs, nowMs);
  }

  /** The peer has lost what it knew of us: what cannot have run is sent again, what may be repeated too. */
  #onRestart(nowMs: number): void {
    if (this.#cancelFrame !== undefined) this.#cancelFrame.obsolete = true;
    for (const call of [...this.#calls.values()]) {
      if (call.state === 'queued') continue;
      // P-28
      if (call.state !== 'sending' && !call.request.idempotent) {
        this.#fail(call, { code: 'OUTCOME_UNKNOWN', executed: 'unknown' }, false, nowMs);
        continue;
      }
      call.apply('restart');
      call.answer?.release();
      call.answer = undefined;
      call.message.restart(this.#initialGrantBytes);
      this.#outbox.remove(call);
      this.#outbox.queue(call);
    }
  }

  // ---- health

  #heard(nowMs: number): void {
    this.#unansweredAttempts = 0;
    // P-95
    const before = this.health.state;
    const silentMs = this.health.onHeard(nowMs);
    if (before === 'unknown' || before === 'suspect') {
      this.#context.emit({ type: 'peer-live', address: this.address });
    }
    if (silentMs !== undefined) this.#context.emit({ type: 'peer-back', address: this.address, silentMs });
  }

  /** All outstanding calls fail in this turn, with one event. */
  #declareSilent(why: 'no answer' | 'refused', nowMs: number): void {
    const code = why === 'refused' ? 'PEER_UNREACHABLE' : 'PEER_SILENT';
    // P-93
    const calls = [...this.#calls.values()];
    this.health.declareSilent(nowMs, this.#context.jitter());
    this.#context.stats.peersSilent++;
    const peer = this.report(nowMs);
    for (const call of calls) {
      this.#fail(call, { code, executed: executedSoFar(call) }, false, nowMs, peer);
    }
    if (this.#cancelFrame !== undefined) this.#cancelFrame.obsolete = true;
    for (const attempt of this.#attempts) this.#dropAttempt(attempt);
    this.#attempts = [];
    this.#attemptsWanted = 0;
    this.#attemptTimeoutAtMs = Number.POSITIVE_INFINITY;
    this.#link?.quiet();
    this.#context.emit({ type: 'peer-silent', address: this.address, why, failedCalls: calls.length });
  }

  /**
   * The local network refused to send to this peer. A datagram that is too long for the interface only teaches
   * the size; anything else fails the calls at once.
   */
  onSendError(code: string, nowMs: number): void {
    if (code === 'ECONNREFUSED') {
      // P-98: worth believing only while the peer itself says nothing: anybody could have sent it.
      if (this.health.state === 'suspect') this.#declareSilent('refused', nowMs);
      return;
    }
    if (code === 'EMSGSIZE') {
      this.path.onBlackHole();
      return;
    }
    const peer = this.report(nowMs);
    for (const call of [...this.#calls.values()]) {
      // P-86
      this.#fail(call, { code: 'NETWORK_UNREACHABLE', executed: executedSoFar(call) }, false, nowMs, peer);
    }
  }

  // ---- what goes to the network

  poll(nowMs: number): Transmit | undefined {
    const transmit = this.#pollOnce(nowMs);
    if (transmit === undefined) this.#setTimer(nowMs);
    return transmit;
  }

  #pollOnce(nowMs: number): Transmit | undefined {
    if (this.#link !== undefined) {
      const transmit = this.#link.poll(nowMs);
      if (transmit !== undefined) return transmit;
    } else if (this.#attemptsWanted === 0 && this.#attemptTimeoutAtMs === Number.POSITIVE_INFINITY) {
      // Attempts may be left over from calls that were cancelled; who calls now needs a new one. What is left to
      // be said to a peer without calls is worth one only.
      if (this.#outbox.hasMessages || (this.#outbox.hasControl && this.#attempts.length === 0)) {
        this.#wantAttempt(nowMs);
      }
    }
    if (this.#attemptsWanted === 0) return undefined;
    this.#attemptsWanted--;
    return this.#sendInit(nowMs);
  }

  #sendInit(nowMs: number): Transmit {
    const { slab, protection, config, sessions } = this.#context;
    const localSession = this.#context.freshId();
    const initiation = protection.initiate(localSession);
    const packet = new PacketBuilder(
      slab.take(MIN_DATAGRAM_BYTES),
      initiation.headerBytes,
      initiation.trailerBytes,
    );
    packet.at = writeHello(packet.buffer, packet.at, {
      epoch: this.#epoch,
      // P-24
      knownEpoch: this.#peerEpoch,
      maxDatagramBytes: config.maxDatagramBytes,
      initialGrantBytes: config.initialGrantBytes,
    });
    this.#outbox.fillControl(packet);
    // P-20
    this.#outbox.fillMessages(packet, nowMs);
    if (packet.items.length === 0) packet.buffer[packet.at++] = FRAME.ping;
    // Padded, so that three times its size lets the server answer in one round trip.
    packet.padTo(packet.limit);
    this.#context.observer?.packetSent({
      peer: this.address,
      session: localSession,
      role: 'client',
      kind: 'init',
      packetNumber: 0,
      sizeBytes: packet.buffer.length,
      frames: packet.buffer.subarray(initiation.headerBytes, packet.at),
    });
    const bytes = initiation.seal(packet.buffer, packet.at);
    slab.commit(bytes.length);
    const attempt = {
      localSession,
      initiation,
      sentAtMs: nowMs,
      sizeBytes: bytes.length,
      items: packet.items,
      requeued: false,
    };
    this.#attempts.push(attempt);
    while (this.#attempts.length > MAX_ATTEMPTS) this.#dropAttempt(this.#attempts.shift()!);
    sessions.addAttempt(localSession, this);
    this.#attemptTimeoutAtMs = nowMs + this.#attemptTimeoutMs();
    return { to: this.address, bytes };
  }

  #attemptTimeoutMs(): number {
    const { config, jitter } = this.#context;
    const { rtt } = this.path;
    const base = rtt.sampled
      ? rtt.probeTimeoutMs(config.granularityMs, config.maxAckDelayMs)
      : config.initialRttMs;
    const repeats = Math.min(this.#unansweredAttempts, MAX_ATTEMPTS);
    // P-29
    return base * ATTEMPT_BACKOFF ** repeats * (repeats === 0 ? 1 : 1 + 0.1 * jitter());
  }

  #wantAttempt(nowMs: number): void {
    const waiting = this.#attemptTimeoutAtMs !== Number.POSITIVE_INFINITY && nowMs < this.#attemptTimeoutAtMs;
    if (waiting) return;
    this.#attemptsWanted = this.#unansweredAttempts > 0 ? 2 : 1;
    this.#context.touch(this);
  }

  #dropAttempt(attempt: Attempt): void {
    this.#context.sessions.delete(attempt.localSession);
    if (attempt.requeued) return;
    attempt.requeued = true;
    for (const item of attempt.items) item.onLost();
  }

  // ---- timers

  onTimer(nowMs: number): void {
    this.#timerEntry = undefined;
    this.#link?.onTimer(nowMs);
    if (this.#attemptTimeoutAtMs <= nowMs) this.#onAttemptTimeout(nowMs);
    // P-30
    if (this.#link !== undefined && this.#link.probeCount >= PROBES_BEFORE_HANDSHAKE)
      this.#wantAttempt(nowMs);
    switch (this.health.onTimer(nowMs, this.#evidence)) {
      case 'declare-silent':
        this.#declareSilent('no answer', nowMs);
        break;
      case 'suspected':
        this.#context.emit({ type: 'peer-suspect', address: this.address });
        break;
      case 'probe':
        if (this.#link === undefined) this.#attemptsWanted = 1;
        else this.#link.ping();
        break;
      case 'nothing':
        break;
    }
    this.#context.touch(this);
  }

  get #evidence(): Evidence {
    const { config } = this.#context;
    const { rtt, probeLossProbability } = this.path;
    const link = this.#link;
    const byChance = Math.ceil(Math.log(config.falseSilenceProbability) / Math.log(probeLossProbability));
    return {
      unansweredProbes: link === undefined ? this.#unansweredAttempts : link.probeCount,
      probesToSilence:
        link === undefined ? config.silentAfterHandshakes : Math.max(config.silentAfterProbes, byChance),
      hasCalls: this.#calls.size > 0,
      askAfterMs: Math.max(
        config.idleProbeMs,
        rtt.probeTimeoutMs(config.granularityMs, config.maxAckDelayMs),
      ),
    };
  }

  #onAttemptTimeout(nowMs: number): void {
    this.#unansweredAttempts++;
    this.#attemptTimeoutAtMs = Number.POSITIVE_INFINITY;
    for (const attempt of this.#attempts) {
      if (attempt.requeued) continue;
      attempt.requeued = true;
      for (const item of attempt.items) item.onLost();
    }
    if (this.#calls.size > 0) this.#wantAttempt(nowMs);
  }

  /** Our own process was held up: what ran out meanwhile starts again from now. */
  forgiveStall(nowMs: number): void {
    this.#link?.forgiveStall(nowMs);
    this.health.forgiveStall(nowMs);
    if (this.#attemptTimeoutAtMs <= nowMs) this.#attemptTimeoutAtMs = nowMs + this.#attemptTimeoutMs();
    this.#context.touch(this);
  }

  #setTimer(nowMs: number): void {
    const atMs = Math.min(
      this.#link?.timerAtMs() ?? Number.POSITIVE_INFINITY,
      this.#attemptTimeoutAtMs,
      this.health.timerAtMs(nowMs, this.#evidence),
    );
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, atMs);
  }

  /** Forgets everything: sessions, queues, timers. Outstanding calls fail with CLOSED. */
  close(nowMs: number): void {
    const peer = this.report(nowMs);
    for (const call of [...this.#calls.values()]) {
      this.#fail(call, { code: 'CLOSED', executed: executedSoFar(call) }, true, nowMs, peer);
    }
  }

  /** After {@link close}, and after what it had to say was sent. */
  dispose(): void {
    for (const attempt of this.#attempts) this.#context.sessions.delete(attempt.localSession);
    this.#attempts = [];
    if (this.#link !== undefined) this.#context.sessions.delete(this.#link.localSession);
    this.#link = undefined;
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, Number.POSITIVE_INFINITY);
  }
}

/** What can be said of an unanswered call: a request that never left whole cannot have run. */
function executedSoFar(call: ClientCall): Executed {
  return call.state === 'queued' || call.state === 'sending' ? 'no' : 'unknown';
}
