// The transport's public API.

export type { Clock, Timer } from './base/clock.ts';
export type { ErrorDetail, Executed, RpcErrorCode } from './base/error-code.ts';
export { createEndpoint, type EndpointOptions } from './datagram/create-endpoint.ts';
export { createTcpEndpoint, type TcpEndpointOptions } from './tcp/create-tcp-endpoint.ts';
export { RpcError, type RpcErrorInfo } from './transport/error.ts';
export {
  expectedOf,
  GatherError,
  type GatherOptions,
  type GatherResult,
  gather,
  NotNeededError,
} from './transport/gather.ts';
export type {
  CallOptions,
  Handler,
  HandlerContext,
  HandlerOptions,
  Peer,
  PeerHealth,
  Transport,
  TransportEvent,
} from './transport/transport.ts';
