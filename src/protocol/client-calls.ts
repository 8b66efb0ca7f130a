// The calls to one peer: what is outstanding, what its answers do, and how each call settles, exactly once.
// Sessions, handshakes and health are client-peer.ts.

import type { PeerReport } from '../base/call-report.ts';
import type { Executed, RpcErrorCode } from '../base/error-code.ts';
import { reportOfCall } from '../base/failed-call.ts';
import { IdTable } from '../base/id-table.ts';
import type { MemoryAccount } from '../base/memory-budget.ts';
import { networkMsOf, type ResponseTimes } from '../base/response-times.ts';
import { type ResponseStartFrame, STATUS } from '../wire/frame.ts';
import { type ErrorBody, parseErrorBody } from '../wire/message.ts';
import { Arrival } from './arrival.ts';
import { Cancels } from './cancels.ts';
import { type CallRequest, ClientCall, type ClientCallOwner } from './client-call.ts';
import type { EndpointContext, Pollable } from './context.ts';
import { OrderedTimers } from './ordered-timers.ts';
import type { Outbox } from './outbox.ts';
import type { Path } from './path.ts';

/** The peer that is called. */
export interface CalledPeer extends Pollable {
  readonly path: Path;
  readonly responseTimes: ResponseTimes;
  /** What explains a call that fails now. */
  report(nowMs: number): PeerReport;
}

/** A piece of an answer as its frame has it. */
export interface AnswerPiece {
  readonly callId: number;
  readonly offset: number;
  readonly total: number;
  readonly data: Uint8Array;
}

/** The table of outstanding calls to one peer. */
export class ClientCalls implements ClientCallOwner, MemoryAccount {
  /** {@link MemoryBudget}'s account. */
  reassemblyBytes = 0;
  /** How much of a request the peer takes before it grants more. */
  initialGrantBytes: number;
  readonly #context: EndpointContext;
  readonly #peer: CalledPeer;
  readonly #outbox: Outbox;
  readonly #calls = new IdTable<ClientCall>();
  readonly #timers: OrderedTimers;
  /** Those of which some of the answer is here, longest first. */
  readonly #answering = new Set<ClientCall>();
  /** To be sent once more, as soon as the budget allows it, in order. */
  readonly #waiting = new Set<ClientCall>();
  /** Those whose last byte waits until the peer has been heard. */
  readonly #heldBack = new Set<ClientCall>();
  readonly #cancels: Cancels;

  constructor(context: EndpointContext, peer: CalledPeer, outbox: Outbox) {
    this.#context = context;
    this.#peer = peer;
    this.#outbox = outbox;
    this.#timers = new OrderedTimers(context.timers);
    this.#cancels = new Cancels(outbox, context.config.maxSettledRanges);
    this.initialGrantBytes = context.config.initialGrantBytes;
  }

  get size(): number {
    return this.#calls.size;
  }

  get firstIncomplete(): number {
    return this.#calls.lowest ?? 0;
  }

