// Looks into one endpoint of a run through its observer: what it tells its driver, what its packets carry. Breaches of
// the protocol that the callers would never notice are found here, and the rare paths that only the endpoint knows of.

import { Intervals } from '../../src/base/intervals.ts';
import type { EndpointEvent } from '../../src/protocol/events.ts';
import type {
  EndpointObserver,
  ObservedCall,
  ObservedPacket,
  ObservedSession,
} from '../../src/protocol/observer.ts';
import { formatAddress } from '../../src/protocol/path.ts';
import { decodeFrames, type Frame } from '../../src/wire/frame.ts';
import type { AmplificationWatch } from './amplification-watch.ts';
import type { Findings } from './violations.ts';

/** What a server has seen of one client's calls. */
interface SeenCalls {
  /** Ids of which some request has come. */
  readonly requested: Set<number>;
  /** Ids whose whole request came in a first datagram. */
  readonly wholeInInit: Set<number>;
  /** Ids of which a handler was started. */
  readonly ran: Set<number>;
  /** Ids that were cancelled. */
  readonly cancelled: Set<number>;
  /** Those of them of which nothing had come before. */
  readonly tombstones: Set<number>;
}

/** What the watch needs to know of the world. */
export interface WatchedWorld {
  readonly findings: Findings;
  readonly amplification: AmplificationWatch;
  /** With a client, a server forgets which of its calls were cancelled. */
  readonly forgetsClients: boolean;
  /** What a round trip may take that has seemed to take so long, and just ended. */
  rttMsMax(seemedMs: number): number;
  /** On the clock of this process's machine. */
  nowMs(): number;
}

/** Watches one process's endpoint, from its start to its end. */
export class EndpointWatch implements EndpointObserver {
  readonly #findings: Findings;
  readonly #amplification: AmplificationWatch;
  readonly #host: string;
  readonly #world: WatchedWorld;
  readonly #forgetsClients: boolean;
  readonly #settled = new Set<number>();
  readonly #cancelled = new Set<number>();
  /** Calls that have not settled, by peer. */
  readonly #outstanding = new Map<string, Set<number>>();
  readonly #peerOf = new Map<number, string>();
  readonly #silentPeers = new Set<string>();
  /** By client: sessions of one client share its calls. */
  readonly #seen = new Map<number, SeenCalls>();
  readonly #epochs = new Map<number, number>();
  readonly #received = new Map<number, Intervals>();
  /** The packet that is being read is a first datagram. */
  #inInit = false;
  readonly #datagramBytes = new Map<number, number>();

  constructor(host: string, world: WatchedWorld) {
    const { findings, amplification, forgetsClients } = world;
    this.#host = host;
    this.#findings = findings;
    this.#amplification = amplification;
    this.#forgetsClients = forgetsClients;
    this.#world = world;
  }

  // ---- packets

  packetSent({ role, peer, session, frames }: ObservedPacket): void {
    if (role === 'client' && this.#silentPeers.has(formatAddress(peer)))
      this.#findings.saw('probe after silence');
    for (const frame of decodeFrames(frames) ?? []) {
      if (frame.type === 'ack') this.#checkAck(session, frame.ranges);
      else if (role === 'client') this.#checkClientFrame(frame);
      else this.#checkServerFrame(frame, session);
      if (role === 'server' && frame.type === 'path-challenge')
        this.#amplification.challenged(this.#host, peer, frame.token);
    }
  }

  packetReceived({ role, kind, session, packetNumber, frames: bytes }: ObservedPacket): void {
    this.#noteReceived(session, packetNumber);
    this.#inInit = role === 'server' && kind === 'init';
    if (role === 'client') return;
    const frames = decodeFrames(bytes) ?? [];
    const [hello] = frames;
    if (hello?.type === 'hello') {
      this.#epochs.set(session, hello.epoch);
      // Made for another incarnation: the server looks no further.
      if (hello.knownEpoch !== 0) return;
    }
    for (const frame of frames) this.#onServerFrame(frame, session);
  }

  packetLost(): void {}

  datagramDropped(): void {}

  #noteReceived(session: number, packetNumber: number): void {
    let received = this.#received.get(session);
    if (received === undefined) {
      received = new Intervals();
      this.#received.set(session, received);
    }
    if (received.add(packetNumber, packetNumber + 1) > 0) return;
    this.#findings.violated('packet-once', `${this.#host} took packet ${packetNumber} twice`);
  }

