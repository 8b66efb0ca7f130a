// What an endpoint tells its driver, and what it counts.

import type { CallReport, SilenceReason } from '../base/call-report.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';
import type { PathAddress } from './path.ts';

/** Names a request that came in; given back with the answer. */
export interface RequestRef {
  readonly clientEpoch: number;
  readonly callId: number;
  /** How many requests were handed over up to this one: tells it from all others. */
  readonly number: number;
}

/** Drained by the driver after each input, in order. */
export type EndpointEvent =
  | { readonly type: 'answered'; readonly callId: number; readonly ok: boolean; readonly body: Uint8Array }
  | {
      readonly type: 'failed';
      readonly callId: number;
      readonly code: RpcErrorCode;
      readonly executed: Executed;
      readonly detail?: ErrorDetail;
      readonly report: CallReport;
    }
  | { readonly type: 'overdue'; readonly callId: number; readonly afterMs: number }
  | {
      readonly type: 'request';
      readonly ref: RequestRef;
      readonly method: string;
      readonly body: Uint8Array;
      /** On the driver's clock; Infinity when the caller waits for ever. */
      readonly deadlineAtMs: number;
      readonly from: PathAddress;
    }
  /** Nobody waits for the answer to this request any more. */
  | {
      readonly type: 'request-cancelled';
      readonly ref: RequestRef;
      readonly reason: 'cancelled' | 'deadline';
    }
  /** It was not known to be there, or doubted, and has sent something. */
  | { readonly type: 'peer-live'; readonly address: PathAddress }
  /** A probe timeout has passed: perhaps the operating systems know whether anybody listens there. */
  | { readonly type: 'peer-suspect'; readonly address: PathAddress }
  | {
      readonly type: 'peer-silent';
      readonly address: PathAddress;
      readonly why: SilenceReason;
      readonly failedCalls: number;
    }
  | { readonly type: 'peer-back'; readonly address: PathAddress; readonly silentMs: number };

/** Counters since the endpoint was made; they only grow. */
export interface EndpointStats {
  datagramsReceived: number;
  datagramsSent: number;
  bytesReceived: number;
  bytesSent: number;
  /** Small messages sent a second time while their path lost some, and datagrams sent for them alone (P-118). */
  earlyDuplicates: number;
  duplicateDatagrams: number;
  /** Datagrams that were nobody's: malformed, unknown session, forged, duplicates. */
  datagramsDropped: number;
  /** Opened packets whose frames made no sense. */
  peerErrors: number;
  callsStarted: number;
  callsAnswered: number;
  callsFailed: number;
  callsCancelled: number;
  /** Request bytes that a cancel kept from being sent, and response bytes likewise. */
  cancelSavedBytes: number;
  /** What peers said of cancelled calls. */
  cancelledNotExecuted: number;
  cancelledExecuted: number;
  requestsRun: number;
  /** Requests that came for a call which had been answered, cancelled or forgotten; none was run. */
  requestsRefusedStale: number;
  requestsRefusedOverload: number;
  sessionsEstablished: number;
  /** First datagrams of clients that are not let in; and those that were asked to prove their address first. */
  clientsRefused: number;
  cookiesSent: number;
  peersSilent: number;
  /** Hedges and retries that the budget allowed, and how often one had to wait for it (base/retry-budget.ts). */
  retryTokensTaken: number;
  retryTokensRefused: number;
}

/** What an endpoint holds at a moment; all of it 0 once it was closed. */
export interface EndpointGauges {
  /** Calls made and not settled, and the bytes of their requests. */
  readonly outstandingCalls: number;
  readonly outstandingBytes: number;
  /** Peers that were called, and peers that called. */
  readonly calledPeers: number;
  readonly callingPeers: number;
  /** Sessions, and handshakes under way. */
  readonly sessions: number;
  /** What waits for a time; the calls to one peer are mostly one. */
  readonly timers: number;
  /** Memory set aside for messages that are partly here. */
  readonly reassemblyBytes: number;
  /** Bytes that peers may send of such messages and that are not here. */
  readonly promisedBytes: number;
  /** Answers that their clients have not confirmed. */
  readonly keptAnswerBytes: number;
}

export function newStats(): EndpointStats {
  return {
    datagramsReceived: 0,
    datagramsSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    earlyDuplicates: 0,
    duplicateDatagrams: 0,
    datagramsDropped: 0,
    peerErrors: 0,
    callsStarted: 0,
    callsAnswered: 0,
    callsFailed: 0,
    callsCancelled: 0,
    cancelSavedBytes: 0,
    cancelledNotExecuted: 0,
    cancelledExecuted: 0,
    requestsRun: 0,
    requestsRefusedStale: 0,
    requestsRefusedOverload: 0,
    sessionsEstablished: 0,
    clientsRefused: 0,
    cookiesSent: 0,
    peersSilent: 0,
    retryTokensTaken: 0,
    retryTokensRefused: 0,
  };
}
