// What is told of a call that failed, as plain data. Made only then: a call that is answered costs nothing of it.

import type { CallLimits, CallReport, FailedCallState, PeerReport } from '../base/call-report.ts';
import type { ClientCall } from './client-call.ts';

/** Of a call that fails now: it is in the state in which that finds it. */
export function reportOfCall(call: ClientCall, peer: PeerReport, nowMs: number): CallReport {
  const { request, message, answer, firstSentAtMs, startedAtMs } = call;
  return {
    // Settling comes after this.
    state: call.state as FailedCallState,
    queuedMs: (firstSentAtMs ?? nowMs) - startedAtMs,
    ...(firstSentAtMs !== undefined && { sinceSentMs: nowMs - firstSentAtMs }),
    requestBytes: request.bytes.length,
    requestDatagrams: message.datagrams,
    requestAckedBytes: message.ackedBytes,
    working: call.saidWorking,
    answerArrivedBytes: answer?.message.arrivedBytes ?? 0,
    ...(answer !== undefined && { answerBytes: answer.message.total }),
    overdue: call.overdueTold,
    limits: request.limits,
    peer,
  };
}

/** Of a call that was never queued. */
export function reportOfRefusal(
  requestBytes: number,
  limits: CallLimits,
  peer: PeerReport,
  refusedBy?: { readonly limit: string; readonly max: number },
): CallReport {
  return {
    state: 'refused',
    ...(refusedBy !== undefined && { refusedBy }),
    queuedMs: 0,
    requestBytes,
    requestDatagrams: 0,
    requestAckedBytes: 0,
    working: false,
    answerArrivedBytes: 0,
    overdue: false,
    limits,
    peer,
  };
}
