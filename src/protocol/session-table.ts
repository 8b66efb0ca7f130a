// Which session a received datagram belongs to: by the id that we chose and, for the one datagram that says "I do
// not know this session", by the id that the other side chose.

import type { Link } from './link.ts';
import type { PathAddress } from './path.ts';

/** A packet of a session, opened. */
export interface OpenedPacket {
  readonly packetNumber: number;
  /** Encoded. */
  readonly frames: Uint8Array;
  readonly from: PathAddress;
  /** Of the whole datagram. */
  readonly sizeBytes: number;
}

/** A peer as the receiver of opened packets. */
export interface PeerInput {
  /** False when the frames are malformed or make no sense: an error of the peer, counted. */
  onPacket(link: Link, packet: OpenedPacket, nowMs: number): boolean;
  /** The peer does not know this session any more. */
  onSessionForgotten(link: Link, nowMs: number): void;
  /** The session must not be used any more. */
  onSessionWorn(link: Link): void;
}

/** A peer with a handshake under way. */
export interface AttemptInput {
  /** False when it asks for nothing that this attempt has not done. */
  onCookie(localSession: number, datagram: Uint8Array, nowMs: number): boolean;
  /** False when the answer is not one to this attempt. */
  onResp(localSession: number, remoteSession: number, datagram: Uint8Array, nowMs: number): boolean;
}

/** Who a received DATA or RESP belongs to. */
export type SessionOwner = LinkOwner | { readonly kind: 'attempt'; readonly peer: AttemptInput };

export interface LinkOwner {
  readonly kind: 'link';
  readonly link: Link;
  readonly peer: PeerInput;
}

/** All sessions and handshakes of one endpoint. */
export class SessionTable {
  /** When {@link dropWorn} may have something to do; Infinity when there is no session. */
  wornAtMs: number = Number.POSITIVE_INFINITY;
  readonly #byLocalId = new Map<number, SessionOwner>();
  /** The one begun first first. */
  readonly #byRemoteId = new Map<number, LinkOwner>();

  get size(): number {
    return this.#byLocalId.size;
  }

  get(localSession: number): SessionOwner | undefined {
    return this.#byLocalId.get(localSession);
  }

  has(localSession: number): boolean {
    return this.#byLocalId.has(localSession);
  }

  byRemoteId(remoteSession: number): LinkOwner | undefined {
    return this.#byRemoteId.get(remoteSession);
  }

  /** Nobody else may receive with the remote id: whoever takes a session's first answer or question has looked (P-31). */
  addLink(link: Link, peer: PeerInput): void {
    const owner: LinkOwner = { kind: 'link', link, peer };
    this.#byLocalId.set(link.localSession, owner);
    this.#byRemoteId.set(link.remoteSession, owner);
    this.wornAtMs = Math.min(this.wornAtMs, link.wornAtMs);
  }

  addAttempt(localSession: number, peer: AttemptInput): void {
    this.#byLocalId.set(localSession, { kind: 'attempt', peer });
  }

  delete(localSession: number): void {
    const owner = this.#byLocalId.get(localSession);
    if (owner === undefined) return;
    this.#byLocalId.delete(localSession);
    if (owner.kind !== 'link') return;
    this.#byRemoteId.delete(owner.link.remoteSession);
    if (this.#byRemoteId.size === 0) this.wornAtMs = Number.POSITIVE_INFINITY;
  }

  /** Ends the sessions that must not be used any more, also those that nobody uses: keys are not kept for longer. */
  dropWorn(nowMs: number): void {
    // P-129
    if (nowMs < this.wornAtMs) return;
    this.wornAtMs = Number.POSITIVE_INFINITY;
    for (const { link, peer } of this.#byRemoteId.values()) {
      if (!link.isWorn(nowMs)) {
        this.wornAtMs = link.wornAtMs;
        return;
      }
      peer.onSessionWorn(link);
    }
  }
}
