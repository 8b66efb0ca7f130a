// The one error class of the transports. What the network sends never throws; it becomes one of these, as
// the rejection of the call that it concerns.

import type { CallReport } from '../base/call-report.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';

/** What an {@link RpcError} knows besides its code. */
export interface RpcErrorInfo {
  readonly peer?: string;
  readonly method?: string;
  /** Milliseconds from the call to its failure. */
  readonly elapsedMs?: number;
  readonly executed?: Executed;
  readonly detail?: ErrorDetail;
  readonly report?: CallReport;
  readonly cause?: unknown;
}

/** A call, or a transport's own operation, that failed. `message` names peer, method and time passed. */
export class RpcError extends Error {
  override readonly name: string = 'RpcError';
  readonly code: RpcErrorCode;
  /** Address of the peer, where one was concerned. */
  readonly peer: string | undefined;
  readonly method: string | undefined;
  readonly elapsedMs: number | undefined;
  /** Whether the handler may have run. */
  readonly executed: Executed;
  /** With HANDLER_FAILED: the application's own code and sentence. */
  readonly detail: ErrorDetail | undefined;
  /** What the call went through; `explain(error)` puts it into words. */
  readonly report: CallReport | undefined;

  constructor(code: RpcErrorCode, message: string, info: RpcErrorInfo = {}) {
    super(message, info.cause === undefined ? undefined : { cause: info.cause });
    this.code = code;
    this.peer = info.peer;
    this.method = info.method;
    this.elapsedMs = info.elapsedMs;
    this.executed = info.executed ?? 'no';
    this.detail = info.detail;
    this.report = info.report;
  }

  /** True when the same call may succeed later or elsewhere and certainly did not run. */
  get retryable(): boolean {
    return this.executed === 'no' && RETRYABLE.has(this.code);
  }
}

const RETRYABLE: ReadonlySet<RpcErrorCode> = new Set([
  'DEADLINE_EXCEEDED',
  'PEER_SILENT',
  'PEER_UNREACHABLE',
  'PEER_RESTARTED',
  'OVERLOADED',
  'NETWORK_UNREACHABLE',
]);
