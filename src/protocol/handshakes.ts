// Handshakes with one peer: first datagrams, each an attempt with a session id of its own, until one is answered.
// What they carry comes from the peer's outbox and goes back there when no answer comes in time.

import type { HandshakeAnswer, Initiation } from '../session/protection.ts';
import { MIN_DATAGRAM_BYTES } from '../wire/datagram.ts';
import { FRAME, writeHello } from '../wire/frame.ts';
import type { Callee } from './callee.ts';
import type { EndpointContext, Pollable } from './context.ts';
import type { Transmit } from './link.ts';
import type { Outbox } from './outbox.ts';
import { PacketBuilder } from './packet-builder.ts';
import { type Path, type PathAddress, sameAddress } from './path.ts';
import type { SentItem } from './sent-packets.ts';
import type { AttemptInput } from './session-table.ts';

/** A first datagram that waits for its answer. */
export interface Attempt {
  readonly localSession: number;
  readonly initiation: Initiation;
  readonly to: PathAddress;
  /** Whether what the server had told us by then was in it. */
  readonly hadCookie: boolean;
  readonly hadClock: boolean;
  readonly sentAtMs: number;
  readonly sizeBytes: number;
  readonly items: readonly SentItem[];
  /** Its items have been queued again because no answer came in time. */
  requeued: boolean;
  /** It has been repeated at once because of what the server had told: once, however often that comes. */
  repeated: boolean;
}

/** An attempt and what was answered to it. */
export type CompletedAttempt = HandshakeAnswer & { readonly attempt: Attempt };

/** Handshakes remembered at once: an answer to an older one than these is ignored. */
const MAX_ATTEMPTS = 8;

const ATTEMPT_BACKOFF = 1.5;

/** A cookie may be good for no longer than this (WireGuard, 5.4.7). */
const COOKIE_LIFE_MS = 120_000;

/** Proof, for one of the peer's addresses, that we receive at ours. */
interface ReceivedCookie {
  readonly bytes: Uint8Array;
  readonly of: PathAddress;
  readonly fromMs: number;
  /** A first datagram has carried it. */
  tried: boolean;
}

export type HandshakeState =
  /** None is under way. */
  | 'idle'
  /** A first datagram is to be sent. */
  | 'wanted'
  /** It was sent, and its answer may yet come in time. */
  | 'waiting'
  /** It did not, and nobody asks again; an answer still counts. */
  | 'late';

export type HandshakeEvent =
  | 'want'
  | 'ask-silent'
  | 'sent'
  | 'timeout-with-calls'
  | 'timeout-without-calls'
  | 'cookie-or-clock'
  | 'address-refused'
  | 'wake'
  | 'end';

/** What each event does in each state; what is not listed changes nothing. */
export const HANDSHAKE_TRANSITIONS: Readonly<
  Record<HandshakeState, Readonly<Partial<Record<HandshakeEvent, HandshakeState>>>>
> = {
  idle: { want: 'wanted', 'ask-silent': 'wanted', 'address-refused': 'wanted', wake: 'wanted' },
  wanted: { sent: 'waiting', end: 'idle' },
  waiting: {
    'ask-silent': 'wanted',
    'timeout-with-calls': 'wanted',
    'timeout-without-calls': 'late',
    'cookie-or-clock': 'wanted',
    'address-refused': 'wanted',
    wake: 'wanted',
    end: 'idle',
  },
  late: {
    want: 'wanted',
    'ask-silent': 'wanted',
    'cookie-or-clock': 'wanted',
    'address-refused': 'wanted',
    wake: 'wanted',
    end: 'idle',
  },
};

/** The handshakes of one peer. */
export class Handshakes {
  /** Timeouts in a row without any sign of life. */
  unanswered = 0;
  readonly #context: EndpointContext;
  readonly #callee: Callee;
  readonly #peer: Pollable & AttemptInput;
  readonly #path: Path;
  readonly #outbox: Outbox;
  /** What the peer remembers us by. One for each peer: a server behind two addresses sees two clients. */
  readonly epoch: number;
  #attempts: Attempt[] = [];
  /** To be sent; a repeated one goes twice, because three losses in a row must not look like silence. */
  #wanted = 0;
  #timeoutAtMs = Number.POSITIVE_INFINITY;
  /** What the next attempts tell. */
  #cookie: ReceivedCookie | undefined;
  #clockAheadMs: number | undefined;
  /** Which of the addresses the last attempt went to. */
  #addressIndex = 0;
  /** Where the next one goes: to who has asked for it. */
  #askedBy: PathAddress | undefined;

  constructor(
    context: EndpointContext,
    callee: Callee,
    peer: Pollable & AttemptInput,
    path: Path,
    outbox: Outbox,
    epoch: number = context.freshId(),
  ) {
    this.#context = context;
    this.#callee = callee;
    this.#peer = peer;
    this.#path = path;
    this.#outbox = outbox;
    // P-22
    this.epoch = epoch;
    this.#addressIndex = this.#indexOf(path.address);
  }

