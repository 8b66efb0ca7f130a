// The calls to one server over HTTP, as their callers see them: learnt time limits, cancellation, and errors that say
// who, what, after how long and what to do. Also whether the server is there at all: HTTP has no acknowledgements, so
// who is overdue is asked for its version, and is silent when nothing comes from it for all that time.

import { createHash } from 'node:crypto';
import type { SilenceReason } from '../base/call-report.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';
import type { ResponseTimes } from '../base/response-times.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import { RttEstimator } from '../base/rtt.ts';
import type { OperationOptions } from '../storage/storage-server.ts';
import {
  type CallEndMessage,
  type CallName,
  callEnd,
  callOverdue,
  callStart,
  publishHealth,
} from '../transport/diagnostics.ts';
import { RpcError } from '../transport/error.ts';
import { explainFailure } from '../transport/failure.ts';
import { ExchangeError, type HttpAnswer, type HttpRequest, type HttpsWatcher } from './pinned-https.ts';

/** The way to the server, as {@link PinnedHttps}. */
export interface HttpExchange {
  exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  close(): void;
}

/** What the calls to a server need. */
export interface ServerCallsOptions {
  /** For messages. */
  readonly name: string;
  readonly clock: Clock;
  readonly times: ResponseTimes;
  /** Every call earns a part of a hedge or a retry. */
  readonly retries: RetryBudget;
  /** Makes the way to the server. */
  readonly connect: (watcher: HttpsWatcher) => HttpExchange;
  /** A cheap request that every server answers: for finding out whether it is there. */
  readonly probe: HttpRequest;
}

/** Calls to one server. */
export class ServerCalls {
  readonly #options: ServerCallsOptions;
  readonly #https: HttpExchange;
  readonly #rtt = new RttEstimator(RTT_UNKNOWN_MS);
  readonly #open = new Set<OpenCall>();
  #nodeId: Uint8Array | undefined;
  /** When its machine last took a connection, which needs nothing of the server's process. */
  #machineAnsweredAtMs = Number.NEGATIVE_INFINITY;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #silentSinceMs: number | undefined;
  #probe: { readonly controller: AbortController; timer: Timer } | undefined;
  #nextProbeAtMs = Number.NEGATIVE_INFINITY;
  #probeDistanceMs = PROBE_DISTANCE_MIN_MS;
  #isClosed = false;