  /**
   * `inDoubt`: nothing has been heard of the peer for so long that it may have restarted meanwhile. Of a call that must
   * not be repeated the last byte then waits for a sign of life: what never left whole has not run anywhere.
   */
  start(request: CallRequest, inDoubt: boolean, nowMs: number): void {
    const call = new ClientCall(request, this, this.initialGrantBytes, nowMs);
    // P-59
    if (inDoubt && !request.idempotent) {
      call.message.granted = Math.min(call.message.granted, request.bytes.length - 1);
      this.#heldBack.add(call);
    }
    if (this.#calls.size === 0) this.#context.selfDoubt.asked(this);
    this.#calls.set(request.callId, call);
    call.timer = this.#timers.set(undefined, call, call.wakeAtMs);
    this.#outbox.queue(call);
    this.#context.touch(this.#peer);
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
    call.timer = undefined;
    if (request.deadlineAtMs <= nowMs) {
      this.#recordAtLeast(call, nowMs);
      // P-40
      this.#fail(call, { code: 'DEADLINE_EXCEEDED', executed: executedSoFar(call) }, true, nowMs);
      return;
    }
    if (call.overdue.lookAtMs <= nowMs && this.#isOverdue(call, nowMs)) {
      this.#context.emit({ type: 'overdue', callId: request.callId, afterMs: nowMs - call.startedAtMs });
    }
    if (call.repeatAtMs !== undefined && call.repeatAtMs <= nowMs) this.#repeat(call, nowMs);
    else call.timer = this.#timers.set(undefined, call, call.wakeAtMs);
  }

  #isOverdue({ overdue, request, firstSentAtMs }: ClientCall, nowMs: number): boolean {
    const { path, responseTimes } = this.#peer;
    return overdue.look(nowMs, {
      // P-68: a wait in which we stood still begins anew.
      sentAtMs: firstSentAtMs === undefined ? undefined : Math.max(firstSentAtMs, path.stalledUntilMs),
      limits: responseTimes.limits(request.method, request.sizeBytes, nowMs, path.rtt),
      isOurs: () => this.#context.selfDoubt.isOurs(this, firstSentAtMs ?? nowMs),
    });
  }

  // ---- what the peer says

  /** The first piece says how the call ended there, and how long its handler held it. As {@link onAnswerPiece}. */
  onAnswerStart({ callId, status, heldUs, total, data }: ResponseStartFrame, nowMs: number): boolean {
    const call = this.#calls.get(callId);
    if (call === undefined) return true;
    call.answerStatus = status;
    call.heldUs = heldUs;
    return this.#onPiece(call, 0, total, data, nowMs);
  }

  /** False when it contradicts what came before, or is more than a message may be. */
  onAnswerPiece({ callId, offset, total, data }: AnswerPiece, nowMs: number): boolean {
    const call = this.#calls.get(callId);
    // P-36, P-48
    return call === undefined || this.#onPiece(call, offset, total, data, nowMs);
  }

  #onPiece(call: ClientCall, offset: number, total: number, data: Uint8Array, nowMs: number): boolean {
    const { config } = this.#context;
    if (total > config.maxMessageBytes) {
      this.#fail(call, { code: 'TOO_LARGE', executed: 'yes' }, true, nowMs);
      return false;
    }
    if (data.length === total && call.answer === undefined) {
      // All of it at once: it needs no memory but what it has come in.
      call.apply('answer-piece');
      this.#onAnswer(call, data, nowMs);
      return true;
    }
    call.answer ??= Arrival.begin(this.#context, this, this.#outbox, call.request.callId, total, nowMs);
    if (call.answer === undefined) {
      this.#fail(call, { code: 'OVERLOADED', executed: 'yes' }, true, nowMs);
      return true;
    }
    this.#answering.add(call);
    call.apply('answer-piece');
    const outcome = call.answer.add(offset, total, data);
    if (outcome === 'scattered') this.#fail(call, { code: 'OVERLOADED', executed: 'yes' }, true, nowMs);
    if (outcome === 'contradiction' || outcome === 'scattered') return false;
    if (outcome === 'complete') this.#onAnswer(call, call.answer.message.bytes, nowMs);
    return true;
  }

  /** Somebody with less needs the memory: the answer that has been coming for longest is given up. */
  giveUpSome(nowMs: number): boolean {
    const [call] = this.#answering;
    if (call === undefined) return false;
    this.#fail(call, { code: 'OVERLOADED', executed: 'yes' }, true, nowMs);
    return true;
  }

