// Calls on their way as their callers see them: for each a promise, the signal that cancels it, and whom to tell when
// it is overdue. What travels for a call, and what becomes of it, is decided by the transport that carries it.

import type { CallReport } from '../base/call-report.ts';
import type { Clock } from '../base/clock.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';
import { IdTable } from '../base/id-table.ts';
import { decodeBody, type EncodedBody, encodeBody } from './body.ts';
import { type CallName, callEnd, callOverdue, callStart } from './diagnostics.ts';
import type { RpcError, RpcErrorInfo } from './error.ts';
import { badArgument, explainFailure } from './failure.ts';
import { callUser } from './listeners.ts';
import { SignalGroups } from './signal-groups.ts';
import { isPartName } from './stream-parts.ts';
import type { CallOptions, TransportEvent } from './transport.ts';

/** The transport whose calls these are. */
export interface PendingCallsOwner {
  /** Gets a `peer:overdue` for each call that is. */
  readonly tell: (event: TransportEvent) => void;
  /** Nobody waits for this call any more; called once. */
  readonly cancel: (callId: number) => void;
}

/** Outstanding calls of one transport, by the ids that it gave them. */
export class PendingCalls {
  readonly #clock: Clock;
  readonly #owner: PendingCallsOwner;
  readonly #calls = new IdTable<PendingCall>();
  readonly #signals = new SignalGroups((callIds, reason) => this.#onAbort(callIds, reason));

  constructor(clock: Clock, owner: PendingCallsOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  /**
   * The promise of a call that has been started. When its signal aborts, it is cancelled and the promise rejects with
   * the signal's reason.
   */
  add(callId: number, name: CallName, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal, onOverdue } = options;
      this.#calls.set(callId, { name, resolve, reject, signal, onOverdue });
      if (signal !== undefined) this.#signals.add(signal, callId);
      if (callStart.hasSubscribers) callStart.publish({ call: name });
    });
  }

  #onAbort(callIds: readonly number[], reason: unknown): void {
    for (const callId of callIds) {
      const call = this.#calls.get(callId);
      if (call === undefined) continue;
      this.#calls.delete(callId);
      this.#owner.cancel(callId);
      call.reject(reason);
      if (callEnd.hasSubscribers) callEnd.publish({ ...this.#endOf(call), outcome: 'cancelled' });
    }
  }

  /** The peer has answered; `bytes` is the encoded body. */
  answer(callId: number, bytes: Uint8Array): void {
    const call = this.#take(callId);
    if (call === undefined) return;
    let body: unknown;
    try {
      body = decodeBody(bytes);
    } catch (cause) {
      this.#reject(call, this.#failure(call, 'BAD_MESSAGE', 'yes', undefined, { cause }));
      return;
    }
    call.resolve(body);
    if (callEnd.hasSubscribers) {
      callEnd.publish({ ...this.#endOf(call), outcome: 'answered', answerBytes: bytes.length });
    }
  }

  fail(
    callId: number,
    code: RpcErrorCode,
    executed: Executed,
    detail?: ErrorDetail,
    report?: CallReport,
  ): void {
    const call = this.#take(callId);
    if (call === undefined) return;
    this.#reject(call, this.#failure(call, code, executed, detail, report && { report }));
  }

  #reject(call: PendingCall, error: RpcError): void {
    call.reject(error);
    if (callEnd.hasSubscribers) callEnd.publish({ ...this.#endOf(call), outcome: 'failed', error });
  }

  #endOf({ name }: PendingCall): { call: CallName; elapsedMs: number } {
    return { call: name, elapsedMs: this.#clock.now() - name.startedAtMs };
  }

  /** The call takes longer than it should; it goes on. */
  overdue(callId: number, afterMs: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    const { peer, method } = call.name;
    // A part of a stream waits for a reader or a producer: when that takes too long is the stream's to say.
    if (isPartName(method)) return;
    this.#owner.tell({ type: 'peer:overdue', peer, method, afterMs, atMs: this.#clock.now() });
    if (callOverdue.hasSubscribers) callOverdue.publish({ call: call.name, afterMs });
    if (call.onOverdue !== undefined) callUser(call.onOverdue);
  }

  /** No listener stays on the signal after the call has settled. */
  #take(callId: number): PendingCall | undefined {
    const call = this.#calls.get(callId);
    if (call === undefined) return undefined;
    this.#calls.delete(callId);
    if (call.signal !== undefined) this.#signals.remove(call.signal, callId);
    return call;
  }

  #failure(
    { name }: PendingCall,
    code: RpcErrorCode,
    executed: Executed,
    detail?: ErrorDetail,
    more?: Pick<RpcErrorInfo, 'cause' | 'report'>,
  ): RpcError {
    const elapsedMs = this.#clock.now() - name.startedAtMs;
    return explainFailure(code, executed, detail, name.peer, name.method, elapsedMs, more);
  }
}

interface PendingCall {
  readonly name: CallName;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onOverdue: (() => void) | undefined;
}

/**
 * Looks at what a caller gave before anything is sent, and encodes the body.
 * @throws what `options.signal` has aborted with; RpcError BAD_ARGUMENT.
 */
export function encodeCall(peer: string, method: string, body: unknown, options: CallOptions): EncodedBody {
  options.signal?.throwIfAborted();
  const { deadline } = options;
  try {
    if (typeof deadline === 'number' && !(deadline > 0)) {
      throw new RangeError(`a deadline is more than 0 ms, not ${deadline}`);
    }
    return encodeBody(body);
  } catch (cause) {
    throw badArgument(cause, peer, method);
  }
}
