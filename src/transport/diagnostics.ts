// What the transports tell on node:diagnostics_channel, for tracing, metrics and status pages. Names and meaning:
// spec/observability.md. A channel without subscribers costs a comparison; messages are only made for who listens.
// No message holds what was said in a call, or anything by which somebody could pretend to be a peer.

import { channel } from 'node:diagnostics_channel';
import type { SilenceReason } from '../base/call-report.ts';
import type { PeerHealth, TransportEvent } from './transport.ts';

/** What names a call, in an error and in messages about it. */
export interface CallName {
  /** Address of the peer, as the caller gave it. */
  readonly peer: string;
  readonly method: string;
  /** Encoded. */
  readonly requestBytes: number;
  /** When the caller called, on the transport's clock. */
  readonly startedAtMs: number;
}

/** `nevermind:call:start`: a call has been handed to the protocol. */
export interface CallStartMessage {
  /** The same object in all messages about one call. */
  readonly call: CallName;
}

/** `nevermind:call:overdue`: it takes longer than it should, and goes on. */
export interface CallOverdueMessage {
  readonly call: CallName;
  readonly afterMs: number;
}

/** `nevermind:call:end`: the caller has its answer or error, or has said never mind. */
export type CallEndMessage = {
  readonly call: CallName;
  /** Since the caller called. */
  readonly elapsedMs: number;
} & (
  | { readonly outcome: 'answered'; readonly answerBytes: number }
  /** What the caller got, as a rule an RpcError. */
  | { readonly outcome: 'failed'; readonly error: Error }
  | { readonly outcome: 'cancelled' }
);

/** A request that came in. */
export interface RequestName {
  /** Printable address of who sent it. */
  readonly from: string;
  readonly method: string;
  readonly requestBytes: number;
}

/** `nevermind:request:start`: a handler begins with a request. */
export interface RequestStartMessage {
  /** The same object in both messages about one request. */
  readonly request: RequestName;
}

/** `nevermind:request:end`: the handler is done. */
export type RequestEndMessage = {
  readonly request: RequestName;
} & (
  | { readonly outcome: 'answered'; readonly answerBytes: number }
  /** What the caller is told of it: the code, never the stack. */
  | { readonly outcome: 'failed'; readonly code: string }
  /** Nobody waited any more. */
  | { readonly outcome: 'cancelled' }
);

/** `nevermind:peer:health`: what is known of a peer's being there has changed. */
export interface PeerHealthMessage {
  /** Address of the transport that noticed. */
  readonly local: string;
  readonly peer: string;
  readonly health: Exclude<PeerHealth, 'unknown'>;
  /** With `silent`: why, and how many calls failed for it. */
  readonly why?: SilenceReason;
  readonly failedCalls?: number;
  /** With `live`, after `silent`: for how long it was. */
  readonly silentMs?: number;
}

/** `nevermind:datagram`: one was given to the operating system, or came from it. Over UDP only. */
export interface DatagramMessage {
  readonly local: string;
  readonly direction: 'sent' | 'received';
  /** IP address and port. */
  readonly peer: string;
  readonly sizeBytes: number;
}

/** A channel as its publishers see it. */
export interface Publisher<M> {
  readonly hasSubscribers: boolean;
  publish(message: M): void;
}

export const callStart: Publisher<CallStartMessage> = channel('nevermind:call:start');
export const callOverdue: Publisher<CallOverdueMessage> = channel('nevermind:call:overdue');
export const callEnd: Publisher<CallEndMessage> = channel('nevermind:call:end');
export const requestStart: Publisher<RequestStartMessage> = channel('nevermind:request:start');
export const requestEnd: Publisher<RequestEndMessage> = channel('nevermind:request:end');
export const peerHealth: Publisher<PeerHealthMessage> = channel('nevermind:peer:health');
export const datagram: Publisher<DatagramMessage> = channel('nevermind:datagram');

/** What everybody is told of a peer that went silent or came back, on the channel, too. */
export function publishHealth(event: TransportEvent, local: string): void {
  if (!peerHealth.hasSubscribers) return;
  const { peer } = event;
  switch (event.type) {
    case 'peer:silent': {
      const { why, failedCalls } = event;
      peerHealth.publish({ local, peer, health: 'silent', why, failedCalls });
      break;
    }
    case 'peer:back':
      peerHealth.publish({ local, peer, health: 'live', silentMs: event.silentMs });
      break;
    case 'peer:overdue':
      break;
    default:
      event satisfies never;
  }
}
