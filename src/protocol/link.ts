// One established session: packet numbers, acknowledgements, loss detection, probe timeouts, the decision when
// a datagram may leave (RFC 9002). What is in the datagrams comes from an Outbox; calls are not known here.

import type { SessionKeys } from '../session/protection.ts';
import { MIN_DATAGRAM_BYTES } from '../wire/datagram.ts';
import { type AckFrame, FRAME } from '../wire/frame.ts';
import { EarlyDuplicates } from './early-duplicates.ts';
import type { FirstPacket, LinkContext } from './link-context.ts';
import type { Outbox } from './outbox.ts';
import { PacketBuilder } from './packet-builder.ts';
import { type Path, type PathAddress, sameAddress } from './path.ts';
import { PathProof } from './path-proof.ts';
import { ReceivedPackets } from './received-packets.ts';
import { type SentItem, SentPackets } from './sent-packets.ts';
import { type NewSession, SessionWear } from './session-wear.ts';

/** Packets that a probe timeout may send regardless of the congestion window (RFC 9002, 6.2.4). */
const PROBES_PER_TIMEOUT = 2;

/** Packets that may wait for an acknowledgement whatever the congestion window says: CANCEL waits for no window. */
const UNWINDOWED_PACKETS = 64;

/** A datagram to send. */
export interface Transmit {
  readonly to: PathAddress;
  readonly bytes: Uint8Array;
}

/** One session's packets in both directions. */
export class Link {
  readonly localSession: number;
  /** The id that the other side receives with. */
  readonly remoteSession: number;
  /** Which side of the session we are. */
  readonly role: 'client' | 'server';
  readonly path: Path;
  readonly received: ReceivedPackets;
  readonly sent: SentPackets;
  /** Probe timeouts in a row without an acknowledgement. */
  probeCount = 0;
  /** Something came that only the other end of this session can have sent. */
  confirmed = false;
  /** The other end has acknowledged something behind the first packet: it has confirmed this session, too. */
  confirmedThere = false;
  readonly #context: LinkContext;
  readonly #keys: SessionKeys;
  readonly #wear: SessionWear;
  readonly #outbox: Outbox;
  #first: FirstPacket | undefined;
  #probesAllowed = 0;
  /** One of them is to be small: it passes where others are too long, and its acknowledgement tells so. */
  #smallProbeWanted = false;
  #pingWanted = false;
  #probeAtMs = Number.POSITIVE_INFINITY;
  readonly #proof = new PathProof();
  readonly #duplicates: EarlyDuplicates;
  #firstSentTo: PathAddress | undefined;
  #mtuProbeInFlight = false;
  /** More waited than the last datagram could carry. */
  #isCrowded = false;
  #pacedAtMs = Number.POSITIVE_INFINITY;
  #quiet = false;
  #closed = false;

  constructor(
    context: LinkContext,
    { localSession, remoteSession, keys, beganAtMs }: NewSession,
    path: Path,
    outbox: Outbox,
    first?: FirstPacket,
  ) {
    this.#context = context;
    this.localSession = localSession;
    this.remoteSession = remoteSession;
    this.#keys = keys;
    this.#wear = new SessionWear(context.config, beganAtMs);
    this.path = path;
    this.#outbox = outbox;
    this.#first = first;
    this.role = first === undefined ? 'client' : 'server';
    this.received = new ReceivedPackets(context.config);
    this.sent = new SentPackets(context.config, path.rtt);
    this.#duplicates = new EarlyDuplicates(context.config.earlyDuplicates, outbox, context.stats);
  }

  /** Opens a DATA datagram of this session; `undefined`: forged, or seen before. */
  open(datagram: Uint8Array, packetNumber: number): Uint8Array | undefined {
    const opened = this.#keys.open(datagram, packetNumber);
    if (opened === 'seen') return undefined;
    if (opened === 'forged') {
      this.#wear.failedOpenings++;
      return undefined;
    }
    this.#quiet = false;
    return opened.frames;
  }

  /** Whether a received token says that the other end has forgotten this session. */
  isResetToken(token: Uint8Array): boolean {
    return this.#keys.isResetToken(token);
  }

  /** It is time for a new one: keys do not last for ever. */
  needsSuccessor(nowMs: number): boolean {
    return this.#wear.needsSuccessor(Math.max(this.sent.nextNumber, this.received.largest), nowMs);
  }

