// A client's connection, at the server: requests arrive, run, and are answered over it. Bytes come in order, so that
// at-most-once is a matter of counting: an id that is not above the last one is a repetition, and nobody repeats
// within a connection. For the same reason a CANCEL can forget: what it names has come before it.

import type { Executed, RpcErrorCode } from '../base/error-code.ts';
import type { CallerStatus } from '../base/peer-status.ts';
import { formatPeerAddress, type HostAndPort } from '../transport/address.ts';
import { joinBody } from '../transport/body.ts';
import { type Reply, RunningRequest } from '../transport/handler-table.ts';
import { STATUS } from '../wire/frame.ts';
import { encodeErrorBody, parseRequest } from '../wire/message.ts';
import type { ByteStream } from './byte-stream.ts';
import { Connection, type ConnectionOwner, type Ending } from './connection.ts';
import type { TcpContext } from './context.ts';
import { type Frame, PONG_FRAME, writeResponse } from './frame.ts';
import { IncomingMessage } from './incoming-message.ts';
import type { Outgoing } from './send-queue.ts';
import { Alarm } from './timers.ts';

/** One accepted connection. */
export class ServerConnection implements ConnectionOwner {
  /** {@link MemoryBudget}'s account. */
  reassemblyBytes = 0;
  readonly #context: TcpContext;
  readonly #connection: Connection;
  readonly #remote: HostAndPort;
  readonly #clientKey: string;
  readonly #onEnd: (connection: ServerConnection) => void;
  readonly #calls = new Map<number, ServerCall>();
  /** Rings when a client has fallen silent in the middle of a request. */
  readonly #receiving: Alarm;
  /** Requests that are complete and wait until the client has taken some of its answers. */
  readonly #parked = new Map<ServerCall, Uint8Array>();
  /** {@link MemoryBudget}'s account for them. */
  readonly #parkedAccount = { reassemblyBytes: 0 };
  #lastHeardAtMs: number;
  #runScheduled = false;
  #lastCallId = 0;
  #paused = false;

