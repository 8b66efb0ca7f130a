// A peer that we call: the session to it, what comes and goes in it, and what is known of its health. Its calls are
// client-calls.ts, the handshakes that make a session handshakes.ts. Everything in here may be forgotten when no
// call is outstanding; the next call makes it anew.

import type { PeerReport } from '../base/call-report.ts';
import { reportOfRefusal } from '../base/failed-call.ts';
import type { HeapEntry } from '../base/heap.ts';
import { ResponseTimes } from '../base/response-times.ts';
import { MIN_DATAGRAM_BYTES } from '../wire/datagram.ts';
import { decodeFrames, type Frame } from '../wire/frame.ts';
import type { Callee } from './callee.ts';
import type { CallRequest } from './client-call.ts';
import { type CalledPeer, ClientCalls } from './client-calls.ts';
import { type EndpointContext, setTimer, type TimerTarget } from './context.ts';
import { type CompletedAttempt, Handshakes } from './handshakes.ts';
import { type Evidence, HealthMonitor, type PeerHealth, probesToSilence } from './health.ts';
import { Link, type Transmit } from './link.ts';
import { Outbox } from './outbox.ts';
import { Path, type PathAddress, sameAddress } from './path.ts';
import type { PeerMemory } from './peer-memory.ts';
import type { AttemptInput, OpenedPacket, PeerInput } from './session-table.ts';

/** Unanswered probes on a session after which a new handshake is tried beside it (a NOSESS may be lost). */
const PROBES_BEFORE_HANDSHAKE = 2;

type Welcome = Extract<CompletedAttempt, { kind: 'welcome' }>;

export class ClientPeer implements CalledPeer, PeerInput, AttemptInput, TimerTarget {
  readonly callee: Callee;
  readonly path: Path;
  readonly responseTimes: ResponseTimes;
  readonly health: HealthMonitor;
  readonly calls: ClientCalls;
  dirty = false;
  readonly #context: EndpointContext;
  readonly #outbox: Outbox;
  readonly #handshakes: Handshakes;
  readonly #ceilingBytes: number;
  #link: Link | undefined;
  /** The peer has said that it does not know this session. */
  #isForgotten = false;
  /** What the peer remembers of us is its incarnation; 0 = not known yet. */
  #peerEpoch: number;
  #timerEntry: HeapEntry<TimerTarget> | undefined;
  /** How many of {@link PathMtu.errors} have been answered. */
  #narrowTimes = 0;