  /** It must not be used any more. */
  isWorn(nowMs: number): boolean {
    return this.#wear.isOut(nowMs);
  }

  /** From when on, at the latest. */
  get wornAtMs(): number {
    return this.#wear.outAtMs;
  }

  /** False when the ACK is for something never sent: an error of the peer. */
  onAck(frame: AckFrame, nowMs: number): boolean {
    const outcome = this.sent.onAck(frame.ranges, nowMs);
    if (outcome === undefined) return false;
    if (outcome.acked.length === 0) return true;
    const { rtt, congestion } = this.path;
    if (outcome.rttSampleMs !== undefined && nowMs - outcome.rttSampleMs >= this.path.stalledUntilMs) {
      rtt.update(outcome.rttSampleMs, Math.min(frame.delayUs / 1000, this.#context.config.maxAckDelayMs));
    }
    this.probeCount = 0;
    this.#quiet = false;
    let ackedBytes = 0;
    let largestSentAtMs = 0;
    for (const packet of outcome.acked) {
      if (packet.packetNumber > 0) this.confirmedThere = true;
      if (packet.mtuProbe) {
        this.#mtuProbeInFlight = false;
        this.path.mtu.onProbeAcked(packet.sizeBytes);
      } else {
        ackedBytes += packet.sizeBytes;
        this.path.onPacketFate(false);
        this.path.mtu.onArrived(packet.sizeBytes);
      }
      largestSentAtMs = Math.max(largestSentAtMs, packet.sentAtMs);
    }
    this.#onLost(nowMs);
    const inFlightBytes = this.sent.bytesInFlight;
    const appLimited = !this.#outbox.hasMessages && inFlightBytes + ackedBytes < congestion.windowBytes / 2;
    congestion.onAcked({ nowMs, ackedBytes, largestSentAtMs, rtt, inFlightBytes, appLimited });
    this.#armProbe(nowMs);
    this.#context.observer?.sessionUpdated(this);
    return true;
  }

  #onLost(nowMs: number): void {
    const lost = this.sent.detectLost(nowMs);
    let lostBytes = 0;
    let largestSentAtMs = 0;
    let largestBytes = 0;
    for (const packet of lost) {
      this.#context.observer?.packetLost(this, packet);
      if (packet.mtuProbe) {
        this.#mtuProbeInFlight = false;
        // P-84
        this.path.mtu.onProbeLost(packet.sizeBytes, nowMs);
        continue;
      }
      lostBytes += packet.sizeBytes;
      this.path.onPacketFate(true);
      largestBytes = Math.max(largestBytes, packet.sizeBytes);
      largestSentAtMs = Math.max(largestSentAtMs, packet.sentAtMs);
    }
    // P-85
    this.path.mtu.onLost(largestBytes, nowMs);
    const inFlightBytes = this.sent.bytesInFlight;
    if (lostBytes > 0) this.path.congestion.onLost({ nowMs, lostBytes, largestSentAtMs, inFlightBytes });
  }

  /** The other address has to answer before more than a multiple of what it sent goes there. */
  moveTo(address: PathAddress, token: number): void {
    this.path.address = address;
    this.path.distrust();
    // P-88
    this.path.mtu.onMoved();
    this.#proof.ask(token);
  }

  /** Whether the first packet of this session went there: who knows the session's id from it, is there. */
  beganAt(address: PathAddress): boolean {
    return this.#firstSentTo !== undefined && sameAddress(this.#firstSentTo, address);
  }

  onPathChallenge(token: number): void {
    this.#proof.onChallenge(token);
  }

  onPathResponse(token: number): void {
    if (this.#proof.onResponse(token)) this.path.trust();
  }

  /** Asks whether the peer is there; what it answers is an acknowledgement. */
  ping(): void {
    this.#pingWanted = true;
    this.#probesAllowed = Math.max(this.#probesAllowed, 1);
  }

  /** The session is given up: what was in flight goes back to the outbox, and nobody learns its keys any more. */
  abandon(): void {
    this.#closed = true;
    this.path.pacer.stopWaiting();
    this.#first = undefined;
    this.#keys.wipe();
    this.sent.abandon();
  }

  /**
   * The peer is silent: until something comes from it, what waits to be sent waits, and a {@link ping} is one
   * single question.
   */
  quiet(): void {
    this.#quiet = true;
    this.path.pacer.stopWaiting();
    this.#forgetInFlight();
  }

  #forgetInFlight(): void {
    this.sent.abandon();
    this.probeCount = 0;
    this.#probesAllowed = 0;
    this.#smallProbeWanted = false;
    this.#mtuProbeInFlight = false;
    this.#probeAtMs = Number.POSITIVE_INFINITY;
  }

  /** When {@link onTimer} wants to be called, as of the last {@link poll}. */
  timerAtMs(): number {
    // Before an unproven address has sent more, nothing may leave and nothing runs out.
    if (this.#closed || !this.path.maySend(this.#first?.smallestBytes)) return Number.POSITIVE_INFINITY;
    return Math.min(
      this.received.ackDueAtMs,
      this.sent.lossAtMs,
      this.#probeAtMs,
      this.#pacedAtMs,
      this.#duplicatesAtMs(),
    );
  }

  /** Loss and probe timers; an ACK that is due leaves with the next {@link poll}. */
  onTimer(nowMs: number): void {
    if (this.#closed) return;
    if (this.sent.lossAtMs <= nowMs) {
      this.#onLost(nowMs);
      this.#armProbe(nowMs);
      this.#context.observer?.sessionUpdated(this);
    }
    if (this.#probeAtMs <= nowMs) this.#onProbeTimeout(nowMs);
  }

  /** Timers that ran out while our own process was held up start again from now; nobody is blamed. */
  forgiveStall(nowMs: number): void {
    if (this.#probeAtMs < Number.POSITIVE_INFINITY) this.#probeAtMs = nowMs + this.#probeDelayMs();
  }

  /** The machine has slept: what was in flight is likely lost, and whoever is there is asked at once. */
  onWake(nowMs: number): void {
    this.probeCount = 0;
    this.#smallProbeWanted = false;
    this.sent.requeueOldest(PROBES_PER_TIMEOUT);
    this.ping();
    this.forgiveStall(nowMs);
  }

  #onProbeTimeout(nowMs: number): void {
    const { config } = this.#context;
    if (this.#quiet) {
      this.#forgetInFlight();
      return;
    }
    this.probeCount++;
    this.#probesAllowed = PROBES_PER_TIMEOUT;
    // P-66
    this.sent.requeueOldest(PROBES_PER_TIMEOUT);
    if (!this.#outbox.hasMessages && !this.#outbox.hasControl) this.#pingWanted = true;
    // P-89
    this.#smallProbeWanted = this.probeCount >= 2;
    if (this.probeCount === config.persistentCongestionThreshold)
      this.path.congestion.onPersistentCongestion();
    // P-85: perhaps only small ones pass (RFC 8899, 4.3).
    if (this.probeCount === 2 && this.path.datagramBytes > MIN_DATAGRAM_BYTES)
      this.path.mtu.onBlackHole(nowMs);
    this.#probeAtMs = nowMs + this.#probeDelayMs();
    this.#context.observer?.sessionUpdated(this);
  }

  #probeDelayMs(): number {
    const jitter = this.probeCount === 0 ? 0 : this.#context.jitter();
    return this.path.probeDelayMs(this.probeCount, jitter);
  }

  #armProbe(nowMs: number): void {
    // RFC 9002, 6.2.1: not while a packet waits for its time threshold, which says more.
    const { ackElicitingInFlight, lossAtMs } = this.sent;
    if (ackElicitingInFlight === 0 || lossAtMs !== Number.POSITIVE_INFINITY || !this.path.maySend()) {
      this.#probeAtMs = Number.POSITIVE_INFINITY;
    } else {
      this.#probeAtMs = Math.max(nowMs, this.sent.lastAckElicitingAtMs + this.#probeDelayMs());
    }
  }

  /** The next datagram that may leave now, if any. Call until it gives none. */
  poll(nowMs: number): Transmit | undefined {
    if (this.#closed || !this.path.maySend(this.#first?.smallestBytes)) {
      this.path.pacer.stopWaiting();
      return undefined;
    }
    if (this.#smallProbeWanted && this.#probesAllowed > 0) {
      this.#smallProbeWanted = false;
      this.#pingWanted = true;
      return this.#build(0, false, nowMs);
    }
    const dataBytes = this.#dataAllowedBytes(nowMs);
    const mayAsk = this.#mayElicitAck();
    const controlWanted = (this.#outbox.hasControl && !this.#quiet) || this.#pingWanted || this.#proof.isDue;
    const ackDue = this.received.ackDueAtMs <= nowMs;
    // Before data: who is held up by neither window nor pacer would never come to it.
    const probe = dataBytes > 0 && this.path.mtu.state === 'searching' ? this.#mtuProbe(nowMs) : undefined;
    if (probe !== undefined) return probe;
    if (dataBytes > 0 || (controlWanted && mayAsk) || ackDue) {
      return this.#build(dataBytes, mayAsk && !this.#quiet, nowMs);
    }
    if (this.#duplicatesAtMs() <= nowMs) return this.#build(0, false, nowMs);
    return this.#mtuProbe(nowMs);
  }

  /** The answer to the handshake alone, of a session that is not (yet) the one in use. */
  pollHandshake(nowMs: number): Transmit | undefined {
    if (this.#closed || this.#first === undefined) return undefined;
    const { to, smallestBytes } = this.#first;
    // An answer to another address than the path's is well below three times the first datagram (P-80).
    if (sameAddress(to, this.path.address) && !this.path.maySend(smallestBytes)) return undefined;
    return this.#build(0, false, nowMs);
  }

  /**
   * False when so much waits to be acknowledged that nothing more is added: control frames are bound by no window,
   * but a peer that makes us say things and acknowledges none of them shall not fill our memory.
   */
  #mayElicitAck(): boolean {
    const { sent } = this;
    if (this.#probesAllowed > 0 || sent.ackElicitingInFlight < UNWINDOWED_PACKETS) return true;
    return sent.bytesInFlight < this.path.congestion.windowBytes;
  }

  /** Room for a datagram with message data: 0 when window, pacing or the peer's address forbid it. */
  #dataAllowedBytes(nowMs: number): number {
    this.#pacedAtMs = Number.POSITIVE_INFINITY;
    const { datagramBytes, congestion, pacer, rtt, sendAllowanceBytes } = this.path;
    if (this.#quiet || !this.#outbox.hasMessages || sendAllowanceBytes < MIN_DATAGRAM_BYTES) {
      pacer.stopWaiting();
      if (!this.#outbox.hasMessages) congestion.onAppLimited(this.sent.bytesInFlight);
      return 0;
    }
    if (this.#probesAllowed > 0) return MIN_DATAGRAM_BYTES;
    // P-67
    const windowLeft = congestion.windowBytes - this.sent.bytesInFlight;
    const size = Math.min(datagramBytes, Math.max(windowLeft, 0), sendAllowanceBytes);
    if (size < Math.min(datagramBytes, MIN_DATAGRAM_BYTES)) {
      pacer.stopWaiting();
      return 0;
    }
    pacer.setRate(nowMs, congestion.pacingBytesPerMs(rtt));
    const paced = pacer.nextSendAt(nowMs, size);
    if (paced > nowMs) {
      this.#pacedAtMs = paced;
      return 0;
    }
    // Whoever gets no processor fills no path: what is delivered then says little of what could be.
    if (pacer.behind) congestion.onAppLimited(this.sent.bytesInFlight);
    return size;
  }

  /** When duplicates want a datagram of their own. */
  #duplicatesAtMs(): number {
    if (!this.#hasSpareCapacity()) return Number.POSITIVE_INFINITY;
    return this.#duplicates.ownAtMs(this.#hasProbeLeft());
  }

  /** A probe timeout allows one packet more: it is for the duplicate of what the first one repeats. */
  #hasProbeLeft(): boolean {
    // P-121
    return this.probeCount > 0 && this.#probesAllowed > 0;
  }

  /** Nothing else waits for the path, and less than half of the window is in use. */
  #hasSpareCapacity(): boolean {
    if (this.#quiet || this.#first !== undefined || !this.path.trusted || this.#outbox.hasMessages)
      return false;
    return this.sent.bytesInFlight < this.path.congestion.windowBytes / 2;
  }

  #build(dataBytes: number, withControl: boolean, nowMs: number): Transmit | undefined {
    const { slab } = this.#context;
    const first = this.#first;
    const wantedBytes = dataBytes > 0 && first === undefined ? dataBytes : MIN_DATAGRAM_BYTES;
    const to = first?.to ?? this.path.address;
    const isOnPath = sameAddress(to, this.path.address);
    const sizeBytes = isOnPath ? Math.min(wantedBytes, this.path.sendAllowanceBytes) : wantedBytes;
    const { headerBytes, trailerBytes } = first?.acceptance ?? this.#keys;
    const packet = new PacketBuilder(slab.take(sizeBytes), headerBytes, trailerBytes);
    if (first !== undefined) {
      packet.at = first.writeHello(packet.buffer, packet.at);
      packet.ackEliciting = true;
    }
    // P-15, P-16
    this.received.fill(packet, nowMs);
    if (this.#mayElicitAck()) this.#proof.fill(packet);
    if (withControl) this.#outbox.fillControl(packet);
    if (dataBytes > 0) {
      const mayBeLost = this.path.losesLately || this.probeCount > 0;
      this.#outbox.fillMessages(packet, nowMs, mayBeLost ? this.#duplicates : undefined);
      this.#isCrowded = this.#outbox.hasMessages;
    }
    // P-118, P-120
    if (this.#hasSpareCapacity())
      this.#duplicates.fill(packet, packet.at === headerBytes, this.#hasProbeLeft(), nowMs);
    if (this.#pingWanted && this.#mayElicitAck() && !packet.ackEliciting) {
      packet.buffer[packet.at++] = FRAME.ping;
      packet.ackEliciting = true;
    }
    if (packet.at === headerBytes) return undefined;
    this.#pingWanted = false;
    this.#first = undefined;
    this.#observeSent(to, packet, headerBytes, first === undefined ? 'data' : 'resp');
    const bytes =
      first === undefined
        ? this.#keys.seal(packet.buffer, packet.at, this.sent.nextNumber)
        : first.acceptance.seal(packet.buffer, packet.at);
    return this.#send(to, bytes, packet.items, packet.ackEliciting, false, nowMs);
  }

  #send(
    to: PathAddress,
    bytes: Uint8Array,
    items: readonly SentItem[],
    ackEliciting: boolean,
    mtuProbe: boolean,
    nowMs: number,
  ): Transmit {
    const sizeBytes = bytes.length;
    this.#context.slab.commit(sizeBytes);
    this.sent.onSent({ sentAtMs: nowMs, sizeBytes, ackEliciting, mtuProbe, items });
    this.#duplicates.earn();
    this.#firstSentTo ??= to;
    if (sameAddress(to, this.path.address)) this.path.onSentBytes(sizeBytes);
    if (ackEliciting) {
      // A probe for the size is many times what it takes the place of: paced, it would hold everything up. So would
      // acknowledgements, of whoever receives a thousand times what it sends (P-67).
      if (!mtuProbe) {
        this.path.pacer.onSent(nowMs, sizeBytes);
        this.path.congestion.onSent(nowMs, sizeBytes, this.sent.bytesInFlight);
      }
      if (this.#probesAllowed > 0) this.#probesAllowed--;
      this.#armProbe(nowMs);
    }
    return { to, bytes };
  }

  /** Before it is sealed, while what is in it can be read. */
  #observeSent(peer: PathAddress, packet: PacketBuilder, headerBytes: number, kind: 'resp' | 'data'): void {
    this.#context.observer?.packetSent({
      peer,
      session: this.localSession,
      role: this.role,
      kind,
      packetNumber: this.sent.nextNumber,
      sizeBytes: packet.at + packet.buffer.length - packet.limit,
      frames: packet.buffer.subarray(headerBytes, packet.at),
    });
  }

  /** While more waits than one datagram carries, be it small calls, a larger one finds out whether the path carries it. */
  #mtuProbe(nowMs: number): Transmit | undefined {
    // P-83
    if (this.#mtuProbeInFlight || this.#first !== undefined || this.#quiet) return undefined;
    if (!this.confirmed || !this.path.trusted || this.sent.bytesInFlight === 0) return undefined;
    if (!this.#isCrowded) return undefined;
    const size = this.path.mtu.probeBytes(nowMs);
    if (size === undefined) return undefined;
    this.#mtuProbeInFlight = true;
    const { headerBytes, trailerBytes } = this.#keys;
    const packet = new PacketBuilder(this.#context.slab.take(size), headerBytes, trailerBytes);
    packet.buffer[packet.at++] = FRAME.ping;
    packet.padTo(packet.limit);
    this.#observeSent(this.path.address, packet, headerBytes, 'data');
    const bytes = this.#keys.seal(packet.buffer, packet.at, this.sent.nextNumber);
    return this.#send(this.path.address, bytes, [], true, true, nowMs);
  }
}