  /** `onEnd`: the connection is over, by whoever's doing, and has let go of everything. */
  constructor(
    context: TcpContext,
    stream: ByteStream,
    clientKey: string,
    onEnd: (connection: ServerConnection) => void,
  ) {
    this.#context = context;
    this.#clientKey = clientKey;
    this.#onEnd = onEnd;
    this.#remote = stream.remote;
    this.#lastHeardAtMs = context.clock.now();
    this.#receiving = new Alarm(context.timers, (_nowMs, stalled) => {
      if (stalled) this.#expectMore();
      else this.close();
    });
    this.#connection = new Connection(stream, context, this);
    this.#connection.begin();
  }

  status(nowMs: number): CallerStatus {
    let runningRequests = 0;
    for (const { running } of this.#calls.values()) if (running !== undefined) runningRequests++;
    return {
      address: formatPeerAddress(this.#remote),
      sinceHeardMs: nowMs - this.#lastHeardAtMs,
      runningRequests,
      heldRequests: this.#calls.size,
    };
  }

  /** Ends it; handlers at work are told that nobody waits. */
  close(): void {
    this.#connection.destroy();
    this.onEnded({ why: 'closed', code: undefined });
  }

  // ---- what comes

  onFrame(frame: Frame): boolean {
    this.#lastHeardAtMs = this.#context.clock.now();
    if (this.reassemblyBytes > 0) this.#expectMore();
    switch (frame.type) {
      case 'request':
        return this.#onRequest(frame);
      case 'more':
        return this.#onMore(frame.callId, frame.data);
      case 'cancel':
        return this.#onCancel(frame.callId);
      case 'ping':
        this.#connection.queue.control(PONG_FRAME);
        this.#connection.flushSoon();
        return true;
      case 'response':
      case 'pong':
        // A connection carries the calls of who dialled it.
        return false;
      default:
        frame satisfies never;
        return false;
    }
  }

  onEnded(ending: Ending): void {
    if (ending.why !== 'closed') this.#context.stats.peerErrors++;
    this.#receiving.clear();
    for (const call of [...this.#calls.values()]) this.#drop(call, 'cancelled');
    this.#onEnd(this);
  }

  #onRequest({ callId, remainingMs, total, data }: Extract<Frame, { type: 'request' }>): boolean {
    const { config, clock, guard, memory, stats, timers } = this.#context;
    // Clients hold to the limit; one that does not even take its refusals is no client.
    if (callId <= this.#lastCallId || this.#calls.size > 2 * config.maxCallsPerPeer) return false;
    this.#lastCallId = callId;
    const nowMs = clock.now();
    const deadlineAtMs = remainingMs === 0 ? Number.POSITIVE_INFINITY : nowMs + remainingMs;
    const call = new ServerCall(callId, deadlineAtMs);
    this.#calls.set(callId, call);
    if (total > config.maxMessageBytes) {
      this.#refuse(call, 'TOO_LARGE');
      return true;
    }
    // Asked for each request: who was taken from the list is out at once.
    if (!guard.allows(this.#clientKey)) {
      this.#refuse(call, 'UNAUTHORIZED');
      return true;
    }
    if (this.#calls.size > config.maxCallsPerPeer) {
      stats.requestsRefusedOverload++;
      this.#refuse(call, 'OVERLOADED');
      return true;
    }
    call.alarm = new Alarm(timers, () => {
      this.#drop(call, 'deadline');
      this.#runParkedSoon();
    });
    call.alarm.set(deadlineAtMs);
    if (data.length === total) {
      // A view of what the socket has read, together with other frames; the handler gets bytes of its own.
      this.#onComplete(call, Buffer.from(data));
      return true;
    }
    const arriving = IncomingMessage.begin(memory, this, total);
    if (arriving === undefined) {
      stats.requestsRefusedOverload++;
      this.#refuse(call, 'OVERLOADED');
      return true;
    }
    call.arriving = arriving;
    return this.#onMore(callId, data);
  }

  #onMore(callId: number, data: Uint8Array): boolean {
    const call = this.#calls.get(callId);
    // The client has not heard yet that its request was refused.
    if (call?.arriving === undefined) return callId <= this.#lastCallId;
    const message = call.arriving.add(data);
    if (message === false) return false;
    if (message !== undefined) {
      this.#release(call);
      this.#onComplete(call, message);
    }
    this.#expectMore();
    return true;
  }

  /** Never mind: what the call holds is freed, whatever its state. */
  #onCancel(callId: number): boolean {
    if (callId > this.#lastCallId) return false;
    const call = this.#calls.get(callId);
    if (call === undefined) return true;
    this.#drop(call, 'cancelled');
    this.#runParkedSoon();
    return true;
  }

  // ---- running

  #onComplete(call: ServerCall, message: Uint8Array): void {
    const { clock, memory, stats } = this.#context;
    call.completeAtMs = clock.now();
    if (!this.#isBehind) this.#run(call, message);
    else if (memory.take(this.#parkedAccount, message.length)) {
      this.#parked.set(call, message);
      this.#pauseOrResume();
    } else {
      stats.requestsRefusedOverload++;
      this.#refuse(call, 'OVERLOADED');
    }
  }

  #run(call: ServerCall, message: Uint8Array): void {
    const { handlers, clock, stats } = this.#context;
    const request = parseRequest(message);
    if (request === undefined) this.#refuse(call, 'BAD_MESSAGE');
    else if (!handlers.has(request.method)) this.#refuse(call, 'UNKNOWN_METHOD');
    else if (call.deadlineAtMs <= clock.now()) this.#refuse(call, 'DEADLINE_EXCEEDED');
    else {
      stats.requestsRun++;
      call.running = new RunningRequest(call.deadlineAtMs, this.#remote);
      handlers.run(request.method, request.body, call.running, (reply) => this.#reply(call, reply));
    }
  }

  #reply(call: ServerCall, reply: Reply): void {
    const { config, stats } = this.#context;
    call.running = undefined;
    const body = reply.ok ? joinBody(reply.body) : encodeErrorBody(reply.error);
    if (body.length > config.maxMessageBytes) this.#refuse(call, 'TOO_LARGE', 'yes');
    else if (
      stats.unsentAnswerBytes > 0 &&
      stats.unsentAnswerBytes + body.length > config.maxUnsentAnswerBytes
    ) {
      this.#refuse(call, 'OUTCOME_UNKNOWN', 'yes');
    } else this.#answer(call, reply.ok ? STATUS.ok : STATUS.error, body);
  }

  #refuse(call: ServerCall, code: RpcErrorCode, executed: Executed = 'no'): void {
    this.#answer(call, STATUS.error, encodeErrorBody({ code, executed }));
  }

  #answer(call: ServerCall, status: number, body: Uint8Array): void {
    const { clock } = this.#context;
    const heldMs = call.completeAtMs === undefined ? 0 : clock.now() - call.completeAtMs;
    call.alarm?.clear();
    call.answer = new Answer(call.callId, status, Math.round(heldMs * 1000), body, () => this.#forget(call));
    this.#connection.queue.add(call.answer);
    this.#context.stats.unsentAnswerBytes += body.length;
    this.#connection.flushSoon();
  }

  /** Ends a call in any state: the handler is told, the rest of the answer is not sent. */
  #drop(call: ServerCall, reason: 'cancelled' | 'deadline'): void {
    this.#forget(call);
    call.running?.abort(reason);
  }

  #forget(call: ServerCall): void {
    const { stats } = this.#context;
    this.#calls.delete(call.callId);
    call.alarm?.clear();
    stats.cancelSavedBytes += call.arriving?.remainingBytes ?? 0;
    this.#release(call);
    this.#unpark(call);
    if (call.answer === undefined) return;
    stats.cancelSavedBytes += this.#connection.queue.remove(call.answer);
    stats.unsentAnswerBytes -= call.answer.bytes.length;
  }

  #release(call: ServerCall): void {
    call.arriving?.release();
    call.arriving = undefined;
  }

  // ---- bounds

  /** The client does not take its answers as fast as it asks. */
  get #isBehind(): boolean {
    return this.#connection.queue.unsentBytes > this.#context.config.maxBacklogBytes;
  }

  onTaken(): void {}

  onFlushed(): void {
    this.#runParked();
  }

  #runParked(): void {
    for (const [call, message] of this.#parked) {
      if (this.#isBehind) break;
      this.#unpark(call);
      this.#run(call, message);
    }
    this.#pauseOrResume();
  }

  /** At the end of the turn: a CANCEL rarely comes alone, and the next one may be for what waits. */
  #runParkedSoon(): void {
    if (this.#runScheduled || this.#parked.size === 0) return;
    this.#runScheduled = true;
    this.#context.soon(() => {
      this.#runScheduled = false;
      this.#runParked();
    });
  }

  #unpark(call: ServerCall): void {
    const message = this.#parked.get(call);
    if (message === undefined) return;
    this.#parked.delete(call);
    this.#context.memory.giveBack(this.#parkedAccount, message.length);
  }

  /** The last resort, because CANCELs are not read then either. */
  #pauseOrResume(): void {
    const paused = this.#parkedAccount.reassemblyBytes > this.#context.config.maxBacklogBytes / 2;
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#connection.pause();
    else this.#connection.resume();
    this.#expectMore();
  }

  #expectMore(): void {
    const { clock, config } = this.#context;
    const isReceiving = this.reassemblyBytes > 0 && !this.#paused;
    this.#receiving.set(isReceiving ? clock.now() + config.receiveTimeoutMs : Number.POSITIVE_INFINITY);
  }
}