  /** The table of these is {@link HANDSHAKE_TRANSITIONS}; a test leads each event into each of them. */
  get state(): HandshakeState {
    if (this.#wanted > 0) return 'wanted';
    if (this.#timeoutAtMs !== Number.POSITIVE_INFINITY) return 'waiting';
    return this.#attempts.length > 0 ? 'late' : 'idle';
  }

  /** When {@link onTimer} has something to do. */
  get timerAtMs(): number {
    return this.#timeoutAtMs;
  }

  /** Begins one, or repeats it, unless one still waits for its answer. */
  want(nowMs: number): void {
    const waiting = this.#timeoutAtMs !== Number.POSITIVE_INFINITY && nowMs < this.#timeoutAtMs;
    if (waiting) return;
    this.#wanted = this.unanswered > 0 ? 2 : 1;
    this.#context.touch(this.#peer);
  }

  /** A single question to a peer that is silent. */
  wantOne(): void {
    this.#wanted = 1;
  }

  /** Without a session, what is to be sent asks for one. */
  wantForOutbox(nowMs: number): void {
    const { state } = this;
    if (state === 'wanted' || state === 'waiting') return;
    // Attempts may be left over from calls that were cancelled; who calls now, or has a CANCEL to tell, needs a new one.
    if (this.#outbox.hasMessages || this.#outbox.hasControl) this.want(nowMs);
  }

  /** The next first datagram. `peerEpoch`: the peer's incarnation, 0 when not known. */
  poll(peerEpoch: number, nowMs: number): Transmit | undefined {
    if (this.#wanted === 0) return undefined;
    this.#wanted--;
    return this.#sendInit(peerEpoch, nowMs);
  }

  #sendInit(peerEpoch: number, nowMs: number): Transmit {
    const { slab, protection, config, sessions } = this.#context;
    const localSession = this.#context.freshSessionId();
    const to = this.#nextAddress();
    const cookie = this.#cookieFor(to, nowMs);
    const clockAheadMs = this.#clockAheadMs;
    const initiation = protection.initiate(localSession, this.#callee.remote, { cookie, clockAheadMs });
    const packet = new PacketBuilder(
      slab.take(MIN_DATAGRAM_BYTES),
      initiation.headerBytes,
      initiation.trailerBytes,
    );
    packet.at = writeHello(packet.buffer, packet.at, {
      epoch: this.epoch,
      // P-24
      knownEpoch: peerEpoch,
      maxDatagramBytes: config.maxDatagramBytes,
      initialGrantBytes: config.initialGrantBytes,
    });
    this.#outbox.fillControl(packet);
    // P-20
    this.#outbox.fillMessages(packet, nowMs);
    if (packet.items.length === 0) packet.buffer[packet.at++] = FRAME.ping;
    // Padded, so that three times its size lets the server answer in one round trip.
    packet.padTo(packet.limit);
    this.#context.observer?.packetSent({
      peer: to,
      session: localSession,
      role: 'client',
      kind: 'init',
      packetNumber: 0,
      sizeBytes: packet.buffer.length,
      frames: packet.buffer.subarray(initiation.headerBytes, packet.at),
    });
    const bytes = initiation.seal(packet.buffer, packet.at);
    slab.commit(bytes.length);
    const attempt: Attempt = {
      localSession,
      initiation,
      to,
      hadCookie: cookie !== undefined,
      hadClock: clockAheadMs !== undefined,
      sentAtMs: nowMs,
      sizeBytes: bytes.length,
      items: packet.items,
      requeued: false,
      repeated: false,
    };
    this.#attempts.push(attempt);
    while (this.#attempts.length > MAX_ATTEMPTS) this.#drop(this.#attempts.shift()!);
    sessions.addAttempt(localSession, this.#peer);
    this.#timeoutAtMs = nowMs + this.#timeoutMs();
    return { to, bytes };
  }

  /** The one that is known to work or, once it has not answered, each in turn. */
  #nextAddress(): PathAddress {
    const { addresses } = this.#callee;
    const askedBy = this.#askedBy;
    if (askedBy !== undefined) {
      this.#askedBy = undefined;
      this.#addressIndex = this.#indexOf(askedBy);
      return askedBy;
    }
    // P-105
    if (this.unanswered > 0) this.#addressIndex = (this.#addressIndex + 1) % addresses.length;
    else if (addresses.length === 1) return this.#path.address;
    return addresses[this.#addressIndex]!;
  }

  #indexOf(address: PathAddress): number {
    return Math.max(
      0,
      this.#callee.addresses.findIndex((candidate) => sameAddress(candidate, address)),
    );
  }

  #cookieFor(to: PathAddress, nowMs: number): Uint8Array | undefined {
    const cookie = this.#cookie;
    if (cookie === undefined || !sameAddress(cookie.of, to)) return undefined;
    if (nowMs - cookie.fromMs > COOKIE_LIFE_MS) return undefined;
    cookie.tried = true;
    return cookie.bytes;
  }

  #timeoutMs(): number {
    const { config, jitter } = this.#context;
    const { rtt, probeTimeoutMs } = this.#path;
    const base = rtt.sampled ? probeTimeoutMs : config.initialRttMs;
    const repeats = Math.min(this.unanswered, MAX_ATTEMPTS);
    // P-29
    return base * ATTEMPT_BACKOFF ** repeats * (repeats === 0 ? 1 : 1 + 0.1 * jitter());
  }

  /** What a RESP to one of the attempts says; `undefined` when it answers none of them. */
  complete(localSession: number, remoteSession: number, datagram: Uint8Array): CompletedAttempt | undefined {
    const attempt = this.#attempts.find((candidate) => candidate.localSession === localSession);
    const answer = attempt?.initiation.complete(datagram, remoteSession);
    return attempt && answer && { attempt, ...answer };
  }

  /** The server is under load and wants to see that we receive at our address: it gets its cookie back. */
  onCookie(localSession: number, datagram: Uint8Array, nowMs: number): boolean {
    const attempt = this.#attempts.find((candidate) => candidate.localSession === localSession);
    const bytes = attempt?.initiation.openCookie(datagram);
    if (attempt === undefined || bytes === undefined) return false;
    this.#cookie = { bytes, of: attempt.to, fromMs: nowMs, tried: false };
    // Once: what asks for ever is told at the distances of all other repeats.
    if (!attempt.hadCookie) this.#repeat(attempt);
    return true;
  }

  /** The server takes no first datagram with a time as wrong as ours: it gets its own. */
  onClock(attempt: Attempt, clockAheadMs: number): void {
    this.#clockAheadMs = clockAheadMs;
    if (!attempt.hadClock) this.#repeat(attempt);
  }

  /** At once, with what has been learnt. */
  #repeat(attempt: Attempt): void {
    if (attempt.repeated) return;
    attempt.repeated = true;
    requeue(attempt);
    this.#wanted = 1;
    this.#askedBy = attempt.to;
    this.#timeoutAtMs = Number.POSITIVE_INFINITY;
    this.#context.touch(this.#peer);
  }

