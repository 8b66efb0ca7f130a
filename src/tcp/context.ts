// What the connections and peers of one endpoint share. Made by tcp-transport.ts.

import type { CallReport } from '../base/call-report.ts';
import type { Clock } from '../base/clock.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';
import type { MemoryBudget } from '../base/memory-budget.ts';
import type { Random } from '../base/random.ts';
import type { ResponseTimes } from '../base/response-times.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { SelfDoubt } from '../base/self-doubt.ts';
import type { HandlerTable } from '../transport/handler-table.ts';
import type { TransportEvent } from '../transport/transport.ts';
import type { StreamNetwork } from './byte-stream.ts';
import type { TcpConfig } from './config.ts';
import type { Guard } from './sealed-stream.ts';
import type { Timers } from './timers.ts';

/** What becomes of calls, as the caller's side of the endpoint hears of it. */
export interface CallOutcomes {
  answer(callId: number, body: Uint8Array): void;
  fail(
    callId: number,
    code: RpcErrorCode,
    executed: Executed,
    detail: ErrorDetail | undefined,
    report: CallReport,
  ): void;
  overdue(callId: number, afterMs: number): void;
}

export interface TcpContext {
  readonly config: TcpConfig;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs `task` once at the end of this turn of the event loop, after what has arrived was read. */
  readonly soon: (task: () => void) => void;
  readonly network: StreamNetwork;
  readonly guard: Guard;
  readonly timers: Timers;
  readonly memory: MemoryBudget;
  readonly stats: TcpStats;
  /** Response times of all peers together: what a peer without history is judged by. */
  readonly cohort: ResponseTimes;
  /** Whether those who are late show that we are. */
  readonly selfDoubt: SelfDoubt<object>;
  /** Pays for hedges; repeats over a new connection are charged, but do not wait. */
  readonly retries: RetryBudget;
  readonly handlers: HandlerTable;
  readonly outcomes: CallOutcomes;
  tell(event: TransportEvent): void;
}

/** Counters since the endpoint was made, which only grow; and one gauge. */
export interface TcpStats {
  connectionsOpened: number;
  connectionsAccepted: number;
  connectionsRefused: number;
  /** Connections ended because of what came over them. */
  peerErrors: number;
  callsStarted: number;
  callsAnswered: number;
  callsFailed: number;
  callsCancelled: number;
  /** Calls sent again over a new connection. */
  callsRepeated: number;
  /** Request bytes that a cancel kept from being sent, and response bytes likewise. */
  cancelSavedBytes: number;
  requestsRun: number;
  requestsRefusedOverload: number;
  peersSilent: number;
  /** Hedges and retries that the budget allowed, and how often one had to wait for it (base/retry-budget.ts). */
  retryTokensTaken: number;
  retryTokensRefused: number;
  /** Gauge: answers that wait to be written, over all connections. */
  unsentAnswerBytes: number;
}

export function newStats(): TcpStats {
  return {
    connectionsOpened: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    peerErrors: 0,
    callsStarted: 0,
    callsAnswered: 0,
    callsFailed: 0,
    callsCancelled: 0,
    callsRepeated: 0,
    cancelSavedBytes: 0,
    requestsRun: 0,
    requestsRefusedOverload: 0,
    peersSilent: 0,
    retryTokensTaken: 0,
    retryTokensRefused: 0,
    unsentAnswerBytes: 0,
  };
}