/** A request, from its first byte until its answer has been written. */
class ServerCall {
  readonly callId: number;
  /** The caller gives up then; Infinity = never. */
  readonly deadlineAtMs: number;
  alarm: Alarm | undefined;
  /** While it is not complete. */
  arriving: IncomingMessage | undefined;
  completeAtMs: number | undefined;
  /** While its handler has it. */
  running: RunningRequest | undefined;
  answer: Answer | undefined;

  constructor(callId: number, deadlineAtMs: number) {
    this.callId = callId;
    this.deadlineAtMs = deadlineAtMs;
  }
}

class Answer implements Outgoing {
  readonly wireId: number;
  readonly bytes: Uint8Array;
  sentBytes = 0;
  started = false;
  queueEntry: Outgoing['queueEntry'];
  readonly onSent: () => void;
  readonly #status: number;
  readonly #heldUs: number;

  constructor(wireId: number, status: number, heldUs: number, bytes: Uint8Array, onSent: () => void) {
    this.wireId = wireId;
    this.#status = status;
    this.#heldUs = heldUs;
    this.bytes = bytes;
    this.onSent = onSent;
  }

  writeStart(target: Uint8Array, at: number, dataBytes: number): number {
    return writeResponse(target, at, this.wireId, this.#status, this.#heldUs, this.bytes.length, dataBytes);
  }
}
