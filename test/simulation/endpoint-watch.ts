// Looks into one endpoint of a run through its observer: what it tells its driver, what its packets carry. Breaches of
// the protocol that the callers would never notice are found here, and the rare paths that only the endpoint knows of.

import type { EndpointEvent } from '../../src/protocol/events.ts';
import type { EndpointObserver, ObservedPacket, ObservedSession } from '../../src/protocol/observer.ts';
import { formatAddress } from '../../src/protocol/path.ts';
import { decodeFrames } from '../../src/wire/frame.ts';
import type { AmplificationWatch } from './amplification-watch.ts';
import type { Findings } from './violations.ts';

/** What a server has seen of one session's calls. */
interface SeenCalls {
  /** Ids of which some request has come. */
  readonly requested: Set<number>;
  /** Ids that were cancelled before anything of them had come. */
  readonly tombstones: Set<number>;
}

/** Watches one process's endpoint, from its start to its end. */
export class EndpointWatch implements EndpointObserver {
  readonly #findings: Findings;
  readonly #amplification: AmplificationWatch;
  readonly #host: string;
  readonly #forgetsClients: boolean;
  readonly #settled = new Set<number>();
  readonly #cancelled = new Set<number>();
  readonly #silentPeers = new Set<string>();
  /** By client: sessions of one client share its calls. */
  readonly #seen = new Map<number, SeenCalls>();
  readonly #epochs = new Map<number, number>();
  readonly #datagramBytes = new Map<number, number>();

  /** `forgetsClients`: with a client, the server forgets which of its calls were cancelled. */
  constructor(host: string, forgetsClients: boolean, findings: Findings, amplification: AmplificationWatch) {
    this.#forgetsClients = forgetsClients;
    this.#host = host;
    this.#findings = findings;
    this.#amplification = amplification;
  }

  packetSent({ role, peer, frames }: ObservedPacket): void {
    if (role === 'client') {
      if (this.#silentPeers.has(formatAddress(peer))) this.#findings.saw('probe after silence');
      return;
    }
    for (const frame of decodeFrames(frames) ?? []) {
      if (frame.type === 'path-challenge') this.#amplification.challenged(this.#host, peer, frame.token);
      if (frame.type === 'unknown') this.#findings.saw('caller told that its answer is gone');
    }
  }

  packetReceived({ role, session, frames: bytes }: ObservedPacket): void {
    if (role === 'client') return;
    const frames = decodeFrames(bytes) ?? [];
    const [hello] = frames;
    if (hello?.type === 'hello') {
      this.#epochs.set(session, hello.epoch);
      // Made for another incarnation: the server looks no further.
      if (hello.knownEpoch !== 0) return;
    }
    for (const frame of frames) {
      switch (frame.type) {
        case 'path-response':
          if (this.#amplification.proved(this.#host, frame.token)) {
            this.#findings.saw('client moved by NAT proved its new address');
          }
          break;
        case 'request-start':
        case 'request': {
          const seen = this.#callsOf(session);
          if (seen.tombstones.has(frame.callId)) this.#findings.saw('tombstone hit');
          seen.requested.add(frame.callId);
          break;
        }
        case 'cancel':
          for (const [first, last] of frame.ranges) this.#onCancel(session, first, last);
          break;
        default:
      }
    }
  }

  packetLost(): void {}

  datagramDropped(): void {}

  sessionUpdated({ localSession, path, probeCount }: ObservedSession): void {
    const before = this.#datagramBytes.get(localSession) ?? path.datagramBytes;
    if (path.datagramBytes > before) this.#findings.saw('larger datagrams found to pass');
    if (path.datagramBytes < before) this.#findings.saw('black hole detected');
    this.#datagramBytes.set(localSession, path.datagramBytes);
    if (probeCount === 3) this.#findings.saw('persistent congestion');
  }

  callStarted(): void {}

  callCancelled(callId: number): void {
    if (!this.#settled.has(callId)) this.#cancelled.add(callId);
  }

  event(event: EndpointEvent): void {
    switch (event.type) {
      case 'answered':
      case 'failed':
        if (this.#settled.has(event.callId)) {
          this.#findings.violated(
            'settles-once',
            `call id ${event.callId} of ${this.#host} settled again: ${event.type}`,
          );
        }
        if (this.#cancelled.has(event.callId)) {
          this.#findings.violated(
            'nothing-after-cancel',
            `call id ${event.callId} of ${this.#host}: ${event.type}`,
          );
        }
        this.#settled.add(event.callId);
        break;
      case 'request': {
        const { clientEpoch, callId } = event.ref;
        if (!this.#forgetsClients && this.#seen.get(clientEpoch)?.tombstones.has(callId)) {
          this.#findings.violated(
            'tombstone',
            `call id ${callId} ran at ${this.#host} after its cancel had come`,
          );
        }
        break;
      }
      case 'peer-silent':
        this.#findings.saw('peer silent');
        this.#silentPeers.add(formatAddress(event.address));
        break;
      case 'peer-back':
        this.#findings.saw('peer back');
        this.#silentPeers.delete(formatAddress(event.address));
        break;
      default:
    }
  }

  #onCancel(session: number, first: number, last: number): void {
    const { requested, tombstones } = this.#callsOf(session);
    for (let callId = first; callId <= last; callId++) {
      if (requested.has(callId) || tombstones.has(callId)) continue;
      this.#findings.saw('cancel before its request');
      tombstones.add(callId);
    }
  }

  #callsOf(session: number): SeenCalls {
    const epoch = this.#epochs.get(session) ?? 0;
    let seen = this.#seen.get(epoch);
    if (seen === undefined) {
      seen = { requested: new Set(), tombstones: new Set() };
      this.#seen.set(epoch, seen);
    }
    return seen;
  }
}