  constructor(options: ServerCallsOptions) {
    this.#options = options;
    this.#https = options.connect({
      onRoundTrip: (elapsedMs) => {
        this.#machineAnsweredAtMs = options.clock.now();
        this.#rtt.update(elapsedMs, 0);
      },
      onCertificate: (der) => {
        this.#nodeId = createHash('sha1').update(der).digest();
      },
      onHeard: () => this.#onHeard(),
    });
  }

  /** What the secrets of leases are made for, 20 bytes: known once the server has answered something. */
  get nodeId(): Uint8Array | undefined {
    return this.#nodeId;
  }

  /**
   * Sends a request and resolves to its answer, whatever its status.
   * @param method as it is called in messages, and what response times are learnt by.
   * @param expectedBytes of the answer, for the same.
   * @throws RpcError; `options.signal.reason`.
   */
  async call(
    method: string,
    request: HttpRequest,
    expectedBytes: number,
    { signal, onOverdue }: OperationOptions = {},
  ): Promise<HttpAnswer> {
    signal?.throwIfAborted();
    const { clock, times, retries, name: peer } = this.#options;
    const startedAtMs = clock.now();
    const requestBytes = request.body?.length ?? 0;
    const name: CallName = { peer, method, requestBytes, startedAtMs };
    const fail: Fail = (code, executed, cause, detail) =>
      explainFailure(code, executed, detail, peer, method, clock.now() - startedAtMs, { cause });
    if (this.#isClosed) throw fail('CLOSED', 'no');
    if (this.#silentSinceMs !== undefined) {
      this.#startProbe();
      throw fail('PEER_SILENT', 'no');
    }

    retries.earn();
    const sizeBytes = requestBytes + expectedBytes;
    const limits = times.limits(method, sizeBytes, startedAtMs, this.#rtt);
    const controller = new AbortController();
    const open: OpenCall = { end: (code) => controller.abort(fail(code, 'unknown')) };
    const onAbort = (): void => controller.abort(signal?.reason);
    const overdue = clock.setTimer(limits.overdueAfterMs, () => {
      if (callOverdue.hasSubscribers) callOverdue.publish({ call: name, afterMs: limits.overdueAfterMs });
      this.#startProbe();
      onOverdue?.();
    });
    const deadline = clock.setTimer(limits.deadlineAfterMs, () => open.end('DEADLINE_EXCEEDED'));
    this.#open.add(open);
    signal?.addEventListener('abort', onAbort);
    if (callStart.hasSubscribers) callStart.publish({ call: name });
    try {
      const answer = await this.#exchange(request, controller.signal);
      // An answer and an abort may come in one turn.
      controller.signal.throwIfAborted();
      times.record(method, sizeBytes, this.#serviceMs(startedAtMs), clock.now());
      publishEnd(name, clock, { outcome: 'answered', answerBytes: answer.body.length });
      return answer;
    } catch (cause) {
      const isGivenUp = controller.signal.aborted;
      const error: unknown = isGivenUp ? controller.signal.reason : failureOf(cause, fail);
      const isSilence = error instanceof RpcError && error.code === 'PEER_SILENT';
      if (isGivenUp && !isSilence && !this.#isClosed) {
        times.recordAtLeast(method, sizeBytes, this.#serviceMs(startedAtMs), clock.now());
      }
      if (signal?.aborted) publishEnd(name, clock, { outcome: 'cancelled' });
      else publishEnd(name, clock, { outcome: 'failed', error: error as Error });
      throw error;
    } finally {
      overdue.cancel();
      deadline.cancel();
      this.#open.delete(open);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Fails what is open with CLOSED, and closes all connections. */
  close(): void {
    this.#isClosed = true;
    this.#probe?.timer.cancel();
    this.#probe?.controller.abort();
    for (const open of this.#open) open.end('CLOSED');
    this.#https.close();
  }

  /** What of the time since then was the server's own, not the network's. */
  #serviceMs(startedAtMs: number): number {
    const networkMs = this.#rtt.sampled ? this.#rtt.smoothedMs : 0;
    return Math.max(0, this.#options.clock.now() - startedAtMs - networkMs);
  }

  /** A request that was sent over a connection which the server had closed meanwhile is sent again. */
  async #exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#https.exchange(request, signal);
      } catch (error) {
        const isStale = error instanceof ExchangeError && error.code === 'STALE_CONNECTION';
        if (!isStale || signal.aborted || tries > STALE_CONNECTIONS_MAX) throw error;
      }
    }
  }

  #onHeard(): void {
    this.#heardAtMs = this.#options.clock.now();
    if (this.#silentSinceMs === undefined) return;
    const { clock, name } = this.#options;
    const silentMs = clock.now() - this.#silentSinceMs;
    this.#silentSinceMs = undefined;
    this.#probeDistanceMs = PROBE_DISTANCE_MIN_MS;
    publishHealth({ type: 'peer:back', peer: name, silentMs, atMs: clock.now() }, LOCAL);
  }

  #startProbe(): void {
    const { clock, probe, times } = this.#options;
    const startedAtMs = clock.now();
    if (this.#probe !== undefined || startedAtMs < this.#nextProbeAtMs) return;
    const controller = new AbortController();
    const usualMs = times.overdueAfterMs(PROBE_METHOD, 0, startedAtMs, this.#rtt);
    const limitMs = Math.max(PROBE_MIN_MS, 2 * usualMs);
    const onTime = (isExtended: boolean) => (): void => {
      const lagMs = clock.now() - startedAtMs - limitMs;
      // This process stood still: what has come meanwhile is not read yet.
      if (lagMs > STALL_MS && !isExtended) {
        probing.timer = clock.setTimer(STALL_MS, onTime(true));
        return;
      }
      this.#probe = undefined;
      controller.abort(new Error('the probe was not answered'));
      if (this.#heardAtMs >= startedAtMs) return;
      this.#becomeSilent(this.#machineAnsweredAtMs >= startedAtMs ? 'frozen' : 'no answer');
    };
    const probing = { controller, timer: clock.setTimer(limitMs, onTime(false)) };
    this.#probe = probing;
    const settled = (): void => {
      if (this.#probe !== probing) return;
      probing.timer.cancel();
      this.#probe = undefined;
    };
    this.#https.exchange(probe, controller.signal).then(() => {
      times.record(PROBE_METHOD, 0, this.#serviceMs(startedAtMs), clock.now());
      settled();
    }, settled);
  }

  #becomeSilent(why: SilenceReason): void {
    const { clock, name } = this.#options;
    const nowMs = clock.now();
    this.#nextProbeAtMs = nowMs + this.#probeDistanceMs;
    this.#probeDistanceMs = Math.min(2 * this.#probeDistanceMs, PROBE_DISTANCE_MAX_MS);
    if (this.#silentSinceMs !== undefined) return;
    this.#silentSinceMs = nowMs;
    const failedCalls = this.#open.size;
    for (const open of this.#open) open.end('PEER_SILENT');
    publishHealth({ type: 'peer:silent', peer: name, why, failedCalls, atMs: nowMs }, LOCAL);
  }
}

interface OpenCall {
  /** Closes its connection and fails it. */
  readonly end: (code: RpcErrorCode) => void;
}

/** Makes the error of a call. */
type Fail = (code: RpcErrorCode, executed: Executed, cause?: unknown, detail?: ErrorDetail) => RpcError;

/** What went wrong on the way, in the transports' terms. */
function failureOf(cause: unknown, fail: Fail): RpcError {
  if (cause instanceof ExchangeError) {
    const detail = { code: cause.code, message: cause.message };
    switch (cause.code) {
      case 'WRONG_KEY':
        return fail('UNAUTHORIZED', 'no', cause, detail);
      case 'ANSWER_TOO_LARGE':
        return fail('BAD_MESSAGE', 'yes', cause, detail);
      case 'STALE_CONNECTION':
        return fail('OUTCOME_UNKNOWN', 'unknown', cause, detail);
      default:
        return cause.code satisfies never;
    }
  }
  const { code = '', syscall } = (cause ?? {}) as NodeJS.ErrnoException;
  const known = SYSTEM_FAILURES[code];
  if (known !== undefined) return fail(known, 'no', cause);
  // Bytes that are no HTTP, or no TLS.
  if (/^(HPE_|ERR_SSL|ERR_TLS|EPROTO)/.test(code)) return fail('BAD_MESSAGE', 'unknown', cause);
  return fail('OUTCOME_UNKNOWN', syscall === 'connect' ? 'no' : 'unknown', cause);
}

const SYSTEM_FAILURES: Readonly<Record<string, RpcErrorCode>> = {
  ECONNREFUSED: 'PEER_UNREACHABLE',
  ETIMEDOUT: 'PEER_SILENT',
  ENOTFOUND: 'HOST_UNKNOWN',
  EAI_AGAIN: 'HOST_UNKNOWN',
  EHOSTUNREACH: 'NETWORK_UNREACHABLE',
  ENETUNREACH: 'NETWORK_UNREACHABLE',
  EADDRNOTAVAIL: 'NETWORK_UNREACHABLE',
};

type CallEnd = CallEndMessage extends infer Message
  ? Message extends CallEndMessage
    ? Omit<Message, 'call' | 'elapsedMs'>
    : never
  : never;

function publishEnd(call: CallName, clock: Clock, end: CallEnd): void {
  if (!callEnd.hasSubscribers) return;
  callEnd.publish({ call, elapsedMs: clock.now() - call.startedAtMs, ...end } as CallEndMessage);
}

/** What the diagnostics channels name as this side. */
const LOCAL = 'https';
const PROBE_METHOD = 'storage/version';
/** RFC 9002, 6.2.2: a round trip, before one was measured. */
const RTT_UNKNOWN_MS = 333;
/** A server at work on something else may take this long to get to its sockets. */
const PROBE_MIN_MS = 1_000;
const PROBE_DISTANCE_MIN_MS = 1_000;
const PROBE_DISTANCE_MAX_MS = 60_000;
const STALL_MS = 100;
/** The pool may hold more than one connection that the server has closed. */
const STALE_CONNECTIONS_MAX = 8;
