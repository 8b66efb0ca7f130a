// What a failed call says: which peer and method, after how long, why, and what to do next.

import type { SilenceReason } from '../base/call-report.ts';
import type { ErrorDetail, Executed, RpcErrorCode } from '../base/error-code.ts';
import { RpcError, type RpcErrorInfo } from './error.ts';

/** The rejection of a call. `elapsedMs`: from the call to its failure. */
export function explainFailure(
  code: RpcErrorCode,
  executed: Executed,
  detail: ErrorDetail | undefined,
  peer: string,
  method: string,
  elapsedMs: number,
  more: Pick<RpcErrorInfo, 'cause' | 'report'> = {},
): RpcError {
  const what = `"${method}" at ${peer} failed after ${Math.round(elapsedMs)} ms`;
  const said = detail === undefined ? '' : ` (${detail.code}: ${detail.message})`;
  const info = {
    peer,
    method,
    elapsedMs,
    executed,
    ...(detail && { detail }),
    ...more,
  };
  const silence = code === 'PEER_SILENT' ? more.report?.peer.silence : undefined;
  const reason = silence === undefined ? REASONS[code] : SILENCE[silence];
  return new RpcError(code, `${what}: ${reason}${said}${ADVICE[executed]}`, info);
}

/** The rejection of a call that cannot even be started. */
export function badArgument(cause: unknown, peer: string, method: string): RpcError {
  return new RpcError('BAD_ARGUMENT', `cannot call "${method}" of ${peer}: ${messageOf(cause)}`, {
    peer,
    method,
    cause,
  });
}

/** What a caller is told of what a handler threw. */
export function detailOf(error: unknown): ErrorDetail {
  return { code: codeOf(error), message: messageOf(error) };
}

/** The sentence of whatever was thrown; what has none must not throw once more here, where nobody catches it. */
export function messageOf(error: unknown): string {
  return textOf(
    () => (error instanceof Error ? error.message : error),
    'something that has no text was thrown',
  );
}

function codeOf(error: unknown): string {
  return textOf(() => {
    if (!(error instanceof Error)) return 'Error';
    const { code, name } = error as Error & { code?: unknown };
    return typeof code === 'string' ? code : name;
  }, 'Error');
}

function textOf(read: () => unknown, otherwise: string): string {
  try {
    return String(read());
  } catch {
    return otherwise;
  }
}

const REASONS: Readonly<Record<RpcErrorCode, string>> = {
  CANCELLED: 'the caller does not need it any more',
  DEADLINE_EXCEEDED: 'no answer before the deadline',
  PEER_UNREACHABLE: 'nobody listens at this port of the peer’s machine; is it started, and on this port?',
  PEER_SILENT: 'the peer answers nothing, not even with an acknowledgement',
  PEER_RESTARTED: 'the peer has restarted',
  OUTCOME_UNKNOWN: 'the peer restarted, or had to forget its answer',
  UNKNOWN_METHOD: 'the peer has no such method',
  HANDLER_FAILED: 'the handler failed',
  TOO_LARGE: 'the message is larger than a message may be',
  OVERLOADED: 'a queue is full',
  UNAUTHORIZED: 'the peer does not allow it',
  BAD_MESSAGE: 'the peer sent, or was sent, something that is no message of this protocol',
  CLOSED: 'the transport was closed',
  NETWORK_UNREACHABLE: 'the local network refuses to send there; check the route and the address',
  HOST_UNKNOWN: 'the host name has no address',
  ADDRESS_IN_USE: 'the address is in use',
  BAD_ARGUMENT: 'the arguments cannot be used',
};

/** Why a peer is silent, as far as its machine has told. */
const SILENCE: Readonly<Record<SilenceReason, string>> = {
  refused: REASONS.PEER_UNREACHABLE,
  frozen: 'the peer’s machine answers, but its process says nothing: it is stopped, stuck or overloaded',
  vanished:
    'nothing comes from the peer, nor from its machine: it is off, the way to it is broken, or a firewall is silent',
  'no answer': REASONS.PEER_SILENT,
};

const ADVICE: Readonly<Record<Executed, string>> = {
  no: '; it has not run, so trying again is safe',
  yes: '',
  unknown: '; it may have run: repeat it only if that does no harm',
};