  /** The network refuses to send there: true when there is another address to try. */
  avoid(address: PathAddress, nowMs: number): boolean {
    const { addresses } = this.#callee;
    if (addresses.length === 1) return false;
    if (!sameAddress(addresses[this.#addressIndex]!, address)) return true;
    this.unanswered++;
    this.#timeoutAtMs = Number.POSITIVE_INFINITY;
    for (const attempt of this.#attempts) if (sameAddress(attempt.to, address)) requeue(attempt);
    // Not for ever: who has nothing but refused addresses hears of it.
    if (this.unanswered > addresses.length) return false;
    this.want(nowMs);
    return true;
  }

  /** A session is there, or the peer is silent: gives up all attempts but the one that was answered. */
  end(answered?: Attempt): void {
    // P-27
    for (const attempt of this.#attempts) if (attempt !== answered) this.#drop(attempt);
    this.#attempts = [];
    this.#wanted = 0;
    this.#askedBy = undefined;
    this.#cookie = undefined;
    this.#timeoutAtMs = Number.POSITIVE_INFINITY;
  }

  #drop(attempt: Attempt): void {
    this.#context.sessions.delete(attempt.localSession);
    requeue(attempt);
  }

  /** `hasCalls`: somebody waits for an answer, so that it is tried again. */
  onTimer(hasCalls: boolean, nowMs: number): void {
    if (this.#timeoutAtMs > nowMs) return;
    this.unanswered++;
    this.#timeoutAtMs = Number.POSITIVE_INFINITY;
    // P-126: a server that has restarted, or sees us at another address, says nothing to it.
    if (this.#cookie?.tried === true) this.#cookie = undefined;
    for (const attempt of this.#attempts) requeue(attempt);
    if (hasCalls) this.want(nowMs);
  }

  /** Our own process was held up: what ran out meanwhile starts again from now. */
  forgiveStall(nowMs: number): void {
    if (this.#timeoutAtMs <= nowMs) this.#timeoutAtMs = nowMs + this.#timeoutMs();
  }

  /** The machine has slept: begins anew. */
  onWake(nowMs: number): void {
    this.unanswered = 0;
    this.#timeoutAtMs = Number.POSITIVE_INFINITY;
    for (const attempt of this.#attempts) requeue(attempt);
    this.want(nowMs);
  }
}

function requeue(attempt: Attempt): void {
  if (attempt.requeued) return;
  attempt.requeued = true;
  for (const item of attempt.items) item.onLost();
}
