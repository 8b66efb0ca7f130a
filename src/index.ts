// The transport's public API.

export type { CallLimits, CallReport, PeerReport, TimeLimitBasis } from './base/call-report.ts';
export type { Clock, Timer } from './base/clock.ts';
export type { ErrorDetail, Executed, RpcErrorCode } from './base/error-code.ts';
export type { CallerStatus, PathStatus, PeerStatus, SilentPeerStatus } from './base/peer-status.ts';
export type { RetryBudgetCounters } from './base/retry-budget.ts';
export { RetryBudget } from './base/retry-budget.ts';
export { createEndpoint, type EndpointOptions } from './datagram/create-endpoint.ts';
export type { DatagramTransport } from './datagram/datagram-transport.ts';
export type { DatagramStatus } from './datagram/status.ts';
export { formatKey, generateIdentity, Identity, parseKey } from './session/identity.ts';
export type { DirectionalKeys } from './session/noise-ik.ts';
export { createTcpEndpoint, type TcpEndpointOptions } from './tcp/create-tcp-endpoint.ts';
export type { TcpStatus } from './tcp/status.ts';
export type { TcpTransport } from './tcp/tcp-transport.ts';
export { openTraceFile, type TraceFile, type TraceFileOptions } from './trace/trace-file.ts';
export type {
  CallEndMessage,
  CallName,
  CallOverdueMessage,
  CallStartMessage,
  DatagramMessage,
  PeerHealthMessage,
  RequestEndMessage,
  RequestName,
  RequestStartMessage,
} from './transport/diagnostics.ts';
export { RpcError, type RpcErrorInfo } from './transport/error.ts';
export { explain } from './transport/explain.ts';
export {
  type Expectation,
  expectedOf,
  GatherError,
  type GatherOptions,
  type GatherResult,
  gather,
  NotNeededError,
} from './transport/gather.ts';
export type { TransportStatus } from './transport/status.ts';
export type {
  AnswerStream,
  CallOptions,
  Handler,
  HandlerContext,
  HandlerOptions,
  Peer,
  PeerHealth,
  StreamOptions,
  Transport,
  TransportEvent,
} from './transport/transport.ts';
export { type WithHead, withHead } from './transport/with-head.ts';
