// The calls to one peer that have not settled: they begin, are overdue, are answered, cancelled, given up. Which
// connection carries them, and whether there is one, is client-peer.ts's business.

import type { PeerReport } from '../base/call-report.ts';
import type { Executed, RpcErrorCode } from '../base/error-code.ts';
import { reportOfCall } from '../base/failed-call.ts';
import { networkMsOf, ResponseTimes } from '../base/response-times.ts';
import { RttEstimator } from '../base/rtt.ts';
import { STATUS } from '../wire/frame.ts';
import { type ErrorBody, parseErrorBody } from '../wire/message.ts';
import { type CallRequest, ClientCall } from './client-call.ts';
import type { ClientConnection } from './client-connection.ts';
import type { TcpContext } from './context.ts';
import { Alarm } from './timers.ts';

/** What is guessed of a round trip before there was one (RFC 9002, 6.2.2). */
const INITIAL_RTT_MS = 333;

/** Messages up to this size tell of the path's round trip; larger ones, of its bandwidth. */
const RTT_SAMPLE_BYTES_MAX = 16 * 1024;

/** The peer that the calls are for. */
export interface ClientCallsOwner {
  /** What they go over at the moment. */
  readonly connection: ClientConnection | undefined;
  /** What explains a call that fails now. */
  report(nowMs: number): PeerReport;
  /** None is outstanding any more. */
  onIdle(): void;
}

export class ClientCalls {
  readonly responseTimes: ResponseTimes;
  readonly rtt: RttEstimator = new RttEstimator(INITIAL_RTT_MS);
  readonly #context: TcpContext;
  readonly #owner: ClientCallsOwner;
  readonly #calls = new Map<number, ClientCall>();

  constructor(context: TcpContext, owner: ClientCallsOwner) {
    this.#context = context;
    this.#owner = owner;
    this.responseTimes = new ResponseTimes(context.cohort);
  }

  get size(): number {
    return this.#calls.size;
  }

  [Symbol.iterator](): IterableIterator<ClientCall> {
    return this.#calls.values();
  }

