// A client that called us: its sessions, its calls, and what makes each of them run at most once. A client is
// known by its epoch; what we remember of it has an incarnation number, which a client that has outlived our
// memory does not know: then its calls count as made to another incarnation (RIFL; transport.md, "At most once").

import type { HeapEntry } from '../base/heap.ts';
import { Intervals } from '../base/intervals.ts';
import type { Acceptance } from '../session/protection.ts';
import {
  decodeFrames,
  FRAME,
  type Frame,
  HELLO_BYTES_MAX,
  type HelloFrame,
  STATUS,
  writeHello,
} from '../wire/frame.ts';
import { type ErrorBody, encodeErrorBody, parseRequest } from '../wire/message.ts';
import { Arrival } from './arrival.ts';
import { type EndpointContext, type Pollable, setTimer, type TimerTarget } from './context.ts';
import { CallFrame, RangesFrame } from './control-frames.ts';
import type { RequestRef } from './events.ts';
import type { KeptAnswers } from './kept-answers.ts';
import { Link, type Transmit } from './link.ts';
import { Outbox, type Outgoing } from './outbox.ts';
import { Path, type PathAddress, sameAddress } from './path.ts';
import { ServerCall } from './server-call.ts';
import type { OpenedPacket, PeerInput } from './session-table.ts';

/** Sessions begun and not confirmed by a packet inside them, remembered at once. */
const MAX_CANDIDATES = 4;

/** Unanswered probes after which a client counts as gone: nothing is sent to it until it comes again. */
const PROBES_UNTIL_GONE = 6;

/** Milliseconds without a sign of life from the client after which its half-arrived requests are refused. */
const RECEIVE_TIMEOUT_MS = 30_000;

/** What a server peer needs besides the context. */
export interface ServerPeerContext extends EndpointContext {
  readonly kept: KeptAnswers;
  /** True when a handler was registered as safe to run from a first datagram. */
  isEarlySafe(method: string): boolean;
  hasMethod(method: string): boolean;
}

