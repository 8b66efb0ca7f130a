// The calls of one client at its server: which pieces belong together, what may run and runs at most once, which
// answers are kept, and what a cancel ends (RIFL; spec/protocol.md, "At most once"). Sessions are server-peer.ts.

import { totalBytes } from '../base/bytes.ts';
import { IdTable } from '../base/id-table.ts';
import { Intervals } from '../base/intervals.ts';
import { FRAME, STATUS } from '../wire/frame.ts';
import { type ErrorBody, encodeErrorBody, parseRequest, type Request } from '../wire/message.ts';
import { Arrival } from './arrival.ts';
import { ABANDONED_AFTER_MS, type ClientAccount } from './client-account.ts';
import { type EndpointContext, type Pollable, setTimer } from './context.ts';
import { CallFrame, RangesFrame } from './control-frames.ts';
import type { RequestRef } from './events.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { Outbox, Outgoing } from './outbox.ts';
import type { Path } from './path.ts';
import { ServerCall, type ServerCallOwner } from './server-call.ts';

/** Milliseconds without a sign of life from the client after which its half-arrived requests are refused. */
const RECEIVE_TIMEOUT_MS = 30_000;

/** What the calls of a client need besides the context. */
export interface ServerContext extends EndpointContext {
  readonly kept: KeptAnswers;
  /** Calls of all clients. */
  readonly load: { calls: number };
  /** Whether the owner of a key may call. */
  isAllowed(key: string): boolean;
  /** True when a handler was registered as safe to run from a first datagram. */
  isEarlySafe(method: string): boolean;
  hasMethod(method: string): boolean;
}

/** The client whose calls these are. */
export interface CallingClient extends Pollable {
  readonly epoch: number;
  readonly account: ClientAccount;
  readonly path: Path;
  /** When anything was heard of it last. */
  readonly lastHeardMs: number;
  /** It has been heard inside a session, so that it is somebody. */
  readonly confirmed: boolean;
}

/**
 * How early a piece is. `not`: inside a session. `fresh`: from a first datagram that cannot have come before, though
 * somebody may have recorded it and send it to a server that has restarted. `doubtful`: one that may have come before.
 */
export type Earliness = 'not' | 'fresh' | 'doubtful';

/** A piece of a request as its frame has it. */
export interface RequestPiece {
  readonly callId: number;
  readonly offset: number;
  readonly total: number;
  readonly data: Uint8Array;
}

