// A snapshot of whom an endpoint knows. Everything in it is read, nothing is kept for it.

import type { CallerStatus, PathStatus, PeerStatus, SilentPeerStatus } from '../base/peer-status.ts';
import type { ClientPeer } from './client-peer.ts';
import type { Link } from './link.ts';
import type { Path, PathAddress } from './path.ts';
import type { ServerPeer } from './server-peer.ts';

/** Peers of an endpoint at a moment. */
export interface EndpointPeers {
  readonly peers: readonly PeerStatus<PathAddress>[];
  readonly silentPeers: readonly SilentPeerStatus<PathAddress>[];
  readonly callers: readonly CallerStatus<PathAddress>[];
}

/** Takes time in proportion to the peers that are known. */
export function peersAt(
  called: Iterable<ClientPeer>,
  calling: Iterable<ServerPeer>,
  nowMs: number,
): EndpointPeers {
  const peers: PeerStatus<PathAddress>[] = [];
  const silentPeers: SilentPeerStatus<PathAddress>[] = [];
  for (const peer of called) {
    if (peer.state === 'silent') silentPeers.push(silentPeer(peer, nowMs));
    // One that was only asked how long it would take, and never called, is nobody.
    else if (peer.state !== 'unknown' || peer.calls.size > 0) peers.push(livePeer(peer, peer.state, nowMs));
  }
  return { peers, silentPeers, callers: Array.from(calling, (peer) => caller(peer, nowMs)) };
}

function livePeer(peer: ClientPeer, health: PeerStatus['health'], nowMs: number): PeerStatus<PathAddress> {
  const { rtt } = peer.path;
  const { smoothedMs, varianceMs, minMs } = rtt;
  const { sinceHeardMs, outstandingCalls, unansweredProbes = 0 } = peer.report(nowMs);
  return {
    address: peer.address,
    health,
    ...(sinceHeardMs !== undefined && { sinceHeardMs }),
    outstandingCalls,
    unansweredProbes,
    ...(rtt.sampled && { rtt: { smoothedMs, varianceMs, minMs } }),
    path: pathStatus(peer.path, peer.session),
    responseTimes: peer.responseTimes.rows(nowMs),
  };
}

function silentPeer({ address, health }: ClientPeer, nowMs: number): SilentPeerStatus<PathAddress> {
  const { lastHeardAtMs, silentSinceMs, nextProbeAtMs, why } = health;
  return {
    address,
    why,
    silentForMs: nowMs - silentSinceMs,
    nextProbeInMs: Math.max(0, nextProbeAtMs - nowMs),
    ...(lastHeardAtMs !== undefined && { sinceHeardMs: nowMs - lastHeardAtMs }),
  };
}

function caller({ path, session, calls, lastHeardMs }: ServerPeer, nowMs: number): CallerStatus<PathAddress> {
  return {
    address: path.address,
    sinceHeardMs: nowMs - lastHeardMs,
    runningRequests: calls.running,
    heldRequests: calls.size,
    path: pathStatus(path, session),
  };
}

function pathStatus({ congestion, rtt, datagramBytes, lossRate }: Path, session?: Link): PathStatus {
  return {
    bytesInFlight: session?.sent.bytesInFlight ?? 0,
    windowBytes: congestion.windowBytes,
    pacingBytesPerMs: congestion.pacingBytesPerMs(rtt),
    datagramBytes,
    lossRate,
  };
}