  #onAnswer(call: ClientCall, body: Uint8Array, nowMs: number): void {
    const { callId, method, sizeBytes } = call.request;
    const { retries, selfDoubt, stats } = this.#context;
    selfDoubt.answered(this, call.overdue.inTime, nowMs);
    if (call.repeatPaid) {
      // The work of the first try was lost: in all there was no more of it.
      retries.giveBack();
      this.#repeatWaiting(nowMs);
    }
    if (call.answerStatus === STATUS.ok) {
      const sentAtMs = call.firstSentAtMs ?? call.startedAtMs;
      if (sentAtMs >= this.#peer.path.stalledUntilMs) {
        const elapsedMs = nowMs - sentAtMs;
        const networkMs = networkMsOf(elapsedMs, call.heldUs / 1000, this.#peer.path.rtt);
        this.#peer.responseTimes.record(method, sizeBytes, elapsedMs - networkMs, nowMs);
      }
      stats.callsAnswered++;
      this.#settle(call, false);
      this.#context.emit({ type: 'answered', callId, ok: true, body });
      return;
    }
    this.#fail(call, parseErrorBody(body), false, nowMs);
  }

  /** The peer is there. */
  onHeard(): void {
    this.#cancels.onHeard();
    if (this.#heldBack.size === 0) return;
    const calls = [...this.#heldBack];
    this.#heldBack.clear();
    for (const call of calls) this.onGrant(call.request.callId, this.initialGrantBytes);
    this.#context.touch(this.#peer);
  }

  /** The peer takes more of a request. */
  onGrant(callId: number, limit: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined || limit <= call.message.granted) return;
    call.message.granted = limit;
    if (call.repeatAtMs === undefined) this.#outbox.queue(call);
  }

  /** The peer has heard of so many cancels. */
  onCancelled(count: number, executed: 'no' | 'yes'): void {
    const { stats } = this.#context;
    if (executed === 'yes') stats.cancelledExecuted += count;
    else stats.cancelledNotExecuted += count;
  }

  /** The handler is at work. */
  onWorking(callId: number): void {
    this.#calls.get(callId)?.onWorking();
  }

  /** The peer cannot say what became of the call. */
  onUnknown(callId: number, nowMs: number): void {
    const call = this.#calls.get(callId);
    // P-53
    if (call !== undefined) this.#fail(call, { code: 'OUTCOME_UNKNOWN', executed: 'unknown' }, false, nowMs);
  }

  /** A session has begun with a peer that takes so much of every request unasked. */
  grantAll(limit: number): void {
    this.initialGrantBytes = limit;
    for (const { request } of this.#calls.values()) this.onGrant(request.callId, limit);
  }

  // ---- the life of a call

  /** Each of them may run twice without harm. */
  get areIdempotent(): boolean {
    for (const { request } of this.#calls.values()) if (!request.idempotent) return false;
    return true;
  }

  /**
   * Every call fails for one reason; returns how many. `tellPeer`: now, or when it is heard again. `executed`: where it
   * is known for all of them.
   */
  failAll(code: RpcErrorCode, tellPeer: 'now' | 'when-heard', nowMs: number, executed?: Executed): number {
    const calls = this.#calls.all();
    const peer = this.#peer.report(nowMs);
    if (tellPeer === 'when-heard')
      this.#cancels.putOff(calls.filter(isKnownThere).map(({ request }) => request.callId));
    for (const call of calls)
      this.#fail(call, { code, executed: executed ?? executedSoFar(call) }, tellPeer === 'now', nowMs, peer);
    return calls.length;
  }

  /** `peer`: what is known of it, when several calls fail for one reason. */
  #fail(
    call: ClientCall,
    error: ErrorBody,
    tellPeer: boolean,
    nowMs: number,
    peer: PeerReport = this.#peer.report(nowMs),
  ): void {
    const report = reportOfCall(call.progress, peer, nowMs);
    const executed = error.executed === 'no' && call.mayHaveRunBefore ? 'unknown' : error.executed;
    this.#context.stats.callsFailed++;
    this.#settle(call, tellPeer);
    this.#context.emit({ type: 'failed', callId: call.request.callId, ...error, executed, report });
  }

  /** Takes a call out of every table and queue; `tellPeer`: the peer may be working on it for nothing. */
  #settle(call: ClientCall, tellPeer: boolean): void {
    const { callId } = call.request;
    const known = isKnownThere(call);
    if (tellPeer) {
      this.#context.stats.cancelSavedBytes +=
        call.message.unsentBytes + (call.answer?.message.remainingBytes ?? 0);
    }
    call.apply('settle');
    this.#calls.delete(callId);
    if (this.#calls.size === 0) this.#context.selfDoubt.settled(this);
    this.#answering.delete(call);
    this.#waiting.delete(call);
    this.#heldBack.delete(call);
    this.#outbox.remove(call);
    call.message.release(this.#context.messages);
    call.answer?.release();
    call.timer = this.#timers.set(call.timer, call, Number.POSITIVE_INFINITY);
    // P-43
    if (tellPeer && known) this.#cancels.add(callId);
    this.#context.touch(this.#peer);
  }

  #recordAtLeast(call: ClientCall, nowMs: number): void {
    if (call.firstSentAtMs === undefined || call.firstSentAtMs < this.#peer.path.stalledUntilMs) return;
    const { method, sizeBytes } = call.request;
    const elapsedMs = nowMs - call.firstSentAtMs;
    const networkMs = networkMsOf(elapsedMs, 0, this.#peer.path.rtt);
    this.#peer.responseTimes.recordAtLeast(method, sizeBytes, elapsedMs - networkMs, nowMs);
  }

  /** What was sent of each request may be waiting at the peer for a sign of life: it gets the beginning once more. */
  askAgain(): void {
    for (const call of this.#calls.values()) {
      if (call.state !== 'sending' && call.state !== 'sent') continue;
      call.message.repeatStart();
      this.#outbox.remove(call);
      this.#outbox.queue(call);
    }
  }

  /** The peer has lost what it knew of us: what cannot have run is sent again, what may be repeated too. */
  onRestart(nowMs: number): void {
    this.#cancels.forget();
    for (const call of this.#calls.all()) {
      if (call.state === 'queued') continue;
      // P-28
      if (call.state !== 'sending' && !call.request.idempotent) {
        this.#fail(call, { code: 'OUTCOME_UNKNOWN', executed: 'unknown' }, false, nowMs);
        continue;
      }
      // What never left whole cannot have run: it is asked for the first time.
      const isRetry = call.state !== 'sending';
      if (isRetry) call.mayHaveRunBefore = true;
      call.apply('restart');
      call.answer?.release();
      call.answer = undefined;
      this.#answering.delete(call);
      call.message.restart(this.initialGrantBytes);
      this.#outbox.remove(call);
      if (isRetry) this.#repeat(call, nowMs);
      else this.#outbox.queue(call);
    }
  }

  /** Sends a call once more, or has it wait until the budget allows that. */
  #repeat(call: ClientCall, nowMs: number): void {
    const { retries } = this.#context;
    if (retries.take(nowMs)) {
      this.#waiting.delete(call);
      call.repeatAtMs = undefined;
      call.repeatPaid = true;
      this.#outbox.queue(call);
      this.#context.touch(this.#peer);
    } else {
      this.#waiting.add(call);
      call.repeatAtMs = retries.comeBackAtMs(nowMs);
    }
    call.timer = this.#timers.set(call.timer, call, call.wakeAtMs);
  }

  #repeatWaiting(nowMs: number): void {
    const { retries } = this.#context;
    for (const call of this.#waiting) {
      if (retries.tokensAt(nowMs) < 1) return;
      this.#repeat(call, nowMs);
    }
  }
}

function isKnownThere({ state }: ClientCall): boolean {
  return state !== 'queued';
}

/** What can be said of an unanswered call: a request that never left whole cannot have run. */
function executedSoFar(call: ClientCall): Executed {
  return call.state === 'queued' || call.state === 'sending' ? 'no' : 'unknown';
}
