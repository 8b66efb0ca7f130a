// What is known of the way to one peer, whichever session is on it: address, round-trip time, congestion window,
// datagram size, and how much may be sent before the address has proved itself.

import { RttEstimator } from '../base/rtt.ts';
import { MIN_DATAGRAM_BYTES } from '../wire/datagram.ts';
import { BbrController } from './bbr.ts';
import type { ProtocolConfig } from './config.ts';
import type { CongestionController } from './congestion.ts';
import { CubicController } from './cubic.ts';
import { Pacer } from './pacer.ts';

/** A UDP address as the protocol sees it: compared and printed, never interpreted. */
export interface PathAddress {
  readonly host: string;
  readonly port: number;
}

/** RFC 9000, section 8: bytes sent per byte received before an address is validated. */
const AMPLIFICATION_FACTOR = 3;

/** Room for a header, an acknowledgement of one range and a challenge: with less to send, nothing is sent. */
const SMALLEST_PACKET_BYTES = 64;

/** What is assumed of a path that nothing is known of. */
const LOSS_RATE_PRIOR = 0.05;
const LOSS_RATE_GAIN = 1 / 64;

/** RFC 8899, 4.3: so many losses of large datagrams, none of which arrived meanwhile, are no congestion. */
const LARGE_LOSSES_MAX = 3;

/** Sizes tried above the minimum, besides the ceiling itself: common link MTUs less IPv6 and UDP headers. */
const DATAGRAM_STEPS: readonly number[] = [32_720, 16_336, 8_940, 4_048, 1_452];

/** The way to one peer. */
export class Path {
  address: PathAddress;
  readonly rtt: RttEstimator;
  readonly congestion: CongestionController;
  readonly pacer: Pacer;
  /** What one datagram may be now. */
  datagramBytes: number = MIN_DATAGRAM_BYTES;
  /** What was sent before this time says nothing of how long anything takes: we have stood still since. */
  stalledUntilMs: number = Number.NEGATIVE_INFINITY;
  /** Part of our packets that did not arrive, of the last hundred or so. */
  #lossRate = LOSS_RATE_PRIOR;
  /** Losses of datagrams above the minimum since one of them arrived. */
  #largeLosses = 0;
  /** Sizes still worth a probe, largest first; RFC 8899 in its simplest form. */
  #probeSizes: number[] = [];
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
    this.rtt = rtt;
    this.congestion =
      config.congestion === 'bbr'
        ? new BbrController(MIN_DATAGRAM_BYTES, random)
        : new CubicController(MIN_DATAGRAM_BYTES);
    this.pacer = new Pacer();
  }

  onPacketFate(lost: boolean): void {
    this.#lossRate += ((lost ? 1 : 0) - this.#lossRate) * LOSS_RATE_GAIN;
  }

  /** Part of our recent packets that did not arrive, 0 to 1; of a fresh path, what is assumed. */
  get lossRate(): number {
    return this.#lossRate;
  }

  /** Probability that a probe or its answer is lost though the peer is there; as much is lost on the way back. */
  get probeLossProbability(): number {
    return 1 - (1 - this.#lossRate) ** 2;
  }

  /** The largest datagram that interface and receiver take: sizes up to it will be tried. */
  setCeiling(ceilingBytes: number): void {
    const ceiling = Math.max(MIN_DATAGRAM_BYTES, ceilingBytes);
    this.#probeSizes = [ceiling, ...DATAGRAM_STEPS].filter(
      (size) => size <= ceiling && size > this.datagramBytes,
    );
  }

  /** The size to probe next, if any is left. */
  get probeBytes(): number | undefined {
    return this.#probeSizes[0];
  }

  onProbeAcked(sizeBytes: number): void {
    if (sizeBytes <= this.datagramBytes) return;
    this.#setDatagramBytes(sizeBytes);
    this.#probeSizes = this.#probeSizes.filter((size) => size > sizeBytes);
  }

  onProbeLost(sizeBytes: number): void {
    this.#probeSizes = this.#probeSizes.filter((size) => size < sizeBytes);
  }

  onLargeArrived(): void {
    this.#largeLosses = 0;
  }

  /** Datagrams above the minimum were lost, perhaps several at once; smaller ones may still arrive. */
  onLargeLost(): void {
    if (this.datagramBytes > MIN_DATAGRAM_BYTES && ++this.#largeLosses >= LARGE_LOSSES_MAX)
      this.onBlackHole();
  }

  /** A size that worked no longer does (RFC 8899, black hole): back to what every path carries. */
  onBlackHole(): void {
    this.#setDatagramBytes(MIN_DATAGRAM_BYTES);
    this.#probeSizes = [];
    this.#largeLosses = 0;
  }

  #setDatagramBytes(sizeBytes: number): void {
    this.datagramBytes = sizeBytes;
    this.congestion.setDatagramBytes(sizeBytes);
    this.pacer.setDatagramBytes(sizeBytes);
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

  /** False while not even a small packet may go to an address that has not proved itself. */
  get maySend(): boolean {
    return this.#sendAllowance >= SMALLEST_PACKET_BYTES;
  }

  get sendAllowanceBytes(): number {
    return this.#sendAllowance;
  }
}

export function sameAddress(a: PathAddress, b: PathAddress): boolean {
  return a.port === b.port && a.host === b.host;
}

/** `127.0.0.1:4820`, `[::1]:4820`. */
export function formatAddress(address: PathAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
