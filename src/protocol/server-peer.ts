// A client that called us: its sessions, and what comes and goes in them. Its calls are server-calls.ts. A client is
// known by its epoch; what we remember of it has an incarnation number, which a client that has outlived our
// memory does not know: then its calls count as made to another incarnation (RIFL; transport.md, "At most once").

import type { HeapEntry } from '../base/heap.ts';
import type { Acceptance } from '../session/protection.ts';
import { decodeFrames, type Frame, HELLO_BYTES_MAX, type HelloFrame, writeHello } from '../wire/frame.ts';
import type { ClientAccount } from './client-account.ts';
import { setTimer, type TimerTarget } from './context.ts';
import { Link, type Transmit } from './link.ts';
import { Outbox } from './outbox.ts';
import { Path, type PathAddress, sameAddress } from './path.ts';
import { type CallingClient, type Earliness, ServerCalls, type ServerContext } from './server-calls.ts';
import type { OpenedPacket, PeerInput } from './session-table.ts';

/** Sessions begun and not confirmed by a packet inside them, remembered at once. */
const MAX_CANDIDATES = 4;

/**
 * Control frames that may wait for a client. Beyond that its packets count as not received, but for what lets these
 * frames leave: whoever makes us say more than it takes is not listened to, and who means well repeats itself.
 */
const MAX_CONTROL_WAITING = 1024;
/** The same, while it has not proved its address. */
const MAX_CONTROL_WAITING_UNPROVEN = 64;

/** Unanswered probes after which a client counts as gone: nothing is sent to it until it comes again. */
const PROBES_UNTIL_GONE = 6;

/** A first datagram, opened; its frames begin with `hello`. */
export interface OpenedInit {
  readonly acceptance: Acceptance;
  readonly localSession: number;
  readonly remoteSession: number;
  readonly hello: HelloFrame;
  readonly frames: readonly Frame[];
  readonly from: PathAddress;
  /** Of the whole datagram. */
  readonly sizeBytes: number;
}

/** What is remembered of a client. Handlers at work keep it from being forgotten. */
export class ServerPeer implements PeerInput, CallingClient, TimerTarget {
  readonly epoch: number;
  readonly incarnation: number;
  readonly account: ClientAccount;
  readonly path: Path;
  dirty = false;
  readonly calls: ServerCalls;
  lastHeardMs = 0;
  readonly #context: ServerContext;
  readonly #outbox: Outbox;
  readonly #ceilingBytes: number;
  #current: Link | undefined;
  #candidates: Link[] = [];
  /** It has been heard inside a session. */
  confirmed = false;
  #timerEntry: HeapEntry<TimerTarget> | undefined;

