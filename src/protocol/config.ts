// Every constant of the protocol with its unit and where it comes from. An endpoint takes a partial override,
// which tests and the simulator use to make rare things frequent.

/** All numbers that steer an endpoint. Times in milliseconds, sizes in bytes. */
export interface ProtocolConfig {
  /** First guess of a round trip (RFC 9002, 6.2.2). */
  readonly initialRttMs: number;
  /** Timer granularity (RFC 9002, 6.1.2: kGranularity). */
  readonly granularityMs: number;
  /** Later packets acknowledged until an earlier one counts as lost (RFC 9002, 6.1.1). */
  readonly packetThreshold: number;
  /** Same, in round trips (RFC 9002, 6.1.2). */
  readonly timeThreshold: number;
  /** Longest time that an acknowledgement is held back; a response within it is the acknowledgement. */
  readonly maxAckDelayMs: number;
  /** A packet that arrives while so many wait for acknowledgement is acknowledged within the turn. */
  readonly ackEveryPackets: number;
  /** Ranges in one ACK; enough for 64 holes. */
  readonly maxAckRanges: number;
  /** What decides how much may be under way: cubic.ts or bbr.ts (spec/decisions/0026-bbr-by-default.md). */
  readonly congestion: 'cubic' | 'bbr';
  /** While a path loses: datagrams that carry nothing but duplicates, for each other one; false: no duplicates. */
  readonly earlyDuplicates: number | false;
  /** Probe timeouts in a row that make persistent congestion (RFC 9002, 7.6). */
  readonly persistentCongestionThreshold: number;
  /** Longest probe timeout, however slow the path seems: a process that stood still makes a round trip of its pause. */
  readonly maxProbeTimeoutMs: number;
  /** Longest distance of two probe timeouts, unless the round trip needs more: a peer that is gone becomes silent
   * long before a longer backoff would matter. */
  readonly maxProbeDistanceMs: number;
  /** Unanswered probes (or handshakes) in a row until a peer is silent, at least … */
  readonly silentAfterProbes: number;
  /** … and so many more that losing them all by chance is rarer than this, on a path that loses as much as this one. */
  readonly falseSilenceProbability: number;
  /** Handshakes unanswered in a row until a peer that we have no session with is silent; each repeat is sent twice. */
  readonly silentAfterHandshakes: number;
  /** But not before this much time without an answer: a stalled event loop or disk is not silence. */
  readonly silentFloorMs: number;
  /** While calls are outstanding and nothing is heard for this long (or 2 PTO), a PING asks whether the peer is there. */
  readonly idleProbeMs: number;
  /** Distance of the single probes to a silent peer: doubling between these. */
  readonly silentProbeMinMs: number;
  readonly silentProbeMaxMs: number;
  /** A peer that was not heard for this long may have restarted: what must not be repeated asks first (P-59). */
  readonly restartDoubtMs: number;
  /** A timer that fires later than this was held up by our own event loop: timers are re-armed, nobody blamed. */
  readonly stallMs: number;
  /** How long the network may take to come back when the machine has slept: a WLAN finds its access point again. */
  readonly wakeGraceMs: number;
  /** Largest message (issue: 16 MiB). */
  readonly maxMessageBytes: number;
  /** How much of a message may be sent before a GRANT (Homa's unscheduled bytes). */
  readonly initialGrantBytes: number;
  /** How far ahead of what has arrived one message is granted. */
  readonly grantAheadBytes: number;
  /** Bytes promised to senders and not yet here, over all messages of this endpoint. */
  readonly maxGrantedBytes: number;
  /** Memory for messages that are partly here: per peer, and in all. */
  readonly maxReassemblyBytesPerPeer: number;
  readonly maxReassemblyBytes: number;
  /** Outstanding calls of one client at one server, held to on both sides; more are OVERLOADED. */
  readonly maxCallsPerPeer: number;
  /** Calls of all clients at one server; more are OVERLOADED. */
  readonly maxServerCalls: number;
  /** Outstanding calls in all here at the client; more are OVERLOADED. */
  readonly maxClientCalls: number;
  /** Bytes of requests queued here at the client, over all peers. */
  readonly maxQueuedBytes: number;
  /** Answers kept for clients that have not confirmed them, in all. */
  readonly maxKeptResponseBytes: number;
  /** Memory of large messages that have been sent, held for the next ones. */
  readonly maxSpareBytes: number;
  /** Ranges of settled call ids remembered per client before the oldest gap is closed. */
  readonly maxSettledRanges: number;
  /** Peers that called us and are remembered. */
  readonly maxServerPeers: number;
  /** Peers that we called and have nothing outstanding with: so many keep their sessions … */
  readonly maxAwakePeers: number;
  /** … and so many more are remembered, with their times and what they know us by. */
  readonly maxIdleClientPeers: number;
  /** Of those, under one key; a further one takes the place of one of them. */
  readonly maxServerPeersPerKey: number;
  /** Largest datagram tried. */
  readonly maxDatagramBytes: number;
  /** Lost probes until a size of datagrams counts as too large (RFC 8899, 5.1.2: MAX_PROBES). */
  readonly mtuProbesMax: number;
  /** After this time sizes that failed are tried again (RFC 8899, 5.1.1: PMTU_RAISE_TIMER). */
  readonly mtuRaiseMs: number;
  /** A session of this age, or with so many packets in one direction, gets a successor while it is used … */
  readonly rekeyAfterMs: number;
  readonly rekeyAfterPackets: number;
  /** … and at this age nothing is sent or taken in it any more (WireGuard, 6.1: the same ages). */
  readonly sessionRefusedAfterMs: number;
  /** Packets that could not be opened until a session is given up (RFC 9001, 6.6: far below what a forger needs). */
  readonly maxFailedOpenings: number;
}

