// What is told of a call that failed, as plain data. Made only then: a call that is answered costs nothing of it.

import type { CallLimits, CallReport, FailedCallState, PeerReport } from '../base/call-report.ts';
import type { Refusal } from '../base/outstanding-calls.ts';
import type { ClientCall } from './client-call.ts';

/** Of a call that fails now, before it is taken out of its connection. */
export function reportOfCall(call: ClientCall, peer: PeerReport, nowMs: number): CallReport {
  const { request, arriving, firstSentAtMs, startedAtMs } = call;
  return {
    state: stateOf(call),
    queuedMs: (firstSentAtMs ?? nowMs) - startedAtMs,
    ...(firstSentAtMs !== undefined && { sinceSentMs: nowMs - firstSentAtMs }),
    requestBytes: request.bytes.length,
    answerArrivedBytes: arriving?.arrivedBytes ?? 0,
    ...(arriving !== undefined && { answerBytes: arriving.totalBytes }),
    overdue: call.overdueTold,
    limits: request.limits,
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

function stateOf({ arriving, mayHaveRun, started }: ClientCall): FailedCallState {
  if (arriving !== undefined) return 'answering';
  if (mayHaveRun) return 'sent';
  return started ? 'sending' : 'queued';
}
