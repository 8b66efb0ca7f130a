// One call at the client. A request is repeated over another connection as long as not all of it has been written to
// this one: a server runs nothing of which a byte is missing.

import type { CallLimits, FailedCallState } from '../base/call-report.ts';
import type { CallProgress } from '../base/failed-call.ts';
import type { HeapEntry } from '../base/heap.ts';
import { OverdueWatch } from '../base/overdue-watch.ts';
import { writeRequest } from './frame.ts';
import type { IncomingMessage } from './incoming-message.ts';
import type { Outgoing } from './send-queue.ts';
import type { Alarm } from './timers.ts';

/** What a caller asked for, all resolved. */
export interface CallRequest {
  readonly callId: number;
  readonly method: string;
  /** An encoded message: method and CBOR. */
  readonly bytes: Uint8Array;
  /** Absolute; Infinity = never. */
  readonly deadlineAtMs: number;
  readonly idempotent: boolean;
  /** What the two times follow from. */
  readonly limits: CallLimits;
  /** Request and expected answer together: the size class of its response time. */
  readonly sizeBytes: number;
}

/** The connection that a request goes out over. */
export interface CallCarrier {
  /** Queues it. */
  send(call: ClientCall): void;
  /** The id, in this connection, of a request whose first frame is being written. */
  register(call: ClientCall): number;
}

/** A call at the client, from its start until it settles. */
export class ClientCall implements Outgoing {
  readonly request: CallRequest;
  readonly bytes: Uint8Array;
  readonly startedAtMs: number;
  alarm: Alarm | undefined;
  readonly overdue: OverdueWatch;
  /** When its first byte was written; response times count from here, not from the queue. */
  firstSentAtMs: number | undefined;
  /** All of it has been written to some connection, so that it may have run. */
  mayHaveRun = false;
  /** So it had been already in a connection that is gone, whatever is said in a later one. */
  mayHaveRunBefore = false;
  /** Of the request in its present connection. */
  sentBytes = 0;
  started = false;
  queueEntry: HeapEntry<Outgoing> | undefined;
  wireId = 0;
  /** Of the response, while it is not complete. */
  arriving: IncomingMessage | undefined;
  status = 0;
  heldUs = 0;
  readonly #now: () => number;
  #carrier: CallCarrier | undefined;

  constructor(request: CallRequest, now: () => number) {
    this.request = request;
    this.bytes = request.bytes;
    this.startedAtMs = now();
    this.overdue = new OverdueWatch(request.limits, this.startedAtMs);
    this.#now = now;
  }

  /** The next time at which something is due for this call. */
  get wakeAtMs(): number {
    return Math.min(this.request.deadlineAtMs, this.overdue.lookAtMs);
  }

  /** For the report of a call that fails now, before it is taken out of its connection. */
  get progress(): CallProgress {
    const { request, startedAtMs, firstSentAtMs } = this;
    return {
      state: this.#reached,
      startedAtMs,
      firstSentAtMs,
      requestBytes: this.bytes.length,
      answer: this.arriving,
      overdue: this.overdue.told,
      limits: request.limits,
    };
  }

  get #reached(): FailedCallState {
    if (this.arriving !== undefined) return 'answering';
    if (this.mayHaveRun) return 'sent';
    return this.started ? 'sending' : 'queued';
  }

  /** Sends it, from its beginning, over this connection. */
  sendOver(carrier: CallCarrier): void {
    this.#carrier = carrier;
    this.sentBytes = 0;
    this.started = false;
    carrier.send(this);
  }

  writeStart(target: Uint8Array, at: number, dataBytes: number): number {
    const nowMs = this.#now();
    const { deadlineAtMs } = this.request;
    this.firstSentAtMs ??= nowMs;
    this.wireId = this.#carrier!.register(this);
    // At least 1: on the wire 0 means that the caller waits for ever.
    const remainingMs =
      deadlineAtMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(deadlineAtMs - nowMs));
    return writeRequest(target, at, this.wireId, remainingMs, this.bytes.length, dataBytes);
  }

  onSent(): void {
    this.mayHaveRun = true;
  }
}
