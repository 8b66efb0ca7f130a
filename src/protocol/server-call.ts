// One call at the server. Its states, and what each event does to them, stand in one table:
//
//   receiving ──► parked ──► running ──► answering ──► (forgotten: only its id is remembered)
//        └──────────────────────┘
//     a cancel ends every state; what comes later for its id is refused.

import type { HeapEntry } from '../base/heap.ts';
import {
  FRAME,
  fragmentOverheadBytes,
  responseStartBytes,
  writeFragment,
  writeResponseStart,
} from '../wire/frame.ts';
import type { Arrival } from './arrival.ts';
import type { TimerTarget } from './context.ts';
import type { RequestRef } from './events.ts';
import type { KeptAnswer } from './kept-answers.ts';
import type { Outgoing } from './outbox.ts';
import { OutgoingMessage } from './outgoing-message.ts';

export type ServerCallState =
  /** Some of the request is here. */
  | 'receiving'
  /** All of it is here, but it may be a recording: it waits for a sign of life inside the session. */
  | 'parked'
  /** The handler has it. */
  | 'running'
  /** The answer is on its way, kept until the client has it. */
  | 'answering'
  | 'forgotten';

export type ServerCallEvent = 'complete-early' | 'complete' | 'confirmed' | 'answer' | 'forget';

/** What each event does in each state; what is not listed changes nothing. */
export const SERVER_CALL_TRANSITIONS: Readonly<
  Record<ServerCallState, Readonly<Partial<Record<ServerCallEvent, ServerCallState>>>>
> = {
  receiving: { 'complete-early': 'parked', complete: 'running', answer: 'answering', forget: 'forgotten' },
  parked: { confirmed: 'running', answer: 'answering', forget: 'forgotten' },
  running: { answer: 'answering', forget: 'forgotten' },
  answering: { forget: 'forgotten' },
  forgotten: {},
};

/** As many as a server keeps of a client that has not been heard in any of them (P-31). */
const MAX_PARKED_ON = 4;

/** A call at the server, from the first piece of its request until its answer has been delivered. */
export class ServerCall implements Outgoing, TimerTarget, KeptAnswer {
  readonly callId: number;
  readonly total: number;
  state: ServerCallState = 'receiving';
  /** The request, until it is answered. */
  arrival: Arrival | undefined;
  /** The caller gives up then; Infinity = never, or not known yet. */
  deadlineAtMs: number = Number.POSITIVE_INFINITY;
  completeAtMs = 0;
  /** Sessions in whose first datagram some of it came: a sign of life inside one of them lets it run. */
  parkedOn: readonly number[] = [];
  workingTold = false;
  /** By which the handler answers. */
  ref: RequestRef | undefined;
  queueEntry: HeapEntry<Outgoing> | undefined;
  timerEntry: HeapEntry<TimerTarget> | undefined;
  keptBytes = 0;
  older: KeptAnswer | undefined;
  newer: KeptAnswer | undefined;
  /** Empty until the answer is there. */
  message: OutgoingMessage;
  #status = 0;
  #heldUs = 0;
  readonly #owner: ServerCallOwner;

  constructor(callId: number, total: number, owner: ServerCallOwner) {
    this.callId = callId;
    this.total = total;
    this.#owner = owner;
    this.message = NO_ANSWER;
  }

  get dead(): boolean {
    return this.state !== 'answering';
  }

  /** The newest of these sessions only: a client does not go back to older ones. */
  parkOn(session: number): void {
    if (this.parkedOn.at(-1) !== session)
      this.parkedOn = [...this.parkedOn.slice(-MAX_PARKED_ON + 1), session];
  }

  apply(event: ServerCallEvent): void {
    this.state = SERVER_CALL_TRANSITIONS[this.state][event] ?? this.state;
  }

  answer(status: number, body: Uint8Array, initialGrantBytes: number, nowMs: number): void {
    this.#status = status;
    this.#heldUs = this.completeAtMs === 0 ? 0 : Math.max(0, Math.round((nowMs - this.completeAtMs) * 1000));
    this.message = new OutgoingMessage(body, initialGrantBytes);
    this.apply('answer');
  }

  onTimer(nowMs: number): void {
    this.#owner.onCallTimer(this, nowMs);
  }

  forgetAnswer(): void {
    this.#owner.forgetAnswer(this);
  }

  writePiece(target: Uint8Array, at: number, room: number, _nowMs: number): number {
    const { message, callId } = this;
    const offset = message.nextOffset;
    const total = message.sizeBytes;
    const overhead = fragmentOverheadBytes(callId, offset, total, responseStartBytes(this.#heldUs));
    if (room < overhead + Math.min(1, total)) return at;
    const end = message.take(room - overhead);
    return offset === 0
      ? writeResponseStart(target, at, callId, this.#status, this.#heldUs, message.bytes, end)
      : writeFragment(target, at, FRAME.response, callId, offset, message.bytes, end);
  }
}

/** The client whose call it is. */
export interface ServerCallOwner {
  onCallTimer(call: ServerCall, nowMs: number): void;
  /** The answer did not fit into what is kept. */
  forgetAnswer(call: ServerCall): void;
}

const NO_ANSWER = new OutgoingMessage(new Uint8Array(0), 0);
