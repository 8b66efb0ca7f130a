// How large a datagram may be on one path: packetization layer path MTU discovery (RFC 8899; for QUIC, RFC 9000,
// section 14.3). It decides which size is tried next and what the fate of datagrams says of the path; link.ts sends
// the probes, and its loss detection stands for the RFC's PROBE_TIMER: a probe has failed when later packets arrived.
//
//   disabled ──► base ──► searching ──► complete ──► searching …      a black hole leads back to base from anywhere;
//                 └──► error                                          not even 1200 bytes arriving, to error

import { MIN_DATAGRAM_BYTES } from '../wire/datagram.ts';
import type { ProtocolConfig } from './config.ts';

/** RFC 8899, section 5.2. */
export type PathMtuState =
  /** No session yet: nothing but first datagrams are sent, of BASE_PLPMTU. */
  | 'disabled'
  /** 1200 bytes (BASE_PLPMTU) are assumed to pass, and are to be confirmed. */
  | 'base'
  /** Larger sizes are tried. */
  | 'searching'
  /** The largest size was found; it is looked for again when the raise timer is over. */
  | 'complete'
  /** 1200 bytes do not pass, though smaller datagrams do: not even a session can be begun here. */
  | 'error';

export type PathMtuEvent =
  | 'session'
  | 'base-passed'
  | 'base-failed'
  | 'search-ended'
  | 'raise'
  | 'black-hole'
  | 'retry'
  | 'moved';

/** What each event does in each state; what is not listed changes nothing. */
export const PATH_MTU_TRANSITIONS: Readonly<
  Record<PathMtuState, Readonly<Partial<Record<PathMtuEvent, PathMtuState>>>>
> = {
  disabled: { session: 'base' },
  base: { 'base-passed': 'searching', 'base-failed': 'error' },
  searching: {
    'search-ended': 'complete',
    'black-hole': 'base',
    'base-failed': 'error',
    moved: 'base',
  },
  complete: { raise: 'searching', 'black-hole': 'base', 'base-failed': 'error', moved: 'base' },
  error: { 'base-passed': 'searching', retry: 'base', moved: 'base' },
};

/** Sizes tried above the minimum, besides the ceiling itself: common link MTUs less IPv6 and UDP headers. */
const COMMON_SIZES: readonly number[] = [32_720, 16_336, 8_940, 4_048, 1_452];

/** The search ends when what is not known is no more than this part of what passes: less is not worth its probes. */
const WORTHWHILE_GAIN = 1 / 32;

/** RFC 8899, 4.3: so many times large datagrams were lost, and none arrived meanwhile: that is no congestion. */
const LARGE_LOSSES_MAX = 3;

/** RFC 8899, 5.1.1: no less between two attempts on a path that carries nothing. */
const RETRY_MS = 1000;

/** A datagram of at least this size tells of 1200 bytes: pieces end a little short of what they may fill. */
const ABOUT_BASE_BYTES = MIN_DATAGRAM_BYTES - 50;

/** The size of datagrams on one path. Sizes are those of UDP payloads, in bytes. */
export class PathMtu {
  state: PathMtuState = 'disabled';
  /** So often a path was found that carries less than 1200 bytes. */
  errors = 0;
  readonly #config: ProtocolConfig;
  readonly #onSize: (datagramBytes: number) => void;
  #datagramBytes: number = MIN_DATAGRAM_BYTES;
  /** MAX_PLPMTU: what both interfaces carry. */
  #ceilingBytes: number = MIN_DATAGRAM_BYTES;
  /** The smallest size that failed; Infinity when none has. */
  #failedBytes = Number.POSITIVE_INFINITY;
  /** PROBE_COUNT of sizes that may have failed, or may have been unlucky. */
  readonly #probesLost = new Map<number, number>();
  /** Losses of large datagrams since one of them arrived. */
  #largeLosses = 0;
  /** When sizes that failed are tried again (PMTU_RAISE_TIMER), and when a path in error is. */
  #againAtMs = Number.POSITIVE_INFINITY;

  /** `onSize` is told of each change of {@link datagramBytes}. */
  constructor(config: ProtocolConfig, onSize: (datagramBytes: number) => void) {
    this.#config = config;
    this.#onSize = onSize;
  }

  /** What one datagram may be now (PLPMTU). */
  get datagramBytes(): number {
    return this.#datagramBytes;
  }