  /** `ceilingBytes`: the largest datagram that the interface to it carries; `memory`: of an earlier one. */
  constructor(context: EndpointContext, callee: Callee, ceilingBytes: number, memory?: PeerMemory) {
    this.#context = context;
    this.callee = callee;
    this.path = new Path(memory?.address ?? callee.addresses[0], context.config, context.jitter, memory?.rtt);
    this.responseTimes = memory?.responseTimes ?? new ResponseTimes(context.cohort);
    this.#peerEpoch = memory?.peerEpoch ?? 0;
    this.#ceilingBytes = ceilingBytes;
    this.health = new HealthMonitor(context.config, memory?.health);
    this.health.lastHeardAtMs = memory?.lastHeardAtMs;
    // Delivered requests stay in the table until their answer comes.
    this.#outbox = new Outbox(() => {});
    this.calls = new ClientCalls(context, this, this.#outbox);
    this.#handshakes = new Handshakes(context, callee, this, this.path, this.#outbox, memory?.epoch);
  }

  /** By which it is named, wherever it is. */
  get address(): PathAddress {
    return this.callee.addresses[0];
  }

  get state(): PeerHealth {
    return this.health.state;
  }

  /** Nothing is under way, and nobody waits for anything. */
  get isIdle(): boolean {
    return this.calls.size === 0 && this.#timerEntry === undefined && !this.dirty;
  }

  /** What is worth remembering; only while {@link isIdle}. */
  get memory(): PeerMemory {
    const { responseTimes, path, state } = this;
    const { epoch } = this.#handshakes;
    const { rtt, address } = path;
    const { lastHeardAtMs } = this.health;
    return { epoch, peerEpoch: this.#peerEpoch, responseTimes, rtt, health: state, lastHeardAtMs, address };
  }

  /** The session in use, if there is one. */
  get session(): Link | undefined {
    return this.#link;
  }

  /** What explains a call that fails now. */
  report(nowMs: number): PeerReport {
    const { rtt, lossRate } = this.path;
    const { lastHeardAtMs, state, why } = this.health;
    const { unansweredProbes, probesToSilence } = this.#evidence();
    return {
      health: state,
      ...(state === 'silent' && { silence: why }),
      ...(lastHeardAtMs !== undefined && { sinceHeardMs: nowMs - lastHeardAtMs }),
      unansweredProbes,
      probesToSilence,
      outstandingCalls: this.calls.size,
      rttMeasured: rtt.sampled,
      smoothedRttMs: rtt.smoothedMs,
      rttVarianceMs: rtt.varianceMs,
      lossRate,
    };
  }

  /** Starts a call; fails it at once when the peer is silent. */
  start(request: CallRequest, nowMs: number): void {
    const { stats } = this.#context;
    stats.callsStarted++;
    if (this.health.state !== 'silent') {
      if (this.calls.size === 0) this.health.onFirstCall(nowMs);
      this.calls.start(request, this.#mayHaveRestarted(nowMs), nowMs);
      return;
    }
    this.health.probeSoon(nowMs);
    this.#context.touch(this);
    stats.callsFailed++;
    // P-94
    const report = reportOfRefusal(request.bytes.length, request.limits, this.report(nowMs));
    const { callId } = request;
    this.#context.emit({ type: 'failed', callId, code: 'PEER_SILENT', executed: 'no', report });
  }

  /** We know an incarnation of it, and have heard nothing of that for a while. */
  #mayHaveRestarted(nowMs: number): boolean {
    const { lastHeardAtMs } = this.health;
    if (this.#peerEpoch === 0) return false;
    return lastHeardAtMs === undefined || nowMs - lastHeardAtMs > this.#context.config.restartDoubtMs;
  }

  // ---- what comes from the network

  onResp(localSession: number, remoteSession: number, datagram: Uint8Array, nowMs: number): boolean {
    const completed = this.#handshakes.complete(localSession, remoteSession, datagram);
    switch (completed?.kind) {
      case undefined:
        return false;
      case 'welcome':
        return this.#onWelcome(completed, remoteSession, datagram.length, nowMs);
      case 'unauthorized':
        this.#onUnauthorized(nowMs);
        return true;
      case 'clock':
        this.#heard(nowMs);
        this.#handshakes.onClock(completed.attempt, completed.clockAheadMs);
        return true;
      default:
        return completed satisfies never;
    }
  }

  onCookie(localSession: number, datagram: Uint8Array, nowMs: number): boolean {
    return this.#handshakes.onCookie(localSession, datagram, nowMs);
  }

  /** It lives, and does not let us in. */
  #onUnauthorized(nowMs: number): void {
    this.#heard(nowMs);
    this.#handshakes.end();
    this.#dropLink();
    // What it never let in before cannot have run.
    const executed = this.#peerEpoch === 0 ? 'no' : undefined;
    // P-106
    this.calls.failAll('UNAUTHORIZED', 'when-heard', nowMs, executed);
  }

  #onWelcome(completed: Welcome, remoteSession: number, sizeBytes: number, nowMs: number): boolean {
    const { localSession, to } = completed.attempt;
    // P-31
    if (this.#context.sessions.byRemoteId(remoteSession) !== undefined) return false;
    const frames = decodeFrames(completed.opened.frames);
    const hello = frames?.[0];
    if (frames === undefined || hello?.type !== 'hello') return false;
    this.#context.observer?.packetReceived({
      peer: to,
      session: localSession,
      role: 'client',
      kind: 'resp',
      packetNumber: completed.opened.packetNumber,
      sizeBytes,
      frames: completed.opened.frames,
    });
    this.#heard(nowMs);
    this.#dropLink();
    this.#handshakes.end(completed.attempt);
    // P-105
    if (!sameAddress(this.path.address, to)) {
      this.path.address = to;
      this.path.mtu.onMoved();
    }
    const newIncarnation = this.#peerEpoch !== 0 && this.#peerEpoch !== hello.epoch;
    this.#peerEpoch = hello.epoch;
    this.calls.grantAll(hello.initialGrantBytes);
    if (newIncarnation) this.calls.onRestart(nowMs);
    this.calls.onHeard();

    const link = this.#establish(completed, remoteSession, newIncarnation, nowMs);
    const { maxDatagramBytes } = this.#context.config;
    this.path.mtu.onSession(Math.min(this.#ceilingBytes, hello.maxDatagramBytes, maxDatagramBytes));
    // The first datagram was as long as that.
    this.path.mtu.onArrived(MIN_DATAGRAM_BYTES);
    this.#onFrames(link, frames, nowMs);
    link.received.onReceived(completed.opened.packetNumber, true, nowMs);
    // The server runs what may not be repeated only when it has heard from us inside the session.
    if (this.calls.size > 0) link.received.ackDueAtMs = nowMs;
    this.#context.touch(this);
    return true;
  }

  #establish(
    { attempt, keys }: Welcome,
    remoteSession: number,
    newIncarnation: boolean,
    nowMs: number,
  ): Link {
    const { localSession, sentAtMs, sizeBytes, requeued } = attempt;
    const session = { localSession, remoteSession, keys, beganAtMs: nowMs };
    const link = new Link(this.#context, session, this.path, this.#outbox);
    this.#link = link;
    link.confirmed = true;
    this.#context.sessions.addLink(link, this);
    this.#context.stats.sessionsEstablished++;
    // What the old incarnation's INIT carried is not delivered, whatever the ACK says: it refused to look at it.
    const items = newIncarnation ? [] : attempt.items;
    link.sent.onSent({ sentAtMs, sizeBytes, ackEliciting: true, mtuProbe: false, items });
    if (requeued) link.sent.markRequeued(0);
    return link;
  }

  onPacket(link: Link, packet: OpenedPacket, nowMs: number): boolean {
    const frames = decodeFrames(packet.frames);
    if (frames === undefined) return false;
    const ackEliciting = frames.some((frame) => frame.type !== 'ack');
    link.received.onReceived(packet.packetNumber, ackEliciting, nowMs);
    this.#isForgotten = false;
    this.#heard(nowMs);
    this.calls.onHeard();
    const sound = this.#onFrames(link, frames, nowMs);
    this.#failIfTooNarrow(nowMs);
    this.#context.touch(this);
    return sound;
  }

  onSessionForgotten(link: Link, nowMs: number): void {
    if (link !== this.#link) return;
    // P-96: for who waits; two idle clients must not fight for the last place at a server that is full.
    if (this.calls.size === 0) {
      this.#dropLink();
      return;
    }
    // P-8: what was under way goes into a new INIT; the session stays until that is answered.
    link.quiet();
    this.#isForgotten = true;
    this.#handshakes.want(nowMs);
  }

  onSessionWorn(link: Link): void {
    if (link === this.#link) this.#dropLink();
    this.#context.touch(this);
  }

  #dropLink(): void {
    if (this.#link === undefined) return;
    this.#context.sessions.delete(this.#link.localSession);
    this.#link.abandon();
    // P-25: what the server has acknowledged and parked would wait there for this session.
    if (!this.#link.confirmedThere) this.calls.askAgain();
    this.#link = undefined;
    this.#isForgotten = false;
  }

  #onFrames(link: Link, frames: readonly Frame[], nowMs: number): boolean {
    let sound = true;
    for (const frame of frames) {
      switch (frame.type) {
        case 'ack':
          sound = link.onAck(frame, nowMs) && sound;
          break;
        case 'response-start':
          sound = this.calls.onAnswerStart(frame, nowMs) && sound;
          break;
        case 'response':
          sound = this.calls.onAnswerPiece(frame, nowMs) && sound;
          break;
        case 'working':
          this.calls.onWorking(frame.callId);
          break;
        case 'grant':
          this.calls.onGrant(frame.callId, frame.limit);
          break;
        case 'cancelled':
          for (const [first, last] of frame.ranges) this.calls.onCancelled(last - first + 1, frame.executed);
          break;
        case 'unknown':
          this.calls.onUnknown(frame.callId, nowMs);
          break;
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

  // ---- health

  #heard(nowMs: number): void {
    this.#handshakes.unanswered = 0;
    // P-95
    const before = this.health.state;
    const silentMs = this.health.onHeard(nowMs);
    if (before === 'unknown' || before === 'suspect') {
      this.#context.emit({ type: 'peer-live', address: this.address });
    }
    if (silentMs !== undefined) this.#context.emit({ type: 'peer-back', address: this.address, silentMs });
  }

  /** All outstanding calls fail in this turn, with one event. */
  #declareSilent(refused: boolean, nowMs: number): void {
    this.health.declareSilent(nowMs, this.#context.jitter(), refused);
    this.#context.stats.peersSilent++;
    // P-93
    const failedCalls = this.calls.failAll(refused ? 'PEER_UNREACHABLE' : 'PEER_SILENT', 'when-heard', nowMs);
    this.#handshakes.end();
    this.#link?.quiet();
    const { why } = this.health;
    this.#context.emit({ type: 'peer-silent', address: this.address, why, failedCalls });
  }

  /**
   * The local network refused to send to this peer. A datagram that is too long for the interface only teaches
   * the size; anything else fails the calls at once.
   */
  onSendError(to: PathAddress, code: string, sizeBytes: number, nowMs: number): void {
    switch (code) {
      case 'ECONNREFUSED':
        if (this.#handshakes.avoid(to, nowMs)) break;
        // P-98: worth believing only while the peer itself says nothing: anybody could have sent it.
        if (this.health.state === 'suspect') this.#declareSilent(true, nowMs);
        break;
      case 'EMSGSIZE':
        this.path.mtu.onTooLong(sizeBytes, nowMs);
        this.#failIfTooNarrow(nowMs);
        break;
      case 'EAGAIN':
      case 'ENOBUFS':
      case 'ENOMEM':
        // A shortage that passes: this datagram is lost, as any may be.
        break;
      default:
        // P-69: this datagram is lost, and the next may leave.
        if (nowMs < this.#context.waking.graceUntilMs) break;
        if (this.#handshakes.avoid(to, nowMs)) break;
        // P-86
        this.calls.failAll('NETWORK_UNREACHABLE', 'when-heard', nowMs);
    }
  }

  /** P-89: the path was found to carry no datagram of 1200 bytes, though smaller ones pass. */
  #failIfTooNarrow(nowMs: number): void {
    const { errors } = this.path.mtu;
    if (errors === this.#narrowTimes) return;
    this.#narrowTimes = errors;
    this.calls.failAll('NETWORK_UNREACHABLE', 'when-heard', nowMs);
  }

  #evidence(): Evidence {
    const { config } = this.#context;
    const { probeTimeoutMs, probeLossProbability } = this.path;
    const link = this.#isForgotten ? undefined : this.#link;
    const probes = probesToSilence(config, probeLossProbability);
    return {
      unansweredProbes: link === undefined ? this.#handshakes.unanswered : link.probeCount,
      probesToSilence: link === undefined ? config.silentAfterHandshakes : probes,
      hasCalls: this.calls.size > 0,
      graceUntilMs: this.#context.waking.graceUntilMs,
      askAfterMs: Math.max(config.idleProbeMs, probeTimeoutMs),
    };
  }

  // ---- what goes to the network, and timers

  poll(nowMs: number): Transmit | undefined {
    this.#renewSession(nowMs);
    if (this.#link === undefined || this.#isForgotten) this.#handshakes.wantForOutbox(nowMs);
    const transmit = this.#link?.poll(nowMs) ?? this.#handshakes.poll(this.#knownEpoch, nowMs);
    if (transmit === undefined) this.#setTimer(nowMs);
    return transmit;
  }

  /** Keys do not last for ever: while a session is used, another one follows in time. */
  #renewSession(nowMs: number): void {
    const link = this.#link;
    if (link === undefined) return;
    if (link.isWorn(nowMs)) this.#dropLink();
    else if (this.calls.size > 0 && link.needsSuccessor(nowMs)) this.#handshakes.want(nowMs);
  }

  /** Which incarnation a first datagram is meant for: any, when the one we know is gone and no call minds. */
  get #knownEpoch(): number {
    return this.#isForgotten && this.calls.areIdempotent ? 0 : this.#peerEpoch;
  }

  onTimer(nowMs: number): void {
    this.#timerEntry = undefined;
    this.#link?.onTimer(nowMs);
    this.#failIfTooNarrow(nowMs);
    this.#handshakes.onTimer(this.calls.size > 0, nowMs);
    // P-30
    if (this.#link !== undefined && this.#link.probeCount >= PROBES_BEFORE_HANDSHAKE) {
      this.#handshakes.want(nowMs);
    }
    switch (this.health.onTimer(nowMs, this.#evidence())) {
      case 'declare-silent':
        this.#declareSilent(false, nowMs);
        break;
      case 'suspected':
        this.#context.emit({ type: 'peer-suspect', address: this.address });
        break;
      case 'probe':
        if (this.#link === undefined || this.#isForgotten) this.#handshakes.wantOne();
        else this.#link.ping();
        break;
      case 'nothing':
        break;
    }
    this.#context.touch(this);
  }

  /** Our own process was held up: what ran out meanwhile starts again from now. */
  forgiveStall(nowMs: number): void {
    if (this.#timerEntry === undefined) return;
    this.path.stalledUntilMs = nowMs;
    this.#link?.forgiveStall(nowMs);
    this.health.forgiveStall(nowMs);
    this.#handshakes.forgiveStall(nowMs);
    this.#context.touch(this);
  }

  /** The machine has slept: whoever is waited for is asked as if for the first time. */
  onWake(nowMs: number): void {
    this.forgiveStall(nowMs);
    if (this.calls.size === 0 || this.health.state === 'silent') return;
    if (this.#link === undefined || this.#isForgotten) this.#handshakes.onWake(nowMs);
    else this.#link.onWake(nowMs);
    this.#context.touch(this);
  }

  #setTimer(nowMs: number): void {
    const atMs = Math.min(
      this.#link?.timerAtMs() ?? Number.POSITIVE_INFINITY,
      this.#handshakes.timerAtMs,
      this.health.timerAtMs(nowMs, this.#evidence()),
    );
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, atMs);
  }

  /** Outstanding calls fail with CLOSED; the peer is told, as far as it is asked to send what it has to say. */
  close(nowMs: number): void {
    this.calls.failAll('CLOSED', 'now', nowMs);
  }

  /** After {@link close}, and after what it had to say was sent: forgets sessions, queues, timers. */
  dispose(): void {
    this.#handshakes.end();
    this.#dropLink();
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, Number.POSITIVE_INFINITY);
  }
}
