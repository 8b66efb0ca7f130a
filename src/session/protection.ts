// How packets are protected: the seam between the protocol and what seals its datagrams. The protocol knows
// session ids, packet numbers and frames; what is done to the bytes on their way is decided behind this.

/** A received datagram whose inside may be trusted as far as this protection goes. */
export interface Opened {
  readonly packetNumber: number;
  /** Encoded frames; a view of the datagram. */
  readonly frames: Uint8Array;
}

/**
 * The two directions of one established session. Datagrams are built in place: the protocol writes frames at
 * `headerBytes`, leaves `trailerBytes` free behind them, and `seal` makes the datagram of it.
 */
export interface SessionKeys {
  readonly headerBytes: number;
  readonly trailerBytes: number;
  /** Returns the datagram: a view of `buffer` from 0 to behind the trailer. */
  seal(buffer: Uint8Array, framesEnd: number, packetNumber: number): Uint8Array;
  /** `undefined` when it is not from the other end of this session. */
  open(datagram: Uint8Array, packetNumber: number): Opened | undefined;
}

/** The initiator's half of one handshake attempt; each attempt has its own session id. */
export interface Initiation {
  readonly headerBytes: number;
  readonly trailerBytes: number;
  seal(buffer: Uint8Array, framesEnd: number): Uint8Array;
  /** The answer to this attempt: its frames, and the keys of the session that now exists. */
  complete(resp: Uint8Array, responderSession: number): { opened: Opened; keys: SessionKeys } | undefined;
}

/** The responder's half, made from a received INIT. */
export interface Acceptance {
  readonly opened: Opened;
  readonly headerBytes: number;
  readonly trailerBytes: number;
  /** The first datagram back. */
  seal(buffer: Uint8Array, framesEnd: number): Uint8Array;
  readonly keys: SessionKeys;
}

/** Makes and accepts sessions for one endpoint. */
export interface Protection {
  initiate(localSession: number): Initiation;
  /** `undefined`: not for us, or malformed; nothing is answered. */
  accept(init: Uint8Array, initiatorSession: number, localSession: number): Acceptance | undefined;
  /** What proves to the holder of session `id` that this endpoint, and no passer-by, has forgotten it. */
  resetToken(id: number): Uint8Array;
  /** Whether a received token is the one that session `id`'s owner would send. */
  verifiesReset(id: number, token: Uint8Array): boolean;
}
