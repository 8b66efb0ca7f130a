// Handlers by method, and requests at work: decodes a request, runs its handler, encodes what it returns or throws.
// When a request may run, and how its answer travels, is the business of the transport that carries it.

import { totalBytes } from '../base/bytes.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';
import { formatSocketAddress, type HostAndPort } from './address.ts';
import { decodeBody, type EncodedBody, encodeBody } from './body.ts';
import { type RequestName, requestEnd, requestStart } from './diagnostics.ts';
import { RpcError } from './error.ts';
import { detailOf, messageOf } from './failure.ts';
import type { ReadAheadBudget } from './read-ahead.ts';
import { plain, StreamHandlers } from './stream-handlers.ts';
import { isPartName, namesOf, PART_SEPARATOR, partName } from './stream-parts.ts';
import type { Handler, HandlerContext } from './transport.ts';

/** What becomes of a request: an encoded body, or a failure as the caller shall hear of it. */
export type Reply =
  | { readonly ok: true; readonly body: EncodedBody }
  | {
      readonly ok: false;
      readonly error: {
        readonly code: RpcErrorCode;
        readonly executed: Executed;
        readonly detail: ErrorDetail;
      };
    };

/** What streams hold at a moment. */
export interface StreamGauges {
  /** Streamed calls of others of which any part is at work here. */
  readonly servedStreams: number;
  /** Bytes of streams, read here, that their senders may send and that nobody has read yet. */
  readonly streamPromisedBytes: number;
}

/** The handlers of one transport. */
export class HandlerTable {
  readonly #handlers = new Map<string, Handler>();
  readonly #streams: StreamHandlers;
  readonly #readAhead: ReadAheadBudget;

  /** `readAhead`: what the uploads of all requests may have under way. */
  constructor(readAhead: ReadAheadBudget) {
    this.#readAhead = readAhead;
    this.#streams = new StreamHandlers(readAhead);
  }

  get streamGauges(): StreamGauges {
    return { servedStreams: this.#streams.size, streamPromisedBytes: this.#readAhead.promisedBytes };
  }

  /** Returns all names that the method is called by. @throws RpcError BAD_ARGUMENT when it has a handler already. */
  add(method: string, handler: Handler): string[] {
    if (this.#handlers.has(method)) {
      throw new RpcError('BAD_ARGUMENT', `the method "${method}" has a handler already`, { method });
    }
    if (isPartName(method)) {
      const message = `the name "${method}" has a "${PART_SEPARATOR}", which stands for the parts of a stream`;
      throw new RpcError('BAD_ARGUMENT', message, { method });
    }
    const { open, next, give } = this.#streams.partsOf(handler);
    this.#handlers.set(method, handler);
    this.#handlers.set(partName(method, 'open'), open);
    this.#handlers.set(partName(method, 'next'), next);
    this.#handlers.set(partName(method, 'give'), give);
    return namesOf(method);
  }

  has(method: string): boolean {
    return this.#handlers.has(method);
  }

  /**
   * Runs the handler of a method that has one. `reply` is called once, unless the request is aborted before: then
   * nobody waits for an answer any more, and it is not called at all.
   */
  run(method: string, body: Uint8Array, request: RunningRequest, reply: (reply: Reply) => void): void {
    let decoded: unknown;
    try {
      decoded = decodeBody(body);
    } catch (error) {
      const message = `the body of "${method}" is no CBOR: ${messageOf(error)}`;
      const detail = { code: 'BAD_MESSAGE', message };
      reply({ ok: false, error: { code: 'BAD_MESSAGE', executed: 'no', detail } });
      return;
    }
    const name = beginning(method, body, request);
    const outcome = outcomeOf(this.#handlers.get(method)!, decoded, request);
    // One that is there at once is told at once: promises would take longer than all the rest of a small call.
    if (outcome instanceof Promise) void outcome.then((later) => tell(later, request, name, reply));
    else tell(outcome, request, name, reply);
  }
}

function tell(
  outcome: Reply,
  request: RunningRequest,
  name: RequestName | undefined,
  reply: (reply: Reply) => void,
): void {
  if (!request.aborted) reply(outcome);
  if (name !== undefined) tellEnd(name, request.aborted, outcome);
}

/** Tells who listens that a handler begins; `undefined` when nobody wants to know how it ends. */
function beginning(method: string, body: Uint8Array, request: RunningRequest): RequestName | undefined {
  if (!requestStart.hasSubscribers && !requestEnd.hasSubscribers) return undefined;
  const name = { from: request.from, method, requestBytes: body.length };
  requestStart.publish({ request: name });
  return name;
}

function tellEnd(request: RequestName, aborted: boolean, reply: Reply): void {
  if (aborted) requestEnd.publish({ request, outcome: 'cancelled' });
  else if (reply.ok)
    requestEnd.publish({ request, outcome: 'answered', answerBytes: totalBytes(reply.body) });
  else requestEnd.publish({ request, outcome: 'failed', code: reply.error.detail.code });
}

function outcomeOf(handler: Handler, body: unknown, request: RunningRequest): Reply | Promise<Reply> {
  try {
    const answer = handler(body, request);
    return isThenable(answer) ? Promise.resolve(answer).then(answered, failed) : answered(answer);
  } catch (error) {
    return failed(error);
  }
}

function answered(answer: unknown): Reply {
  try {
    return { ok: true, body: encodeBody(plain(answer)) };
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): Reply {
  return { ok: false, error: { code: 'HANDLER_FAILED', executed: 'yes', detail: detailOf(error) } };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** A request that its handler works on; the signal is only made when somebody looks at it. */
export class RunningRequest implements HandlerContext {
  readonly deadlineAtMs: number;
  readonly #from: HostAndPort;
  #controller: AbortController | undefined;
  #abortedBy: 'cancelled' | 'deadline' | undefined;

  constructor(deadlineAtMs: number, from: HostAndPort) {
    this.deadlineAtMs = deadlineAtMs;
    this.#from = from;
  }

  get from(): string {
    return formatSocketAddress(this.#from);
  }

  get aborted(): boolean {
    return this.#abortedBy !== undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortedBy !== undefined) this.#controller.abort(ABORT_REASONS[this.#abortedBy]);
    }
    return this.#controller.signal;
  }

  /** Nobody waits for the answer any more: the caller has said so, is gone, or its deadline has passed. */
  abort(reason: 'cancelled' | 'deadline'): void {
    if (this.#abortedBy !== undefined) return;
    this.#abortedBy = reason;
    this.#controller?.abort(ABORT_REASONS[reason]);
  }
}

/** One for all: making one takes longer than all the rest of a cancel, and its stack would tell only of us. */
const ABORT_REASONS = { cancelled: abortReason('CANCELLED'), deadline: abortReason('DEADLINE_EXCEEDED') };

function abortReason(code: 'CANCELLED' | 'DEADLINE_EXCEEDED'): RpcError {
  return new RpcError(code, 'nobody waits for this answer any more');
}