  /** A session begins; `ceilingBytes`: the largest datagram that interface and receiver take. */
  onSession(ceilingBytes: number): void {
    this.#ceilingBytes = Math.max(MIN_DATAGRAM_BYTES, ceilingBytes);
    this.#apply('session');
    if (this.#datagramBytes > this.#ceilingBytes) this.#restart('black-hole');
    // What was found of this path may be found again, up to another ceiling.
    if (this.state === 'complete' && this.#nextBytes() !== undefined) this.#apply('raise');
  }

  /** The path leads somewhere else: nothing is known of it. */
  onMoved(): void {
    this.#failedBytes = Number.POSITIVE_INFINITY;
    this.#restart('moved');
  }

  /** The size that is to be probed next, if any is: asked when there is much to send. */
  probeBytes(nowMs: number): number | undefined {
    switch (this.state) {
      case 'disabled':
        return undefined;
      case 'base':
        return MIN_DATAGRAM_BYTES;
      case 'error':
        if (nowMs < this.#againAtMs) return undefined;
        this.#restart('retry');
        return MIN_DATAGRAM_BYTES;
      case 'complete':
        if (nowMs < this.#againAtMs) return undefined;
        this.#failedBytes = Number.POSITIVE_INFINITY;
        this.#apply('raise');
        return this.#searched(nowMs);
      case 'searching':
        return this.#searched(nowMs);
      default:
        return this.state satisfies never;
    }
  }

  onProbeAcked(sizeBytes: number): void {
    this.onArrived(sizeBytes);
    if (this.state !== 'searching' || sizeBytes <= this.#datagramBytes) return;
    // One that was slower than others of its size, which count as lost.
    if (sizeBytes >= this.#failedBytes) this.#failedBytes = Number.POSITIVE_INFINITY;
    // One of which a probe was lost before passes after all: so may the larger ones.
    if (this.#probesLost.has(sizeBytes)) this.#probesLost.clear();
    this.#largeLosses = 0;
    this.#setSize(sizeBytes);
  }

  onProbeLost(sizeBytes: number, nowMs: number): void {
    if (!this.#isInQuestion(sizeBytes)) return;
    const lost = (this.#probesLost.get(sizeBytes) ?? 0) + 1;
    this.#probesLost.set(sizeBytes, lost);
    if (lost < this.#config.mtuProbesMax) return;
    if (this.state === 'base') {
      this.#fail(nowMs);
      return;
    }
    this.#failedBytes = sizeBytes;
    for (const size of this.#probesLost.keys()) if (size >= sizeBytes) this.#probesLost.delete(size);
  }

  /** A datagram of this size arrived. */
  onArrived(sizeBytes: number): void {
    if (this.#isLarge(sizeBytes)) this.#largeLosses = 0;
    if (sizeBytes < ABOUT_BASE_BYTES) return;
    if (this.state === 'base' || this.state === 'error') {
      this.#probesLost.clear();
      this.#apply('base-passed');
    }
  }

  /** Datagrams were lost, perhaps many at once, the largest of them of this size. */
  onLost(largestBytes: number, nowMs: number): void {
    if (this.#isLarge(largestBytes) && ++this.#largeLosses >= LARGE_LOSSES_MAX) this.onBlackHole(nowMs);
  }

  /** Datagrams of the size in use arrive no longer, or perhaps nothing does. */
  onBlackHole(nowMs: number): void {
    // P-87
    if (this.#datagramBytes > MIN_DATAGRAM_BYTES) this.#failedBytes = this.#datagramBytes;
    this.#againAtMs = nowMs + this.#config.mtuRaiseMs;
    this.#restart('black-hole');
  }

  /** The local network refuses datagrams of this size: its interface, or what a router has told it. */
  onTooLong(sizeBytes: number, nowMs: number): void {
    if (sizeBytes <= MIN_DATAGRAM_BYTES) {
      this.#fail(nowMs);
      return;
    }
    this.#failedBytes = Math.min(this.#failedBytes, sizeBytes);
    this.#probesLost.clear();
    if (this.#datagramBytes < sizeBytes) return;
    this.#againAtMs = nowMs + this.#config.mtuRaiseMs;
    this.#restart('black-hole');
  }

  #apply(event: PathMtuEvent): void {
    this.state = PATH_MTU_TRANSITIONS[this.state][event] ?? this.state;
  }

  /** Back to what every path carries. */
  #restart(event: 'black-hole' | 'moved' | 'retry'): void {
    this.#apply(event);
    this.#probesLost.clear();
    this.#largeLosses = 0;
    this.#setSize(MIN_DATAGRAM_BYTES);
  }

  #fail(nowMs: number): void {
    this.#setSize(MIN_DATAGRAM_BYTES);
    this.#largeLosses = 0;
    this.#probesLost.clear();
    this.#apply('base-failed');
    this.#againAtMs = nowMs + RETRY_MS;
    this.errors++;
  }

  #setSize(datagramBytes: number): void {
    if (datagramBytes === this.#datagramBytes) return;
    this.#datagramBytes = datagramBytes;
    this.#onSize(datagramBytes);
  }

  /** Whether the fate of a datagram of this size says something of the size in use. */
  #isLarge(sizeBytes: number): boolean {
    const { datagramBytes } = this;
    return datagramBytes > MIN_DATAGRAM_BYTES
      ? sizeBytes > MIN_DATAGRAM_BYTES
      : sizeBytes >= ABOUT_BASE_BYTES;
  }

  #searched(nowMs: number): number | undefined {
    const sizeBytes = this.#nextBytes();
    if (sizeBytes === undefined) {
      this.#againAtMs = nowMs + this.#config.mtuRaiseMs;
      this.#apply('search-ended');
    }
    return sizeBytes;
  }

  #isInQuestion(sizeBytes: number): boolean {
    if (this.state === 'base') return sizeBytes === MIN_DATAGRAM_BYTES;
    return this.state === 'searching' && sizeBytes > this.#datagramBytes && sizeBytes < this.#failedBytes;
  }

  /**
   * The largest common size that may pass; where these have been tried, the middle of what is not known; at last the
   * smallest size of which a probe was lost, once more. So a size that passes is found after one lost probe for each
   * larger one, and only the one above it is tried three times.
   */
  #nextBytes(): number | undefined {
    const passes = this.#datagramBytes;
    if (passes >= this.#ceilingBytes) return undefined;
    const fails = Math.min(this.#failedBytes, ...this.#probesLost.keys());
    if (this.#ceilingBytes < fails) return this.#ceilingBytes;
    const common = COMMON_SIZES.find((size) => size > passes && size < fails);
    if (common !== undefined) return common;
    if (fails - passes > passes * WORTHWHILE_GAIN) return (passes + fails) >> 1;
    return fails < this.#failedBytes ? fails : undefined;
  }
}
