// One call at the client. Its states, and what each event does to them, stand in one table:
//
//   queued ──► sending ──► sent ──► working ──► answering ──► settled
//     every state but `settled` settles on an answer, a cancel, the deadline, or the peer's silence.

import type { CallLimits, FailedCallState } from '../base/call-report.ts';
import type { CallProgress } from '../base/failed-call.ts';
import type { HeapEntry } from '../base/heap.ts';
import { OverdueWatch } from '../base/overdue-watch.ts';
import {
  FRAME,
  fragmentOverheadBytes,
  requestStartBytes,
  writeFragment,
  writeRequestStart,
} from '../wire/frame.ts';
import type { Arrival } from './arrival.ts';
import type { TimerTarget } from './context.ts';
import type { OrderedTimer } from './ordered-timers.ts';
import type { Outgoing } from './outbox.ts';
import { OutgoingMessage } from './outgoing-message.ts';

export type ClientCallState =
  /** Nothing of it has been sent: the peer does not know of it. */
  | 'queued'
  /** Some of the request has been sent: it cannot have run. */
  | 'sending'
  /** All of the request has been sent: it may have run. */
  | 'sent'
  /** The peer said that the handler runs. */
  | 'working'
  /** Some of the answer has arrived. */
  | 'answering'
  | 'settled';

export type ClientCallEvent = 'piece-sent' | 'all-sent' | 'working' | 'answer-piece' | 'restart' | 'settle';

/** What each event does in each state; what is not listed changes nothing. */
export const CLIENT_CALL_TRANSITIONS: Readonly<
  Record<ClientCallState, Readonly<Partial<Record<ClientCallEvent, ClientCallState>>>>
> = {
  queued: { 'piece-sent': 'sending', 'all-sent': 'sent', settle: 'settled' },
  sending: { 'all-sent': 'sent', 'answer-piece': 'answering', restart: 'queued', settle: 'settled' },
  sent: { working: 'working', 'answer-piece': 'answering', restart: 'queued', settle: 'settled' },
  working: { 'answer-piece': 'answering', restart: 'queued', settle: 'settled' },
  answering: { restart: 'queued', settle: 'settled' },
  settled: {},
};

/** What a caller asked for; the body is an encoded message (method and CBOR). */
export interface CallRequest {
  readonly callId: number;
  readonly method: string;
  readonly bytes: Uint8Array;
  /** Absolute; Infinity = never. */
  readonly deadlineAtMs: number;
  /** Where that comes from, and when it is overdue by what was known when it began. */
  readonly limits: CallLimits;
  readonly idempotent: boolean;
  /** Request and expected answer together: the size class of its response time. */
  readonly sizeBytes: number;
}

/** A call at the client, from its start until it settles. */
export class ClientCall implements Outgoing, TimerTarget {
  readonly request: CallRequest;
  readonly message: OutgoingMessage;
  readonly startedAtMs: number;
  state: ClientCallState = 'queued';
  /** When its first byte left; response times count from here, not from the queue. */
  firstSentAtMs: number | undefined;
  readonly overdue: OverdueWatch;
  /** All of it was sent to an incarnation that is gone, whatever a later one says. */
  mayHaveRunBefore = false;
  /** It is to be sent once more, and waits until then for the budget to allow it. */
  repeatAtMs: number | undefined;
  /** It was sent once more, and the budget has paid. */
  repeatPaid = false;
  /** The peer has said that the handler runs. */
  saidWorking = false;
  queueEntry: HeapEntry<Outgoing> | undefined;
  timer: OrderedTimer | undefined;
  /** The answer, once it has begun to arrive. */
  answer: Arrival | undefined;
  answerStatus = 0;
  heldUs = 0;
  readonly #owner: ClientCallOwner;

  constructor(request: CallRequest, owner: ClientCallOwner, initialGrantBytes: number, nowMs: number) {
    this.request = request;
    this.#owner = owner;
    this.message = new OutgoingMessage(request.bytes, initialGrantBytes);
    this.startedAtMs = nowMs;
    this.overdue = new OverdueWatch(request.limits, nowMs);
  }

  get dead(): boolean {
    return this.state === 'settled';
  }

  apply(event: ClientCallEvent): void {
    this.state = CLIENT_CALL_TRANSITIONS[this.state][event] ?? this.state;
  }

  /** For the report of a call that fails now: it is in the state in which that finds it. */
  get progress(): CallProgress {
    const { request, message, answer, startedAtMs, firstSentAtMs } = this;
    return {
      // Settling comes after this.
      state: this.state as FailedCallState,
      startedAtMs,
      firstSentAtMs,
      requestBytes: message.sizeBytes,
      requestDatagrams: message.datagrams,
      requestAckedBytes: message.ackedBytes,
      working: this.saidWorking,
      answer: answer && { arrivedBytes: answer.message.arrivedBytes, totalBytes: answer.message.total },
      overdue: this.overdue.told,
      limits: request.limits,
    };
  }

  onWorking(): void {
    this.saidWorking = true;
    this.apply('working');
  }

  /** The next time at which something is due for this call. */
  get wakeAtMs(): number {
    const repeatAtMs = this.repeatAtMs ?? Number.POSITIVE_INFINITY;
    return Math.min(this.request.deadlineAtMs, repeatAtMs, this.overdue.lookAtMs);
  }

  onTimer(nowMs: number): void {
    this.#owner.onCallTimer(this, nowMs);
  }

  writePiece(target: Uint8Array, at: number, room: number, nowMs: number): number {
    const { message } = this;
    const { callId } = this.request;
    const offset = message.nextOffset;
    const behind = callId - this.#owner.firstIncomplete;
    const { deadlineAtMs } = this.request;
    // P-38: at least 1, as 0 means that the caller waits for ever.
    const remainingMs =
      deadlineAtMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(deadlineAtMs - nowMs));
    const total = message.sizeBytes;
    const overhead = fragmentOverheadBytes(callId, offset, total, requestStartBytes(behind, remainingMs));
    if (room <= overhead) return at;
    const end = message.take(room - overhead);
    this.firstSentAtMs ??= nowMs;
    this.apply(message.fullySent ? 'all-sent' : 'piece-sent');
    return offset === 0
      ? writeRequestStart(target, at, callId, behind, remainingMs, message.bytes, end)
      : writeFragment(target, at, FRAME.request, callId, offset, message.bytes, end);
  }
}

/** The peer that the call is for. */
export interface ClientCallOwner {
  /** The lowest call id that has not settled. */
  readonly firstIncomplete: number;
  onCallTimer(call: ClientCall, nowMs: number): void;
}
