// The stable names of what can go wrong with a call. They live here because the sans-IO core produces them
// as values and transport/ turns them into RpcError.

/** Stable codes of {@link RpcError}; new ones may be added, none changes its meaning. */
export type RpcErrorCode =
  /** The caller's signal aborted. */
  | 'CANCELLED'
  /** The call's own deadline passed. */
  | 'DEADLINE_EXCEEDED'
  /** The peer answered nothing, not even an acknowledgement, for several probe timeouts. */
  | 'PEER_SILENT'
  /** The peer's machine says that nobody listens at this port. */
  | 'PEER_UNREACHABLE'
  /** The peer is a new incarnation and the call had certainly not run in the old one. */
  | 'PEER_RESTARTED'
  /** The call may or may not have run: the peer restarted, or had to forget its answer. */
  | 'OUTCOME_UNKNOWN'
  | 'UNKNOWN_METHOD'
  /** The handler threw; `detail` carries what it said. */
  | 'HANDLER_FAILED'
  /** Request or response is larger than a message may be. */
  | 'TOO_LARGE'
  /** A bounded queue here or at the peer is full; nothing was done. */
  | 'OVERLOADED'
  | 'UNAUTHORIZED'
  /** Bytes that are no message of this protocol. */
  | 'BAD_MESSAGE'
  /** The transport was closed while the call was outstanding, or before it. */
  | 'CLOSED'
  /** The local network refused to send: no route, message too long for the socket, permission. */
  | 'NETWORK_UNREACHABLE'
  /** The host name of the peer's address has no address. */
  | 'HOST_UNKNOWN'
  /** The local address to bind to is in use. */
  | 'ADDRESS_IN_USE'
  /** An address, option or body that cannot be used; nothing was sent. */
  | 'BAD_ARGUMENT';

/** Whether a handler may have run, so that the caller knows whether trying again is safe. */
export type Executed = 'no' | 'yes' | 'unknown';

/** What a failed handler told its caller: a stable code of the application and a sentence. */
export interface ErrorDetail {
  readonly code: string;
  readonly message: string;
}