export class ServerPeer implements PeerInput, Pollable, TimerTarget {
  readonly epoch: number;
  readonly incarnation: number;
  readonly path: Path;
  dirty = false;
  /** {@link MemoryBudget}'s account. */
  reassemblyBytes = 0;
  /** Handlers at work: such a peer is not forgotten. */
  running = 0;
  readonly #context: ServerPeerContext;
  readonly #outbox: Outbox;
  readonly #calls = new Map<number, ServerCall>();
  /** Ids at or above the floor that were answered, cancelled, or must never run for another reason. */
  readonly #settled = new Intervals();
  readonly #ceilingBytes: number;
  #floor = 0;
  /** How much of an answer the client takes before it grants more. */
  #initialGrantBytes: number;
  #lastHeardMs = 0;
  #current: Link | undefined;
  #candidates: Link[] = [];
  #confirmed = false;
  #cancelledFrames: { no: RangesFrame | undefined; yes: RangesFrame | undefined } = {
    no: undefined,
    yes: undefined,
  };
  #timerEntry: HeapEntry<TimerTarget> | undefined;

  constructor(context: ServerPeerContext, epoch: number, address: PathAddress, ceilingBytes: number) {
    this.#context = context;
    this.epoch = epoch;
    // P-23
    this.incarnation = context.freshId();
    this.path = new Path(address, context.config);
    this.path.distrust();
    this.#initialGrantBytes = context.config.initialGrantBytes;
    this.#ceilingBytes = ceilingBytes;
    this.#outbox = new Outbox((outgoing) => this.#onDelivered(outgoing));
  }

  get callCount(): number {
    return this.#calls.size;
  }

  // ---- sessions

  /** A first datagram of this client, already opened; its frames begin with `hello`. */
  onInit(
    acceptance: Acceptance,
    localSession: number,
    remoteSession: number,
    hello: HelloFrame,
    frames: readonly Frame[],
    from: PathAddress,
    sizeBytes: number,
    nowMs: number,
  ): boolean {
    const context = this.#context;
    if (this.#current === undefined && !sameAddress(this.path.address, from)) {
      this.path.address = from;
      this.path.distrust();
    }
    this.path.onReceivedBytes(sizeBytes);
    this.#initialGrantBytes = hello.initialGrantBytes;
    const link = new Link(context, localSession, remoteSession, acceptance.keys, this.path, this.#outbox, {
      acceptance,
      helloBytesMax: HELLO_BYTES_MAX,
      writeHello: (target, at) =>
        writeHello(target, at, {
          epoch: this.incarnation,
          knownEpoch: this.epoch,
          maxDatagramBytes: context.config.maxDatagramBytes,
          initialGrantBytes: context.config.initialGrantBytes,
        }),
    });
    context.sessions.addLink(link, this);
    if (this.#candidates.length === 0 && this.#current === undefined) {
      this.path.setCeiling(
        Math.min(this.#ceilingBytes, hello.maxDatagramBytes, context.config.maxDatagramBytes),
      );
    }
    this.#candidates.push(link);
    // P-31
    while (this.#candidates.length > MAX_CANDIDATES) this.#dropLink(this.#candidates.shift()!);
    link.received.onReceived(acceptance.opened.packetNumber, true, nowMs);
    this.#lastHeardMs = nowMs;
    context.touch(this);

    // Made for another incarnation: the client decides what of it may be sent to this one.
    const meantForUs = hello.knownEpoch === 0 || hello.knownEpoch === this.incarnation;
    if (!meantForUs) {
      link.received.ackDueAtMs = nowMs;
      return true;
    }
    // P-25
    const early = hello.knownEpoch === 0 && !this.#confirmed;
    const before = this.running;
    const sound = this.#onFrames(link, frames, early, nowMs);
    // Nothing of it runs: the client should hear at once that it may send the rest.
    if (this.running === before) link.received.ackDueAtMs = nowMs;
    return sound;
  }

  onPacket(link: Link, packet: OpenedPacket, nowMs: number): boolean {
    const frames = decodeFrames(packet.frames);
    if (frames === undefined) return false;
    this.#noteAddress(link, packet);
    const ackEliciting = frames.some((frame) => frame.type !== 'ack');
    link.received.onReceived(packet.packetNumber, ackEliciting, nowMs);
    this.#lastHeardMs = nowMs;
    // P-26
    if (!link.confirmed) this.#confirm(link, nowMs);
    const sound = this.#onFrames(link, frames, false, nowMs);
    this.#context.touch(this);
    return sound;
  }

  /** Where the client is: anybody may write any address on a datagram. */
  #noteAddress(link: Link, { packetNumber, from, sizeBytes }: OpenedPacket): void {
    const { path } = this;
    if (!link.confirmed && link.beganAt(from)) {
      path.address = from;
      path.trust();
      return;
    }
    const isNewest = link === this.#current && packetNumber > link.received.largest;
    const moved = !sameAddress(path.address, from);
    // NAT, roaming, or somebody who points us at a third party.
    if (moved && (isNewest || !link.confirmed)) link.moveTo(from, this.#context.freshId());
    else if (moved || path.trusted) return;
    path.onReceivedBytes(sizeBytes);
  }

  /** Received inside a session: the client lives, and has our answer. */
  #confirm(link: Link, nowMs: number): void {
    link.confirmed = true;
    const index = this.#candidates.indexOf(link);
    if (index >= 0) this.#candidates.splice(index, 1);
    // Sessions begun before this one have been given up by the client; a later one may be on its way.
    const older = this.#current === undefined ? [] : [this.#current];
    if (index > 0) older.push(...this.#candidates.splice(0, index));
    this.#current = link;
    for (const other of older) this.#dropLink(other);
    // What was sent in the answer to a handshake that the client did not take goes again.
    for (const later of this.#candidates) later.quiet();
    this.#confirmed = true;
    this.#context.stats.sessionsEstablished++;
    for (const call of [...this.#calls.values()]) {
      // Only what came by this session: another first datagram may have been a recording.
      if (call.state === 'parked' && call.parkedOn.includes(link.localSession)) this.#unpark(call, nowMs);
    }
  }

  onSessionForgotten(link: Link): void {
    if (link === this.#current) this.#current = undefined;
    else this.#candidates = this.#candidates.filter((candidate) => candidate !== link);
    this.#dropLink(link);
    this.#context.touch(this);
  }

  #dropLink(link: Link): void {
    this.#context.sessions.delete(link.localSession);
    link.abandon();
  }

  // ---- frames

  /** `early`: from a first datagram that somebody may have recorded. */
  #onFrames(link: Link, frames: readonly Frame[], early: boolean, nowMs: number): boolean {
    let sound = true;
    for (const frame of frames) {
      switch (frame.type) {
        case 'ack':
          sound = link.onAck(frame, nowMs) && sound;
          break;
        case 'request-start': {
          this.#raiseFloor(frame.firstIncomplete);
          const call = this.#callFor(frame.callId, true, frame.total, frame.data.length, nowMs);
          if (call === undefined) break;
          if (frame.remainingMs > 0) call.deadlineAtMs = nowMs + frame.remainingMs;
          sound = this.#onRequestPiece(link, call, 0, frame.total, frame.data, early, nowMs) && sound;
          break;
        }
        case 'request': {
          const call = this.#callFor(frame.callId, false, frame.total, frame.data.length, nowMs);
          if (call === undefined) break;
          sound =
            this.#onRequestPiece(link, call, frame.offset, frame.total, frame.data, early, nowMs) && sound;
          break;
        }
        case 'cancel':
          this.#onCancel(frame.ranges);
          break;
        case 'grant':
          this.#onGrant(frame.callId, frame.limit);
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
        case 'response':
        case 'response-start':
        case 'cancelled':
        case 'working':
        case 'unknown':
          sound = false;
          break;
        default:
          frame satisfies never;
      }
    }
    return sound;
  }

  /** The call that a piece belongs to; `undefined` when nothing may come of it, and the client has been told. */
  #callFor(
    callId: number,
    isStart: boolean,
    total: number,
    pieceBytes: number,
    nowMs: number,
  ): ServerCall | undefined {
    const known = this.#calls.get(callId);
    if (known !== undefined) return known;
    const { config, stats } = this.#context;
    if (callId < this.#floor) {
      stats.requestsRefusedStale++;
      return undefined;
    }
    if (this.#settled.has(callId)) {
      // Answered and delivered, cancelled, or its answer had to go: it is never run again.
      stats.requestsRefusedStale++;
      // P-50
      if (isStart) this.#tellUnknown(callId);
      return undefined;
    }
    // P-57: twice the limit leaves room for refusals to be told; beyond that a client talks to itself.
    if (this.#calls.size >= 2 * config.maxCallsPerPeer) return undefined;
    const call = new ServerCall(callId, total, this);
    this.#calls.set(callId, call);
    if (total > config.maxMessageBytes) {
      this.#refuse(call, { code: 'TOO_LARGE', executed: 'no' }, nowMs);
      return undefined;
    }
    const overloaded = this.#calls.size > config.maxCallsPerPeer;
    const arrival = overloaded
      ? undefined
      : Arrival.begin(this.#context, this, this.#outbox, callId, total, pieceBytes);
    if (arrival === undefined) {
      stats.requestsRefusedOverload++;
      this.#refuse(call, { code: 'OVERLOADED', executed: 'no' }, nowMs);
      return undefined;
    }
    call.arrival = arrival;
    return call;
  }

  #onRequestPiece(
    link: Link,
    call: ServerCall,
    offset: number,
    total: number,
    data: Uint8Array,
    early: boolean,
    nowMs: number,
  ): boolean {
    if (early) call.parkedOn.push(link.localSession);
    else if (call.state === 'parked') this.#unpark(call, nowMs);
    if (call.state !== 'receiving' || call.arrival === undefined) return true;
    const outcome = call.arrival.add(offset, total, data);
    switch (outcome) {
      case 'contradiction':
        return false;
      case 'nothing-new':
        return true;
      case 'progress':
        if (call.timerEntry === undefined) this.#setCallTimer(call, nowMs + RECEIVE_TIMEOUT_MS);
        return true;
      case 'complete':
        break;
      default:
        outcome satisfies never;
    }
    call.completeAtMs = nowMs;
    const request = parseRequest(call.arrival.message.bytes);
    if (request !== undefined && early && !this.#context.isEarlySafe(request.method)) {
      call.apply('complete-early');
      this.#setCallTimer(call, call.deadlineAtMs);
      return true;
    }
    call.apply('complete');
    this.#run(call, nowMs);
    return request !== undefined;
  }

  #unpark(call: ServerCall, nowMs: number): void {
    call.apply('confirmed');
    this.#run(call, nowMs);
  }

  #run(call: ServerCall, nowMs: number): void {
    const request = parseRequest(call.arrival!.message.bytes);
    call.arrival = undefined;
    if (request === undefined) {
      this.#refuse(call, { code: 'BAD_MESSAGE', executed: 'no' }, nowMs);
      return;
    }
    if (!this.#context.hasMethod(request.method)) {
      this.#refuse(call, { code: 'UNKNOWN_METHOD', executed: 'no' }, nowMs);
      return;
    }
    // P-38
    if (call.deadlineAtMs <= nowMs) {
      this.#refuse(call, { code: 'DEADLINE_EXCEEDED', executed: 'no' }, nowMs);
      return;
    }
    this.running++;
    this.#context.stats.requestsRun++;
    this.#setCallTimer(call, Math.min(call.deadlineAtMs, nowMs + this.#context.config.maxAckDelayMs));
    this.#context.emit({
      type: 'request',
      ref: this.#ref(call.callId),
      method: request.method,
      body: request.body,
      deadlineAtMs: call.deadlineAtMs,
      from: this.path.address,
    });
  }

  /** The handler's answer; ignored when nobody waits for it any more. */
  answer(callId: number, status: number, body: Uint8Array, nowMs: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined || call.state !== 'running') return;
    this.running--;
    if (body.length > this.#context.config.maxMessageBytes) {
      this.#queueAnswer(call, STATUS.error, encodeErrorBody({ code: 'TOO_LARGE', executed: 'yes' }), nowMs);
    } else {
      this.#queueAnswer(call, status, body, nowMs);
    }
  }

  #refuse(call: ServerCall, error: ErrorBody, nowMs: number): void {
    this.#queueAnswer(call, STATUS.error, encodeErrorBody(error), nowMs);
  }

  #queueAnswer(call: ServerCall, status: number, body: Uint8Array, nowMs: number): void {
    this.#setCallTimer(call, Number.POSITIVE_INFINITY);
    call.arrival?.release();
    call.arrival = undefined;
    call.answer(status, body, this.#initialGrantBytes, nowMs);
    this.#context.kept.add(call, body.length, () => this.#forgetAnswer(call));
    this.#outbox.queue(call);
    this.#context.touch(this);
  }

  /** The answer did not fit into what is kept: the id stays, a client that still asks is told OUTCOME_UNKNOWN. */
  #forgetAnswer(call: ServerCall): void {
    if (call.state !== 'answering') return;
    // P-52
    this.#forget(call);
    this.#tellUnknown(call.callId);
    this.#context.touch(this);
  }

  #tellUnknown(callId: number): void {
    this.#outbox.control(new CallFrame(this.#outbox, FRAME.unknown, callId, () => callId >= this.#floor));
  }

  #onDelivered(outgoing: Outgoing): void {
    const call = outgoing as ServerCall;
    if (call.state !== 'answering') return;
    this.#context.kept.remove(call);
    this.#forget(call);
  }

  #onGrant(callId: number, limit: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined || call.state !== 'answering' || limit <= call.message.granted) return;
    call.message.granted = limit;
    this.#outbox.queue(call);
  }

  // ---- never mind

  #onCancel(ranges: readonly (readonly [number, number])[]): void {
    for (const [first, last] of ranges) {
      for (const call of this.#callsIn(first, last)) {
        // P-45, P-47
        const executed = call.state === 'running' || call.state === 'answering' ? 'yes' : 'no';
        this.#drop(call, 'cancelled');
        this.#tellCancelled(executed, call.callId, call.callId);
      }
      // P-46: what has not come yet must not run when it comes: a tombstone for every id of the range.
      const from = Math.max(first, this.#floor);
      for (const [start, end] of this.#settled.gaps(from, last + 1)) {
        this.#remember(start, end);
        this.#tellCancelled('no', start, end - 1);
      }
    }
  }

  #callsIn(first: number, last: number): ServerCall[] {
    if (last - first < this.#calls.size) {
      const found: ServerCall[] = [];
      for (let callId = first; callId <= last; callId++) {
        const call = this.#calls.get(callId);
        if (call !== undefined) found.push(call);
      }
      return found;
    }
    return [...this.#calls.values()].filter((call) => call.callId >= first && call.callId <= last);
  }

  #tellCancelled(executed: 'no' | 'yes', first: number, last: number): void {
    if (this.#cancelledFrames[executed]?.add(first, last)) return;
    const frame = new RangesFrame(this.#outbox, { executed });
    frame.add(first, last);
    this.#cancelledFrames[executed] = frame;
    this.#outbox.control(frame);
  }

  /** Ends a call in any state: the handler is told, the rest of the answer is not sent. */
  #drop(call: ServerCall, reason: 'cancelled' | 'deadline'): void {
    switch (call.state) {
      case 'running':
        this.running--;
        this.#context.emit({ type: 'request-cancelled', ref: this.#ref(call.callId), reason });
        break;
      case 'answering':
        this.#context.stats.cancelSavedBytes += call.message.unsentBytes;
        this.#context.kept.remove(call);
        break;
      case 'receiving':
      case 'parked':
        this.#context.stats.cancelSavedBytes += call.arrival?.message.remainingBytes ?? 0;
        break;
      case 'forgotten':
        return;
      default:
        call.state satisfies never;
    }
    this.#forget(call);
  }

  /** From the tables; its id is remembered as settled. */
  #forget(call: ServerCall): void {
    call.apply('forget');
    call.arrival?.release();
    call.arrival = undefined;
    this.#outbox.remove(call);
    this.#setCallTimer(call, Number.POSITIVE_INFINITY);
    this.#calls.delete(call.callId);
    if (call.callId >= this.#floor) this.#remember(call.callId, call.callId + 1);
  }

  #remember(start: number, end: number): void {
    this.#settled.add(start, end);
    // P-54: everything up to the end of the lowest range counts as settled. Never the other way round.
    while (this.#settled.rangeCount > this.#context.config.maxSettledRanges) {
      const [lowest] = this.#settled.gaps(this.#floor, Number.MAX_SAFE_INTEGER);
      if (lowest === undefined) return;
      this.#settled.add(lowest[0], Math.min(lowest[1], end));
    }
  }

  /** The client has settled everything below: nothing of it will be asked for again. */
  #raiseFloor(firstIncomplete: number): void {
    // P-51
    if (firstIncomplete <= this.#floor) return;
    this.#floor = firstIncomplete;
    this.#settled.removeBelow(firstIncomplete);
    for (const call of this.#calls.values()) {
      // Ascending but for reordering: far fewer are looked at than are there.
      if (call.callId >= firstIncomplete) break;
      this.#drop(call, 'cancelled');
    }
  }

  // ---- timers and sending

  onCallTimer(call: ServerCall, nowMs: number): void {
    call.timerEntry = undefined;
    if (call.state === 'receiving') {
      // P-41
      const waitUntilMs = this.#lastHeardMs + RECEIVE_TIMEOUT_MS;
      if (nowMs < waitUntilMs) this.#setCallTimer(call, waitUntilMs);
      else this.#refuse(call, { code: 'OVERLOADED', executed: 'no' }, nowMs);
      return;
    }
    if (call.deadlineAtMs <= nowMs) {
      // P-39
      this.#drop(call, 'deadline');
      return;
    }
    if (call.state !== 'running') return;
    // P-37
    if (!call.workingTold) {
      call.workingTold = true;
      this.#outbox.control(
        new CallFrame(this.#outbox, FRAME.working, call.callId, () => call.state === 'running'),
      );
      this.#context.touch(this);
    }
    this.#setCallTimer(call, call.deadlineAtMs);
  }

  #setCallTimer(call: ServerCall, atMs: number): void {
    call.timerEntry = setTimer(this.#context.timers, call.timerEntry, call, atMs);
  }

  get #sendingLink(): Link | undefined {
    return this.#current ?? this.#candidates.at(-1);
  }

  poll(nowMs: number): Transmit | undefined {
    for (const link of this.#candidates) {
      // A session that is not the one in use only answers its handshake.
      if (link === this.#sendingLink) continue;
      const transmit = link.pollHandshake(nowMs);
      if (transmit !== undefined) return transmit;
    }
    const transmit = this.#sendingLink?.poll(nowMs);
    if (transmit === undefined) this.#setTimer();
    return transmit;
  }

  onTimer(nowMs: number): void {
    this.#timerEntry = undefined;
    const link = this.#sendingLink;
    link?.onTimer(nowMs);
    // P-97
    if (link !== undefined && link.probeCount >= PROBES_UNTIL_GONE) link.quiet();
    this.#context.touch(this);
  }

  forgiveStall(nowMs: number): void {
    this.#sendingLink?.forgiveStall(nowMs);
    this.#context.touch(this);
  }

  #setTimer(): void {
    const atMs = this.#sendingLink?.timerAtMs() ?? Number.POSITIVE_INFINITY;
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, atMs);
  }

  #ref(callId: number): RequestRef {
    return { clientEpoch: this.epoch, callId };
  }

  /** Ends every call and forgets every session; handlers are told. */
  dispose(): void {
    // P-56
    for (const call of [...this.#calls.values()]) this.#drop(call, 'cancelled');
    for (const link of this.#candidates) this.#dropLink(link);
    this.#candidates = [];
    if (this.#current !== undefined) this.#dropLink(this.#current);
    this.#current = undefined;
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, Number.POSITIVE_INFINITY);
  }
}