  constructor(
    context: ServerContext,
    epoch: number,
    account: ClientAccount,
    address: PathAddress,
    ceilingBytes: number,
  ) {
    this.#context = context;
    this.epoch = epoch;
    this.account = account;
    // P-23
    this.incarnation = context.freshId();
    this.path = new Path(address, context.config, context.jitter);
    this.path.distrust();
    this.#ceilingBytes = ceilingBytes;
    this.#outbox = new Outbox((outgoing) => this.calls.onDelivered(outgoing));
    this.calls = new ServerCalls(context, this, this.#outbox);
  }

  // ---- sessions

  /** A first datagram of this client; false when its frames make no sense. */
  onInit(init: OpenedInit, nowMs: number): boolean {
    const { acceptance, localSession, remoteSession, hello, frames, from, sizeBytes } = init;
    const context = this.#context;
    // A session in use, at an address that has proved itself, stays there; its own packets would move it.
    if ((this.#current === undefined || !this.path.trusted) && !sameAddress(this.path.address, from)) {
      this.path.address = from;
      this.path.distrust();
    }
    if (sameAddress(this.path.address, from)) this.path.onReceivedBytes(sizeBytes);
    this.calls.initialGrantBytes = hello.initialGrantBytes;
    const session = { localSession, remoteSession, keys: acceptance.keys, beganAtMs: nowMs };
    const link = new Link(context, session, this.path, this.#outbox, {
      acceptance,
      to: from,
      smallestBytes: acceptance.headerBytes + HELLO_BYTES_MAX + acceptance.trailerBytes,
      writeHello: (target, at) =>
        writeHello(target, at, {
          epoch: this.incarnation,
          knownEpoch: this.epoch,
          maxDatagramBytes: context.config.maxDatagramBytes,
          initialGrantBytes: context.config.initialGrantBytes,
        }),
    });
    context.sessions.addLink(link, this);
    if (this.#candidates.length === 0 && this.#current === undefined) {
      this.path.mtu.onSession(
        Math.min(this.#ceilingBytes, hello.maxDatagramBytes, context.config.maxDatagramBytes),
      );
    }
    this.#candidates.push(link);
    // P-31
    while (this.#candidates.length > MAX_CANDIDATES) this.#dropLink(this.#candidates.shift()!);
    this.lastHeardMs = nowMs;
    context.touch(this);
    if (!this.#listens()) return true;
    link.received.onReceived(acceptance.opened.packetNumber, true, nowMs);

    // Made for another incarnation: the client decides what of it may be sent to this one.
    const meantForUs = hello.knownEpoch === 0 || hello.knownEpoch === this.incarnation;
    if (!meantForUs) {
      link.received.ackDueAtMs = nowMs;
      return true;
    }
    // P-25: also of a client that is known. It may be a recording of what ran before we forgot that client once.
    const early = hello.knownEpoch !== 0 ? 'not' : acceptance.fresh ? 'fresh' : 'doubtful';
    const before = this.calls.running;
    const sound = this.#onFrames(link, frames, early, nowMs);
    // Nothing of it runs: the client should hear at once that it may send the rest.
    if (this.calls.running === before) link.received.ackDueAtMs = nowMs;
    return sound;
  }

  onPacket(link: Link, packet: OpenedPacket, nowMs: number): boolean {
    const frames = decodeFrames(packet.frames);
    if (frames === undefined) return false;
    this.#noteAddress(link, packet);
    const listens = this.#listens();
    const ackEliciting = frames.some((frame) => frame.type !== 'ack');
    if (listens) link.received.onReceived(packet.packetNumber, ackEliciting, nowMs);
    this.lastHeardMs = nowMs;
    // P-26
    if (!link.confirmed) this.#confirm(link, nowMs);
    const sound = this.#onFrames(link, listens ? frames : frames.filter(isForLink), 'not', nowMs);
    this.#context.touch(this);
    return sound;
  }

  #listens(): boolean {
    const limit = this.path.trusted ? MAX_CONTROL_WAITING : MAX_CONTROL_WAITING_UNPROVEN;
    return this.#outbox.controlCount < limit;
  }

  /** Where the client is: anybody may write any address on a datagram. */
  #noteAddress(link: Link, { packetNumber, from, sizeBytes }: OpenedPacket): void {
    const { path } = this;
    if (!link.confirmed && link.beganAt(from)) {
      path.address = from;
      path.trust();
      return;
    }
    const isNewest = link === this.#current && packetNumber > link.received.largest;
    const moved = !sameAddress(path.address, from);
    // NAT, roaming, or somebody who points us at a third party.
    if (moved && (isNewest || !link.confirmed)) link.moveTo(from, this.#context.freshId());
    else if (moved || path.trusted) return;
    path.onReceivedBytes(sizeBytes);
  }

  /** Received inside a session: the client lives, and has our answer. */
  #confirm(link: Link, nowMs: number): void {
    link.confirmed = true;
    const index = this.#candidates.indexOf(link);
    if (index >= 0) this.#candidates.splice(index, 1);
    // Sessions begun before this one have been given up by the client; a later one may be on its way.
    const older = this.#current === undefined ? [] : [this.#current];
    if (index > 0) older.push(...this.#candidates.splice(0, index));
    this.#current = link;
    for (const other of older) this.#dropLink(other);
    // What was sent in the answer to a handshake that the client did not take goes again.
    for (const later of this.#candidates) later.quiet();
    this.confirmed = true;
    this.#context.stats.sessionsEstablished++;
    this.calls.onConfirmed(link.localSession, nowMs);
  }

  onSessionForgotten(link: Link): void {
    if (link === this.#current) this.#current = undefined;
    else this.#candidates = this.#candidates.filter((candidate) => candidate !== link);
    this.#dropLink(link);
    this.#context.touch(this);
  }

  onSessionWorn(link: Link): void {
    const wasInUse = link === this.#current;
    this.onSessionForgotten(link);
    // Who is there confirms its next session; nobody is asked for a sign of life because keys have become old.
    if (wasInUse) for (const candidate of this.#candidates) candidate.quiet();
  }

  #dropLink(link: Link): void {
    this.#context.sessions.delete(link.localSession);
    link.abandon();
  }

  // ---- frames

  #onFrames(link: Link, frames: readonly Frame[], early: Earliness, nowMs: number): boolean {
    let sound = true;
    for (const frame of frames) {
      switch (frame.type) {
        case 'ack':
          sound = link.onAck(frame, nowMs) && sound;
          break;
        case 'request-start': {
          const { callId, total, data, remainingMs } = frame;
          this.calls.raiseFloor(frame.firstIncomplete);
          const piece = { callId, offset: 0, total, data };
          sound = this.calls.onPiece(piece, remainingMs, link.localSession, early, nowMs) && sound;
          break;
        }
        case 'request':
          sound = this.calls.onPiece(frame, 0, link.localSession, early, nowMs) && sound;
          break;
        case 'cancel':
          this.calls.onCancel(frame.ranges);
          break;
        case 'grant':
          this.calls.onGrant(frame.callId, frame.limit);
          break;
        case 'path-challenge':
          link.onPathChallenge(frame.token);
          break;
        case 'path-response':
          link.onPathResponse(frame.token);
          break;
        case 'hello':
        case 'ping':
          break;
        case 'response':
        case 'response-start':
        case 'cancelled':
        case 'working':
        case 'unknown':
          sound = false;
          break;
        default:
          frame satisfies never;
      }
    }
    return sound;
  }

  // ---- timers and sending

  /** The session in use, or the one that may become it. */
  get session(): Link | undefined {
    return this.#current ?? this.#candidates.at(-1);
  }

  poll(nowMs: number): Transmit | undefined {
    if (this.#current?.isWorn(nowMs) === true) this.onSessionWorn(this.#current);
    for (const link of this.#candidates) {
      // A session that is not the one in use only answers its handshake.
      if (link === this.session) continue;
      const transmit = link.pollHandshake(nowMs);
      if (transmit !== undefined) return transmit;
    }
    const transmit = this.session?.poll(nowMs);
    if (transmit === undefined) {
      this.calls.watchBegun(nowMs);
      this.#setTimer();
    }
    return transmit;
  }

  onTimer(nowMs: number): void {
    this.#timerEntry = undefined;
    const link = this.session;
    link?.onTimer(nowMs);
    // P-97: in sessions that might take the place of this one, too.
    if (link !== undefined && link.probeCount >= PROBES_UNTIL_GONE)
      for (const each of [link, ...this.#candidates]) each.quiet();
    this.#context.touch(this);
  }

  forgiveStall(nowMs: number): void {
    this.path.stalledUntilMs = nowMs;
    if (this.#timerEntry === undefined) return;
    this.session?.forgiveStall(nowMs);
    this.#context.touch(this);
  }

  #setTimer(): void {
    const atMs = this.session?.timerAtMs() ?? Number.POSITIVE_INFINITY;
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, atMs);
  }

  /** Ends every call and forgets every session; handlers are told. */
  dispose(): void {
    this.calls.dispose();
    for (const link of this.#candidates) this.#dropLink(link);
    this.#candidates = [];
    if (this.#current !== undefined) this.#dropLink(this.#current);
    this.#current = undefined;
    this.#timerEntry = setTimer(this.#context.timers, this.#timerEntry, this, Number.POSITIVE_INFINITY);
  }
}

/** What a session needs to go on sending. */
function isForLink({ type }: Frame): boolean {
  return type === 'ack' || type === 'path-challenge' || type === 'path-response';
}
