// What is known of the way to one peer, whichever session is on it: address, round-trip time and what is lost, congestion
// window, datagram size, when a probe is due, and how much may be sent before the address has proved itself.

import { RttEstimator } from '../base/rtt.ts';
import { MIN_DATAGRAM_BYTES } from '../wire/datagram.ts';
import { BbrController } from './bbr.ts';
import type { ProtocolConfig } from './config.ts';
import type { CongestionController } from './congestion.ts';
import { CubicController } from './cubic.ts';
import { Pacer } from './pacer.ts';
import { PathMtu } from './path-mtu.ts';

/** A UDP address as the protocol sees it: compared and printed, never interpreted. */
export interface PathAddress {
  readonly host: string;
  readonly port: number;
}

/** RFC 9000, section 8: bytes sent per byte received before an address is validated. */
const AMPLIFICATION_FACTOR = 3;

/** Room for a header, an acknowledgement of one range and a challenge: with less to send, nothing is sent. */
const SMALLEST_PACKET_BYTES = 64;

/** Doublings of the probe timeout at most. */
const MAX_BACKOFF_DOUBLINGS = 10;

/** What is assumed of a path that nothing is known of. */
const LOSS_RATE_PRIOR = 0.05;
const LOSS_RATE_GAIN = 1 / 64;

/** Fates of packets that a loss is remembered for: at a loss of 1 % there is none in so many once in 150 times. */
const LOSS_REMEMBERED_PACKETS = 500;

/** The way to one peer. */
export class Path {
  address: PathAddress;
  readonly rtt: RttEstimator;
  readonly congestion: CongestionController;
  readonly pacer: Pacer;
  readonly mtu: PathMtu;
  /** What was sent before this time says nothing of how long anything takes: we have stood still since. */
  stalledUntilMs: number = Number.NEGATIVE_INFINITY;
  readonly #config: ProtocolConfig;
  /** Part of our packets that did not arrive, of the last hundred or so. */
  #lossRate = LOSS_RATE_PRIOR;
  /** Packets that have arrived since one did not. */
  #arrivedSinceLoss = Number.POSITIVE_INFINITY;
  /** Bytes that may yet be sent to an address that has not answered; Infinity once it has. */
  #sendAllowance = Number.POSITIVE_INFINITY;

  /** `random`, in [0, 1), is for the congestion controller: flows must not probe in step. */
  constructor(
    address: PathAddress,
    config: ProtocolConfig,
    random: () => number = () => 0.5,
    rtt: RttEstimator = new RttEstimator(config.initialRttMs),
  ) {
    this.address = address;
    this.#config = config;
    this.rtt = rtt;
    this.congestion =
      config.congestion === 'bbr'
        ? new BbrController(MIN_DATAGRAM_BYTES, random)
        : new CubicController(MIN_DATAGRAM_BYTES);
    this.pacer = new Pacer();
    this.mtu = new PathMtu(config, (datagramBytes) => {
      this.congestion.setDatagramBytes(datagramBytes);
      this.pacer.setDatagramBytes(datagramBytes);
    });
  }

  /** Without backoff. */
  get probeTimeoutMs(): number {
    const { granularityMs, maxAckDelayMs, maxProbeTimeoutMs } = this.#config;
    // P-65
    return Math.min(this.rtt.probeTimeoutMs(granularityMs, maxAckDelayMs), maxProbeTimeoutMs);
  }

  /**
   * The time until the next probe, after so many without an answer (RFC 9002, 6.2.1): doubled with each of them up to a
   * bound, and longer by up to a tenth, as `jitter` says, in [0, 1).
   */
  probeDelayMs(unanswered: number, jitter: number): number {
    const timeoutMs = this.probeTimeoutMs;
    const backedOffMs = timeoutMs * 2 ** Math.min(unanswered, MAX_BACKOFF_DOUBLINGS);
    // P-65
    const boundMs = Math.max(2 * timeoutMs, this.#config.maxProbeDistanceMs);
    return Math.min(backedOffMs, boundMs) * (1 + 0.1 * jitter);
  }

  onPacketFate(lost: boolean): void {
    this.#lossRate += ((lost ? 1 : 0) - this.#lossRate) * LOSS_RATE_GAIN;
    this.#arrivedSinceLoss = lost ? 0 : this.#arrivedSinceLoss + 1;
  }

  /** One of our last packets did not arrive; of a fresh path nothing is assumed. */
  get losesLately(): boolean {
    return this.#arrivedSinceLoss < LOSS_REMEMBERED_PACKETS;
  }

  /** Part of our recent packets that did not arrive, 0 to 1; of a fresh path, what is assumed. */
  get lossRate(): number {
    return this.#lossRate;
  }

  /** Probability that a probe or its answer is lost though the peer is there; as much is lost on the way back. */
  get probeLossProbability(): number {
    return 1 - (1 - this.#lossRate) ** 2;
  }

  /** What one datagram may be now, in bytes. */
  get datagramBytes(): number {
    return this.mtu.datagramBytes;
  }

  /** From now on only a multiple of what comes from the address goes to it. */
  distrust(): void {
    this.#sendAllowance = 0;
  }

  get trusted(): boolean {
    return this.#sendAllowance === Number.POSITIVE_INFINITY;
  }

  trust(): void {
    this.#sendAllowance = Number.POSITIVE_INFINITY;
  }

  onReceivedBytes(sizeBytes: number): void {
    // P-80
    this.#sendAllowance += AMPLIFICATION_FACTOR * sizeBytes;
  }

  onSentBytes(sizeBytes: number): void {
    this.#sendAllowance -= sizeBytes;
  }

  /** False while a packet of so many bytes must not go to an address that has not proved itself. */
  maySend(sizeBytes: number = SMALLEST_PACKET_BYTES): boolean {
    return this.#sendAllowance >= sizeBytes;
  }

  get sendAllowanceBytes(): number {
    return this.#sendAllowance;
  }
}

export function sameAddress(a: PathAddress, b: PathAddress): boolean {
  return a === b || (a.port === b.port && a.host === b.host);
}

/** `127.0.0.1:4820`, `[::1]:4820`. */
export function formatAddress(address: PathAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