/** The table of one client's calls. */
export class ServerCalls implements ServerCallOwner {
  /** Handlers at work. */
  running = 0;
  /** How much of an answer the client takes before it grants more. */
  initialGrantBytes: number;
  readonly #context: ServerContext;
  readonly #client: CallingClient;
  readonly #outbox: Outbox;
  readonly #calls = new IdTable<ServerCall>();
  /** Those that do not run yet, longest first. */
  readonly #waiting = new Set<ServerCall>();
  /** Ids at or above the floor that were answered, cancelled, or must never run for another reason. */
  readonly #settled = new Intervals();
  /** Handed to their handlers since {@link watchBegun}. */
  readonly #begun: ServerCall[] = [];
  #floor = 0;
  #cancelledFrames: { no: RangesFrame | undefined; yes: RangesFrame | undefined } = {
    no: undefined,
    yes: undefined,
  };

  constructor(context: ServerContext, client: CallingClient, outbox: Outbox) {
    this.#context = context;
    this.#client = client;
    this.#outbox = outbox;
    this.initialGrantBytes = context.config.initialGrantBytes;
  }

  get size(): number {
    return this.#calls.size;
  }

  /**
   * A piece has come in `session`. `remainingMs`: given with the start of a request. False when it contradicts what
   * came before.
   */
  onPiece(
    piece: RequestPiece,
    remainingMs: number,
    session: number,
    early: Earliness,
    nowMs: number,
  ): boolean {
    const call = this.#callFor(piece, nowMs);
    if (call === undefined) return true;
    if (remainingMs > 0) call.deadlineAtMs = nowMs + remainingMs;
    return this.#onRequestPiece(call, piece, session, early, nowMs);
  }

  /** The client has shown that it is alive inside `session`: what waited for that runs. */
  onConfirmed(session: number, nowMs: number): void {
    for (const call of this.#calls.all()) {
      // Only what came by this session: another first datagram may have been a recording.
      if (call.state === 'parked' && call.parkedOn.includes(session)) this.#unpark(call, nowMs);
    }
  }

  /** The call that a piece belongs to; `undefined` when nothing may come of it, and the client has been told. */
  #callFor({ callId, offset, total }: RequestPiece, nowMs: number): ServerCall | undefined {
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
      if (offset === 0) this.#tellUnknown(callId);
      return undefined;
    }
    // P-57: twice the limit leaves room for refusals to be told; beyond that a client talks to itself.
    if (this.#isAbove(2)) return undefined;
    const call = new ServerCall(callId, total, this);
    this.#calls.set(callId, call);
    this.#context.load.calls++;
    this.#client.account.calls++;
    if (total > config.maxMessageBytes) {
      this.#refuse(call, { code: 'TOO_LARGE', executed: 'no' }, nowMs);
      return undefined;
    }
    const arrival = this.#isAbove(1)
      ? undefined
      : Arrival.begin(this.#context, this.#client.account, this.#outbox, callId, total, nowMs);
    if (arrival === undefined) {
      stats.requestsRefusedOverload++;
      this.#refuse(call, { code: 'OVERLOADED', executed: 'no' }, nowMs);
      return undefined;
    }
    call.arrival = arrival;
    return call;
  }

  #isAbove(times: number): boolean {
    const { maxCallsPerPeer, maxServerCalls } = this.#context.config;
    return (
      this.#client.account.calls > times * maxCallsPerPeer ||
      this.#context.load.calls > times * maxServerCalls
    );
  }

  #onRequestPiece(
    call: ServerCall,
    { offset, total, data }: RequestPiece,
    session: number,
    early: Earliness,
    nowMs: number,
  ): boolean {
    if (early !== 'not') call.parkOn(session);
    else if (call.state === 'parked') this.#unpark(call, nowMs);
    if (call.state !== 'receiving' || call.arrival === undefined) return true;
    const outcome = call.arrival.add(offset, total, data);
    switch (outcome) {
      case 'contradiction':
        return false;
      case 'scattered':
        this.#refuse(call, { code: 'OVERLOADED', executed: 'no' }, nowMs);
        return false;
      case 'nothing-new':
        return true;
      case 'progress':
        this.#waiting.add(call);
        if (call.timerEntry === undefined) this.#setCallTimer(call, nowMs + RECEIVE_TIMEOUT_MS);
        return true;
      case 'complete':
        break;
      default:
        outcome satisfies never;
    }
    call.completeAtMs = nowMs;
    const request = parseRequest(call.arrival.message.bytes);
    const mustWait =
      early === 'doubtful' || (early === 'fresh' && !this.#context.isEarlySafe(request?.method ?? ''));
    if (request !== undefined && mustWait) {
      call.apply('complete-early');
      // It may wait for ever, and only what it needs itself is counted.
      call.arrival.message.detach();
      this.#waiting.add(call);
      this.#setCallTimer(call, call.deadlineAtMs);
      return true;
    }
    call.apply('complete');
    this.#run(call, request, nowMs);
    return request !== undefined;
  }

  #unpark(call: ServerCall, nowMs: number): void {
    call.apply('confirmed');
    this.#run(call, parseRequest(call.arrival!.message.bytes), nowMs);
  }

  #run(call: ServerCall, request: Request | undefined, nowMs: number): void {
    this.#waiting.delete(call);
    if (request === undefined) {
      this.#refuse(call, { code: 'BAD_MESSAGE', executed: 'no' }, nowMs);
      return;
    }
    if (!this.#context.hasMethod(request.method)) {
      this.#refuse(call, { code: 'UNKNOWN_METHOD', executed: 'no' }, nowMs);
      return;
    }
    // P-106
    if (!this.#context.isAllowed(this.#client.account.key)) {
      this.#refuse(call, { code: 'UNAUTHORIZED', executed: 'no' }, nowMs);
      return;
    }
    // P-38
    if (call.deadlineAtMs <= nowMs) {
      this.#refuse(call, { code: 'DEADLINE_EXCEEDED', executed: 'no' }, nowMs);
      return;
    }
    this.running++;
    this.#context.stats.requestsRun++;
    this.#begun.push(call);
    this.#context.emit({
      type: 'request',
      ref: this.#ref(call),
      method: request.method,
      body: request.body,
      deadlineAtMs: call.deadlineAtMs,
      from: this.#client.path.address,
    });
  }

  /** A handler that has answered by the time when its client is served needs no timer: most are as quick as that. */
  watchBegun(nowMs: number): void {
    if (this.#begun.length === 0) return;
    const tellAtMs = nowMs + this.#context.config.maxAckDelayMs;
    for (const call of this.#begun) {
      if (call.state === 'running') this.#setCallTimer(call, Math.min(call.deadlineAtMs, tellAtMs));
    }
    this.#begun.length = 0;
  }

  /** The handler's answer; ignored when nobody waits for it any more. */
  answer(callId: number, status: number, body: readonly Uint8Array[], nowMs: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined || call.state !== 'running') return;
    this.running--;
    if (totalBytes(body) > this.#context.config.maxMessageBytes) {
      this.#refuse(call, { code: 'TOO_LARGE', executed: 'yes' }, nowMs);
    } else {
      this.#queueAnswer(call, status, this.#context.messages.join(body), nowMs);
    }
  }

  #refuse(call: ServerCall, error: ErrorBody, nowMs: number): void {
    this.#queueAnswer(call, STATUS.error, encodeErrorBody(error), nowMs);
  }

  #queueAnswer(call: ServerCall, status: number, body: Uint8Array, nowMs: number): void {
    this.#setCallTimer(call, Number.POSITIVE_INFINITY);
    this.#releaseRequest(call);
    call.answer(status, body, this.initialGrantBytes, nowMs);
    this.#context.kept.add(this.#client.account.answers, call, body.length, nowMs);
    this.#outbox.queue(call);
    this.#context.touch(this.#client);
  }

  #releaseRequest(call: ServerCall): void {
    call.arrival?.release();
    call.arrival = undefined;
    this.#waiting.delete(call);
  }

  /** Somebody with less needs the memory: the request that has been waiting for longest is refused. */
  giveUpSome(nowMs: number): boolean {
    const [call] = this.#waiting;
    if (call === undefined) return false;
    this.#context.stats.requestsRefusedOverload++;
    this.#refuse(call, { code: 'OVERLOADED', executed: 'no' }, nowMs);
    return true;
  }

  /** The answer did not fit into what is kept: the id stays, a client that still asks is told OUTCOME_UNKNOWN. */
  forgetAnswer(call: ServerCall): void {
    if (call.state !== 'answering') return;
    // P-52
    this.#forget(call);
    this.#tellUnknown(call.callId);
    this.#context.touch(this.#client);
  }

  #tellUnknown(callId: number): void {
    this.#outbox.control(new CallFrame(this.#outbox, FRAME.unknown, callId, () => callId >= this.#floor));
  }

  /** Every byte of an answer was acknowledged. */
  onDelivered(outgoing: Outgoing): void {
    const call = outgoing as ServerCall;
    if (call.state !== 'answering') return;
    this.#context.kept.remove(this.#client.account.answers, call);
    this.#forget(call);
  }

  /** The client takes more of an answer. */
  onGrant(callId: number, limit: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined || call.state !== 'answering' || limit <= call.message.granted) return;
    call.message.granted = limit;
    this.#outbox.queue(call);
  }

  // ---- never mind

  onCancel(ranges: readonly (readonly [number, number])[]): void {
    for (const [first, last] of ranges) {
      for (const call of this.#calls.between(first, last)) {
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
        this.#context.emit({ type: 'request-cancelled', ref: this.#ref(call), reason });
        break;
      case 'answering':
        this.#context.stats.cancelSavedBytes += call.message.unsentBytes;
        this.#context.kept.remove(this.#client.account.answers, call);
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
    call.message.release(this.#context.messages);
    this.#releaseRequest(call);
    this.#outbox.remove(call);
    this.#setCallTimer(call, Number.POSITIVE_INFINITY);
    if (this.#calls.delete(call.callId)) {
      this.#context.load.calls--;
      this.#client.account.calls--;
    }
    if (call.callId >= this.#floor) this.#remember(call.callId, call.callId + 1);
  }

  #remember(start: number, end: number): void {
    this.#settled.add(start, end);
    // P-54: the lowest gap counts as settled. Never the other way round.
    while (this.#settled.rangeCount > this.#context.config.maxSettledRanges) {
      const [lowest] = this.#settled.gaps(this.#floor, Number.MAX_SAFE_INTEGER, 1);
      if (lowest === undefined) return;
      this.#settled.add(...lowest);
    }
  }

  /** The client has settled everything below: nothing of it will be asked for again. */
  raiseFloor(firstIncomplete: number): void {
    // P-51
    if (firstIncomplete <= this.#floor) return;
    this.#floor = firstIncomplete;
    this.#settled.removeBelow(firstIncomplete);
    for (const call of this.#calls.between(0, firstIncomplete - 1)) this.#drop(call, 'cancelled');
  }

  onCallTimer(call: ServerCall, nowMs: number): void {
    call.timerEntry = undefined;
    if (call.state === 'receiving') {
      // P-41
      const waitUntilMs = this.#client.lastHeardMs + RECEIVE_TIMEOUT_MS;
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
    // While we stood still, nothing could be heard (P-68).
    const heardAtMs = Math.max(this.#client.lastHeardMs, this.#client.path.stalledUntilMs);
    const abandonedAtMs = heardAtMs + ABANDONED_AFTER_MS;
    if (abandonedAtMs <= nowMs) {
      // P-58: should it come back after all, it hears that nobody knows what became of the call.
      this.#drop(call, 'cancelled');
      this.#tellUnknown(call.callId);
      return;
    }
    // P-37
    if (!call.workingTold) {
      call.workingTold = true;
      this.#outbox.control(
        new CallFrame(this.#outbox, FRAME.working, call.callId, () => call.state === 'running'),
      );
      this.#context.touch(this.#client);
    }
    this.#setCallTimer(call, Math.min(call.deadlineAtMs, abandonedAtMs));
  }

  #setCallTimer(call: ServerCall, atMs: number): void {
    call.timerEntry = setTimer(this.#context.timers, call.timerEntry, call, atMs);
  }

  /** Made when the request is handed over, which counts it. */
  #ref(call: ServerCall): RequestRef {
    call.ref ??= {
      clientEpoch: this.#client.epoch,
      callId: call.callId,
      number: this.#context.stats.requestsRun,
    };
    return call.ref;
  }

  /** Ends every call; handlers are told. */
  dispose(): void {
    // P-56
    for (const call of this.#calls.all()) this.#drop(call, 'cancelled');
  }
}
