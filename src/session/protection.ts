// How packets are protected: the seam between the protocol and what seals its datagrams. The protocol knows
// session ids, packet numbers and frames; what is done to the bytes on their way is decided behind this.

/** A received datagram whose inside may be trusted as far as this protection goes. */
export interface Opened {
  readonly packetNumber: number;
  /** Encoded frames; a view of bytes that nobody else uses. */
  readonly frames: Uint8Array;
}

/** Whom a session is to be begun with. */
export interface Remote {
  /** Its static public key. */
  readonly key: Uint8Array;
  /** What it asks of who calls it: follows from its swissnum. */
  readonly capability: Uint8Array;
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
  /** Opens a datagram in its own bytes; `seen`: this packet was opened before, or is too old to tell. */
  open(datagram: Uint8Array, packetNumber: number): Opened | 'seen' | 'forged';
  /** Whether a received token is the one by which the other end tells that it has forgotten this session. */
  isResetToken(token: Uint8Array): boolean;
  /** Overwrites the keys: nothing is sealed any more, and everything that comes is forged. */
  wipe(): void;
}

/** What an initiator has learnt of a responder, beyond its keys, and tells in the next attempt. */
export interface AttemptHints {
  /** Proof that our address is ours: from a COOKIE. */
  readonly cookie?: Uint8Array | undefined;
  /** What the responder's wall clock is ahead of ours. */
  readonly clockAheadMs?: number | undefined;
}

/** The initiator's half of one handshake attempt; each attempt has its own session id. */
export interface Initiation {
  readonly headerBytes: number;
  readonly trailerBytes: number;
  seal(buffer: Uint8Array, framesEnd: number): Uint8Array;
  /** `undefined`: no answer to this attempt; one may yet come. */
  complete(resp: Uint8Array, responderSession: number): HandshakeAnswer | undefined;
  /** The cookie in a COOKIE that answers this attempt; `undefined` when it does not. */
  openCookie(datagram: Uint8Array): Uint8Array | undefined;
}

/** What a responder says to an attempt. */
export type HandshakeAnswer =
  | { readonly kind: 'welcome'; readonly opened: Opened; readonly keys: SessionKeys }
  /** It does not let us in; it does not say why. */
  | { readonly kind: 'unauthorized' }
  /** Our wall clocks differ by too much. */
  | { readonly kind: 'clock'; readonly clockAheadMs: number };

/** The responder's half, made from a received INIT. */
export interface Acceptance {
  /** The initiator's static key as text: what it is told apart from others by. */
  readonly initiator: string;
  /** Nobody can have recorded this INIT and sent it before; else nothing may run before a packet of the session. */
  readonly fresh: boolean;
  readonly opened: Opened;
  readonly headerBytes: number;
  readonly trailerBytes: number;
  /** The first datagram back; once. */
  seal(buffer: Uint8Array, framesEnd: number): Uint8Array;
  /** Usable when the first datagram back was sealed. */
  readonly keys: SessionKeys;
}

/** What is to be done with an INIT. Only the last two have cost more than a hash. */
export type Admission =
  | { readonly kind: 'dropped' }
  /** Ask it to prove its address: send this back. */
  | { readonly kind: 'cookie'; readonly datagram: Uint8Array }
  /** It is not let in: send this back, and keep nothing. */
  | { readonly kind: 'refused'; readonly why: 'unauthorized' | 'clock'; readonly datagram: Uint8Array }
  | { readonly kind: 'accepted'; readonly acceptance: Acceptance };

/** Where an INIT came from. */
export interface InitSource {
  /** IP address. */
  readonly host: string;
  readonly port: number;
}

/** Makes and accepts sessions for one endpoint. */
export interface Protection {
  initiate(localSession: number, remote: Remote, hints: AttemptHints): Initiation;
  accept(
    init: Uint8Array,
    initiatorSession: number,
    localSession: number,
    from: InitSource,
    nowMs: number,
  ): Admission;
  /** Whether a client may still call, by its {@link Acceptance.initiator}. */
  allows(initiator: string): boolean;
  /** A session id, 1 to 2^53 - 1, made of a random integer below 2^21: one that {@link mayHaveIssued} knows again. */
  sessionId(random: number): number;
  /** False: an id that no incarnation of this endpoint has made; whoever names it has guessed. */
  mayHaveIssued(id: number): boolean;
  /** Whether a datagram of another version comes from somebody who knows whom it is sent to. */
  isMeantForUs(datagram: Uint8Array): boolean;
  /** What proves to the holder of session `id` that this endpoint, and no passer-by, has forgotten it. */
  resetToken(id: number): Uint8Array;
}