  /** A call begins; its time limits run, and it waits to be sent. */
  add(request: CallRequest): ClientCall {
    const { clock, timers } = this.#context;
    const call = new ClientCall(request, () => clock.now());
    if (this.#calls.size === 0) this.#context.selfDoubt.asked(this);
    this.#calls.set(request.callId, call);
    call.alarm = new Alarm(timers, (nowMs) => this.#onDue(call, nowMs));
    call.alarm.set(call.wakeAtMs);
    return call;
  }

  /** Never mind. Nothing of the call is sent any more but, where the server knows of it, one CANCEL. */
  cancel(callId: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    this.#context.stats.callsCancelled++;
    this.#recordAtLeast(call, this.#context.clock.now());
    this.#settle(call, true);
  }

  onResponse(call: ClientCall, status: number, heldUs: number, body: Uint8Array): void {
    const { clock, outcomes, selfDoubt, stats, timers } = this.#context;
    const nowMs = clock.now();
    selfDoubt.answered(this, call.overdue.inTime, nowMs);
    const { callId, method, sizeBytes } = call.request;
    const error = status === STATUS.ok ? undefined : parseErrorBody(body);
    const sentAtMs = call.firstSentAtMs ?? call.startedAtMs;
    const elapsedMs = nowMs - sentAtMs;
    // What waited for us says nothing of the peer.
    const isSample = sentAtMs >= timers.stalledUntilMs;
    if (isSample && call.bytes.length + body.length <= RTT_SAMPLE_BYTES_MAX)
      this.rtt.update(elapsedMs, heldUs / 1000);
    // An error that its handler gave is an answer, too; a refusal tells nothing of how long work takes.
    if (isSample && (error === undefined || error.code === 'HANDLER_FAILED')) {
      const networkMs = networkMsOf(elapsedMs, heldUs / 1000, this.rtt);
      this.responseTimes.record(method, sizeBytes, elapsedMs - networkMs, nowMs);
    }
    if (error !== undefined) {
      this.#fail(call, error, false, nowMs);
      return;
    }
    stats.callsAnswered++;
    this.#settle(call, false);
    outcomes.answer(callId, body);
  }

  /** The response is there, but cannot be taken. */
  onResponseRefused(call: ClientCall, code: 'TOO_LARGE' | 'OVERLOADED'): void {
    this.#fail(call, { code, executed: 'yes' }, true, this.#context.clock.now());
  }

  /** Their connection is gone: what may have run and may not run twice is left open, the others are to be repeated. */
  onConnectionLost(): void {
    const { clock, retries, stats } = this.#context;
    for (const call of [...this.#calls.values()]) {
      if (!call.mayHaveRun || call.request.idempotent) {
        call.mayHaveRunBefore = call.mayHaveRun;
        if (call.started) {
          stats.callsRepeated++;
          retries.take(clock.now());
        }
        continue;
      }
      this.#fail(call, { code: 'OUTCOME_UNKNOWN', executed: 'unknown' }, false, clock.now());
    }
  }

  /** Every call fails for one reason; returns how many. */
  failAll(code: RpcErrorCode): number {
    const nowMs = this.#context.clock.now();
    const calls = [...this.#calls.values()];
    const peer = this.#owner.report(nowMs);
    for (const call of calls) this.#fail(call, { code, executed: executedSoFar(call) }, false, nowMs, peer);
    return calls.length;
  }

  #onDue(call: ClientCall, nowMs: number): void {
    const { callId, deadlineAtMs } = call.request;
    if (deadlineAtMs <= nowMs) {
      this.#recordAtLeast(call, nowMs);
      this.#fail(call, { code: 'DEADLINE_EXCEEDED', executed: executedSoFar(call) }, true, nowMs);
      return;
    }
    const isOverdue = call.overdue.lookAtMs <= nowMs && this.#isOverdue(call, nowMs);
    call.alarm?.set(call.wakeAtMs);
    if (isOverdue) this.#context.outcomes.overdue(callId, nowMs - call.startedAtMs);
  }

  #isOverdue({ overdue, request, firstSentAtMs }: ClientCall, nowMs: number): boolean {
    const { stalledUntilMs } = this.#context.timers;
    return overdue.look(nowMs, {
      // A wait in which we stood still begins anew.
      sentAtMs: firstSentAtMs === undefined ? undefined : Math.max(firstSentAtMs, stalledUntilMs),
      limits: this.responseTimes.limits(request.method, request.sizeBytes, nowMs, this.rtt),
      isOurs: () => this.#context.selfDoubt.isOurs(this, firstSentAtMs ?? nowMs),
    });
  }

  /** `peer`: what is known of it, when several calls fail for one reason. */
  #fail(
    call: ClientCall,
    { code, executed, detail }: ErrorBody,
    tellPeer: boolean,
    nowMs: number,
    peer: PeerReport = this.#owner.report(nowMs),
  ): void {
    const report = reportOfCall(call.progress, peer, nowMs);
    this.#context.stats.callsFailed++;
    this.#settle(call, tellPeer);
    const known = executed === 'no' && call.mayHaveRunBefore ? 'unknown' : executed;
    this.#context.outcomes.fail(call.request.callId, code, known, detail, report);
  }

  #settle(call: ClientCall, tellPeer: boolean): void {
    this.#calls.delete(call.request.callId);
    call.alarm?.clear();
    this.#owner.connection?.forget(call, tellPeer);
    if (this.#calls.size > 0) return;
    this.#context.selfDoubt.settled(this);
    this.#owner.onIdle();
  }

  #recordAtLeast(call: ClientCall, nowMs: number): void {
    if (call.firstSentAtMs === undefined || call.firstSentAtMs < this.#context.timers.stalledUntilMs) return;
    const { method, sizeBytes } = call.request;
    const elapsedMs = nowMs - call.firstSentAtMs;
    const networkMs = networkMsOf(elapsedMs, 0, this.rtt);
    this.responseTimes.recordAtLeast(method, sizeBytes, elapsedMs - networkMs, nowMs);
  }
}

/** What can be said of an unanswered call: a request that was never written whole cannot have run. */
function executedSoFar(call: ClientCall): Executed {
  return call.mayHaveRun ? 'unknown' : 'no';
}
