// The report of a call that failed, put together from what its transport knows of it. Made only then: a call that is
// answered costs nothing of it.

import type { CallLimits, CallReport, FailedCallState, PeerReport } from './call-report.ts';
import type { Refusal } from './outstanding-calls.ts';

/** How far a call got, as the transport that carries it knows; optional fields as in {@link CallReport}. */
export interface CallProgress
  extends Pick<CallReport, 'requestDatagrams' | 'requestAckedBytes' | 'working' | 'overdue' | 'limits'> {
  readonly state: FailedCallState;
  readonly startedAtMs: number;
  /** When its first byte left. */
  readonly firstSentAtMs: number | undefined;
  readonly requestBytes: number;
  /** Of the answer, once its first piece is here. */
  readonly answer: { readonly arrivedBytes: number; readonly totalBytes: number } | undefined;
}

/** Of a call that fails now. */
export function reportOfCall(call: CallProgress, peer: PeerReport, nowMs: number): CallReport {
  const { startedAtMs, firstSentAtMs, answer, ...known } = call;
  return {
    ...known,
    queuedMs: (firstSentAtMs ?? nowMs) - startedAtMs,
    ...(firstSentAtMs !== undefined && { sinceSentMs: nowMs - firstSentAtMs }),
    answerArrivedBytes: answer?.arrivedBytes ?? 0,
    ...(answer !== undefined && { answerBytes: answer.totalBytes }),
    peer,
  };
}

/** Of a call that was never queued: by a limit, or because its peer is silent. */
export function reportOfRefusal(
  requestBytes: number,
  limits: CallLimits,
  peer: PeerReport,
  refusedBy?: Refusal,
): CallReport {
  return {
    state: 'refused',
    ...(refusedBy !== undefined && { refusedBy }),
    queuedMs: 0,
    requestBytes,
    answerArrivedBytes: 0,
    overdue: false,
    limits,
    peer,
  };
}
