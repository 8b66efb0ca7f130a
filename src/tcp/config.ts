// Every constant of the connection-oriented transport with its unit and its reason. An endpoint takes a partial
// override: for experiments, and for tests in which rare things are frequent.

/** All numbers that steer a TCP endpoint. Times in milliseconds, sizes in bytes. */
export interface TcpConfig {
  /** Largest message; the same as over datagrams. */
  readonly maxMessageBytes: number;
  /** Largest piece of a message in one frame: between two of them a smaller message gets its turn. */
  readonly pieceBytes: number;
  /** What a connection is given to write at once: what the operating system has not taken cannot be taken back. */
  readonly batchBytes: number;
  /** Memory for messages that are partly here: per connection, and in all. */
  readonly maxReassemblyBytesPerPeer: number;
  readonly maxReassemblyBytes: number;
  /** Outstanding calls of one client at one server, held to on both sides; more are OVERLOADED. */
  readonly maxCallsPerPeer: number;
  /** Outstanding calls here at the client, in all; more are OVERLOADED. */
  readonly maxClientCalls: number;
  /** Bytes of requests outstanding here at the client, over all peers; more are OVERLOADED. */
  readonly maxQueuedBytes: number;
  /**
   * Answers that a client does not take: with more than this waiting to be written to it, its requests wait; with half
   * as much in waiting requests, nothing is read from it any more. More than one message may have.
   */
  readonly maxBacklogBytes: number;
  /** Waiting answers over all connections; above, they are forgotten and their callers told OUTCOME_UNKNOWN. */
  readonly maxUnsentAnswerBytes: number;
  /** Connections of clients; more are refused. */
  readonly maxConnections: number;
  /** A client that has dialled proves itself within this time … */
  readonly handshakeTimeoutMs: number;
  /** … and while so many have not, the one that dialled first makes room for the next. */
  readonly maxHandshakes: number;
  /** A client that falls silent in the middle of a request is disconnected: it holds memory. */
  readonly receiveTimeoutMs: number;
  /** No answer to connecting: long enough for three SYNs (0, 1 and 3 s). The peer is then silent. */
  readonly connectTimeoutMs: number;
  /** Connections refused, or broken off at once, for so long: long enough for a restarted server to listen again. */
  readonly connectGiveUpMs: number;
  /** Distance of attempts to connect: doubling between these, each times 0.5 to 1.5. */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** Distance of attempts to reach a silent peer: doubling from here up to `reconnectMaxMs`. */
  readonly silentProbeMinMs: number;
  /**
   * With calls outstanding and no sign of life for this long, a PING is sent …
   *
   * TCP has no notion of a peer that answers nothing: the operating system of a frozen process acknowledges for it,
   * and data to a machine that has vanished is repeated for 15 minutes (Linux: `tcp_retries2`; the ticket's
   * 939.5 s). So silence can only be told by a time limit, and that has to be set by hand: PING and answer wait in
   * line behind whatever else is in the buffers, for an unknown time.
   */
  readonly pingAfterMs: number;
  /** … and without any for this long after it, the peer is silent. Five losses in a row are repaired in 6.2 s. */
  readonly pingTimeoutMs: number;
  /** A connection that nobody has used for this long is closed. */
  readonly idleCloseMs: number;
  /** A timer that fires later than this was held up by our own event loop: nobody is blamed. */
  readonly stallMs: number;
  /** How long the network may take to come back when the machine has slept. */
  readonly wakeGraceMs: number;
}

export const DEFAULT_TCP_CONFIG: TcpConfig = {
  maxMessageBytes: 16 * 1024 * 1024,
  pieceBytes: 64 * 1024,
  batchBytes: 256 * 1024,
  maxReassemblyBytesPerPeer: 64 * 1024 * 1024,
  maxReassemblyBytes: 128 * 1024 * 1024,
  maxCallsPerPeer: 4096,
  maxClientCalls: 200_000,
  maxQueuedBytes: 256 * 1024 * 1024,
  maxBacklogBytes: 32 * 1024 * 1024,
  maxUnsentAnswerBytes: 256 * 1024 * 1024,
  maxConnections: 10_000,
  handshakeTimeoutMs: 5_000,
  maxHandshakes: 1_000,
  receiveTimeoutMs: 30_000,
  connectTimeoutMs: 5_000,
  connectGiveUpMs: 1_000,
  reconnectMinMs: 50,
  reconnectMaxMs: 30_000,
  silentProbeMinMs: 500,
  pingAfterMs: 5_000,
  pingTimeoutMs: 10_000,
  idleCloseMs: 5 * 60_000,
  stallMs: 100,
  wakeGraceMs: 5_000,
};