  #checkAck(session: number, ranges: readonly (readonly [number, number])[]): void {
    const received = this.#received.get(session);
    for (const [first, last] of ranges) {
      if (received?.gaps(first, last + 1, 1).length === 0) continue;
      this.#findings.violated(
        'honest-ack',
        `${this.#host} acknowledges ${first} to ${last}, and not all came`,
      );
    }
  }

  #checkClientFrame(frame: Frame): void {
    if (frame.type !== 'request' && frame.type !== 'request-start') return;
    if (!this.#cancelled.has(frame.callId)) return;
    this.#findings.violated(
      'nothing-after-cancel',
      `${this.#host} sends a piece of call id ${frame.callId}, which is cancelled`,
    );
  }

  #checkServerFrame(frame: Frame, session: number): void {
    if (frame.type === 'unknown') this.#findings.saw('caller told that its answer is gone');
    if (frame.type !== 'response' && frame.type !== 'response-start') return;
    if (this.#forgetsClients || !this.#callsOf(session).cancelled.has(frame.callId)) return;
    this.#findings.violated(
      'nothing-after-cancel',
      `${this.#host} answers call id ${frame.callId}, whose cancel has come`,
    );
  }

  #onServerFrame(frame: Frame, session: number): void {
    switch (frame.type) {
      case 'path-response':
        if (this.#amplification.proved(this.#host, frame.token)) {
          this.#findings.saw('client moved by NAT proved its new address');
        }
        break;
      case 'request-start':
      case 'request': {
        const seen = this.#callsOf(session);
        const { callId } = frame;
        if (seen.tombstones.has(callId)) this.#findings.saw('tombstone hit');
        seen.requested.add(callId);
        if (this.#inInit && frame.data.length === frame.total && !seen.ran.has(callId)) {
          seen.wholeInInit.add(callId);
        }
        break;
      }
      case 'cancel':
        for (const [first, last] of frame.ranges) this.#onCancel(session, first, last);
        break;
      default:
        // What comes after a first datagram is another packet.
        break;
    }
  }

  #onCancel(session: number, first: number, last: number): void {
    const { requested, tombstones, cancelled } = this.#callsOf(session);
    for (let callId = first; callId <= last; callId++) {
      cancelled.add(callId);
      if (requested.has(callId) || tombstones.has(callId)) continue;
      this.#findings.saw('cancel before its request');
      tombstones.add(callId);
    }
  }

  #callsOf(session: number): SeenCalls {
    const epoch = this.#epochs.get(session) ?? 0;
    let seen = this.#seen.get(epoch);
    if (seen === undefined) {
      seen = {
        requested: new Set(),
        wholeInInit: new Set(),
        ran: new Set(),
        cancelled: new Set(),
        tombstones: new Set(),
      };
      this.#seen.set(epoch, seen);
    }
    return seen;
  }

  sessionUpdated({ localSession, role, path, probeCount }: ObservedSession): void {
    const maxMs = this.#world.rttMsMax(path.rtt.latestMs);
    if (role === 'client' && path.rtt.sampled && path.rtt.latestMs > maxMs) {
      this.#findings.violated(
        'plausible-rtt',
        `a round trip of ${this.#host} took ${path.rtt.latestMs} ms, and at most ${maxMs} are possible`,
      );
    }
    const before = this.#datagramBytes.get(localSession) ?? path.datagramBytes;
    if (path.datagramBytes > before) this.#findings.saw('larger datagrams found to pass');
    if (path.datagramBytes < before) this.#findings.saw('black hole detected');
    this.#datagramBytes.set(localSession, path.datagramBytes);
    if (probeCount === 3) this.#findings.saw('persistent congestion');
  }

  // ---- calls

  callStarted({ callId, peer }: ObservedCall): void {
    const address = formatAddress(peer);
    this.#peerOf.set(callId, address);
    const outstanding = this.#outstanding.get(address) ?? new Set();
    this.#outstanding.set(address, outstanding.add(callId));
  }

  callCancelled(callId: number): void {
    if (this.#settled.has(callId)) return;
    this.#cancelled.add(callId);
    this.#noLongerOutstanding(callId);
  }

  #noLongerOutstanding(callId: number): void {
    const address = this.#peerOf.get(callId);
    if (address !== undefined) this.#outstanding.get(address)?.delete(callId);
  }

  event(event: EndpointEvent): void {
    switch (event.type) {
      case 'answered':
      case 'failed':
        this.#onSettled(event);
        break;
      case 'request':
        this.#onRequest(event);
        break;
      case 'peer-silent': {
        this.#findings.saw('peer silent');
        if (event.why === 'frozen') this.#findings.saw('peer found frozen');
        const address = formatAddress(event.address);
        this.#silentPeers.add(address);
        const left = this.#outstanding.get(address)?.size ?? 0;
        if (left > 0) {
          this.#findings.violated(
            'silent-at-once',
            `${this.#host} finds ${address} silent and lets ${left} calls wait on`,
          );
        }
        break;
      }
      case 'peer-back':
        this.#findings.saw('peer back');
        this.#silentPeers.delete(formatAddress(event.address));
        break;
      default:
    }
  }

  #onSettled({ type, callId }: Extract<EndpointEvent, { type: 'answered' | 'failed' }>): void {
    if (this.#settled.has(callId)) {
      this.#findings.violated('settles-once', `call id ${callId} of ${this.#host} settled again: ${type}`);
    }
    if (this.#cancelled.has(callId)) {
      this.#findings.violated('nothing-after-cancel', `call id ${callId} of ${this.#host}: ${type}`);
    }
    this.#settled.add(callId);
    this.#noLongerOutstanding(callId);
  }

  #onRequest({ ref, deadlineAtMs }: Extract<EndpointEvent, { type: 'request' }>): void {
    const { clientEpoch, callId } = ref;
    const nowMs = this.#world.nowMs();
    if (deadlineAtMs <= nowMs) {
      this.#findings.violated(
        'expired',
        `call id ${callId} runs at ${this.#host} ${nowMs - deadlineAtMs} ms after its deadline`,
      );
    }
    const seen = this.#seen.get(clientEpoch);
    if (seen === undefined) return;
    if (seen.wholeInInit.has(callId) && !this.#inInit) this.#findings.saw('request parked at first contact');
    seen.ran.add(callId);
    if (!this.#forgetsClients && seen.tombstones.has(callId)) {
      this.#findings.violated(
        'tombstone',
        `call id ${callId} ran at ${this.#host} after its cancel had come`,
      );
    }
  }
}
