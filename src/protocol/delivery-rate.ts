// How fast a path delivers: after draft-cheng-iccrg-delivery-rate-estimation, as draft-ietf-ccwg-bbr section 4.1
// has it. What the draft notes on each packet is noted here once for all packets of one instant, and found again
// by the time of sending, so that loss recovery need not carry it. What to do with the rate is bbr.ts.

/** What the acknowledgement of a packet tells of the time between its sending and now. */
export interface RateSample {
  /** 0 when nothing can be said. */
  readonly bytesPerMs: number;
  /** The sender had nothing more to send at some time, so that the path may be faster than this. */
  readonly appLimited: boolean;
  /** Delivered in all when the packet was sent: tells rounds apart. */
  readonly deliveredBefore: number;
  /** In flight when the packet was sent, itself included. */
  readonly inFlightBytes: number;
  /** Delivered between its sending and now, and lost: about one flight. */
  readonly deliveredBytes: number;
  readonly lostBytes: number;
  readonly roundTripMs: number;
}

/** The counters as they stood when a packet was sent. */
interface Checkpoint {
  readonly sentAtMs: number;
  readonly deliveredBytes: number;
  readonly deliveredAtMs: number;
  /** When the first packet of the flight was sent that this packet belongs to. */
  readonly flightBeganAtMs: number;
  readonly lostBytes: number;
  appLimited: boolean;
  inFlightBytes: number;
}

/** Counts what one path delivers. */
export class DeliveryRate {
  #deliveredBytes = 0;
  #deliveredAtMs = 0;
  #lostBytes = 0;
  #flightBeganAtMs = 0;
  /** Samples are {@link RateSample.appLimited} until more than this has been delivered; 0: they are not. */
  #appLimitedUntilBytes = 0;
  /** In order of time; those before `#first` are behind us. */
  #checkpoints: Checkpoint[] = [];
  #first = 0;

  /** In all. */
  get deliveredBytes(): number {
    return this.#deliveredBytes;
  }

  get appLimited(): boolean {
    return this.#appLimitedUntilBytes > 0;
  }

  /** A packet was sent; `inFlightBytes` includes it. */
  onSent(nowMs: number, sentBytes: number, inFlightBytes: number): void {
    if (inFlightBytes === sentBytes) {
      this.#flightBeganAtMs = nowMs;
      this.#deliveredAtMs = nowMs;
      this.#checkpoints = [];
      this.#first = 0;
    }
    const last = this.#checkpoints.at(-1);
    if (last?.sentAtMs === nowMs && last.deliveredBytes === this.#deliveredBytes) {
      last.inFlightBytes = inFlightBytes;
      last.appLimited = this.appLimited;
      return;
    }
    this.#checkpoints.push({
      sentAtMs: nowMs,
      deliveredBytes: this.#deliveredBytes,
      deliveredAtMs: this.#deliveredAtMs,
      flightBeganAtMs: this.#flightBeganAtMs,
      lostBytes: this.#lostBytes,
      appLimited: this.appLimited,
      inFlightBytes,
    });
  }

  /** The sender has nothing more to send, though it might: what is in flight says little about the path. */
  onAppLimited(inFlightBytes: number): void {
    this.#appLimitedUntilBytes = Math.max(1, this.#deliveredBytes + inFlightBytes);
  }

  onLost(lostBytes: number): void {
    this.#lostBytes += lostBytes;
  }

  /** Packets were acknowledged, the newest of which was sent at `largestSentAtMs`. */
  onAcked(nowMs: number, ackedBytes: number, largestSentAtMs: number): RateSample {
    this.#deliveredBytes += ackedBytes;
    this.#deliveredAtMs = nowMs;
    if (this.appLimited && this.#deliveredBytes > this.#appLimitedUntilBytes) this.#appLimitedUntilBytes = 0;
    const roundTripMs = nowMs - largestSentAtMs;
    const sent = this.#checkpointOf(largestSentAtMs);
    if (sent === undefined)
      return { ...NO_SAMPLE, deliveredBefore: this.#deliveredBytes - ackedBytes, roundTripMs };

    // The slower of the rates of sending and of acknowledging: neither a burst that was sent nor one of
    // acknowledgements that were held up together is the path's rate.
    const sendMs = sent.sentAtMs - sent.flightBeganAtMs;
    const intervalMs = Math.max(sendMs, nowMs - sent.deliveredAtMs);
    this.#flightBeganAtMs = sent.sentAtMs;
    return {
      bytesPerMs: intervalMs > 0 ? (this.#deliveredBytes - sent.deliveredBytes) / intervalMs : 0,
      appLimited: sent.appLimited,
      deliveredBefore: sent.deliveredBytes,
      inFlightBytes: sent.inFlightBytes,
      deliveredBytes: this.#deliveredBytes - sent.deliveredBytes,
      lostBytes: this.#lostBytes - sent.lostBytes,
      roundTripMs,
    };
  }

  /** The last one at or before this time; those before it are dropped. */
  #checkpointOf(sentAtMs: number): Checkpoint | undefined {
    const checkpoints = this.#checkpoints;
    let at = this.#first;
    if (at >= checkpoints.length || checkpoints[at]!.sentAtMs > sentAtMs) return undefined;
    while (at + 1 < checkpoints.length && checkpoints[at + 1]!.sentAtMs <= sentAtMs) at++;
    if (at > COMPACT_ABOVE && at * 2 > checkpoints.length) {
      this.#checkpoints = checkpoints.slice(at);
      at = 0;
    }
    this.#first = at;
    return this.#checkpoints[at];
  }
}

const COMPACT_ABOVE = 64;

const NO_SAMPLE = {
  bytesPerMs: 0,
  appLimited: true,
  inFlightBytes: 0,
  deliveredBytes: 0,
  lostBytes: 0,
} as const;