export const DEFAULT_CONFIG: ProtocolConfig = {
  initialRttMs: 333,
  granularityMs: 1,
  packetThreshold: 3,
  timeThreshold: 9 / 8,
  maxAckDelayMs: 5,
  ackEveryPackets: 2,
  maxAckRanges: 64,
  congestion: 'bbr',
  earlyDuplicates: 0.1,
  persistentCongestionThreshold: 3,
  maxProbeTimeoutMs: 5_000,
  maxProbeDistanceMs: 500,
  silentAfterProbes: 3,
  falseSilenceProbability: 1e-3,
  silentAfterHandshakes: 4,
  silentFloorMs: 600,
  idleProbeMs: 200,
  silentProbeMinMs: 500,
  silentProbeMaxMs: 30_000,
  restartDoubtMs: 10_000,
  stallMs: 100,
  wakeGraceMs: 5_000,
  maxMessageBytes: 16 * 1024 * 1024,
  initialGrantBytes: 64 * 1024,
  grantAheadBytes: 2 * 1024 * 1024,
  maxGrantedBytes: 8 * 1024 * 1024,
  maxReassemblyBytesPerPeer: 64 * 1024 * 1024,
  maxReassemblyBytes: 128 * 1024 * 1024,
  maxCallsPerPeer: 131_072,
  maxServerCalls: 200_000,
  maxClientCalls: 200_000,
  maxQueuedBytes: 256 * 1024 * 1024,
  maxKeptResponseBytes: 64 * 1024 * 1024,
  maxSpareBytes: 16 * 1024 * 1024,
  maxSettledRanges: 1024,
  maxServerPeers: 10_000,
  maxAwakePeers: 4096,
  maxIdleClientPeers: 100_000,
  maxServerPeersPerKey: 256,
  maxDatagramBytes: 65_000,
  mtuProbesMax: 3,
  mtuRaiseMs: 600_000,
  rekeyAfterMs: 120_000,
  rekeyAfterPackets: 2 ** 24,
  sessionRefusedAfterMs: 180_000,
  maxFailedOpenings: 2 ** 20,
};
