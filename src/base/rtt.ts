// Round-trip time of one path, as in RFC 9002, section 5. It is kept on the peer, not on a call or session.

/** Smoothed, variance, minimum and latest round-trip time, in milliseconds. */
export class RttEstimator {
  latestMs: number;
  smoothedMs: number;
  varianceMs: number;
  minMs: number = Number.POSITIVE_INFINITY;
  #sampled = false;

  constructor(initialMs: number) {
    this.latestMs = initialMs;
    this.smoothedMs = initialMs;
    this.varianceMs = initialMs / 2;
  }

  /** False until the first acknowledgement: the values are a guess. */
  get sampled(): boolean {
    return this.#sampled;
  }

  /**
   * `sampleMs` from sending a packet to its acknowledgement, of which the peer says it held it `ackDelayMs`.
   * RFC 9002, 5.3: the delay is subtracted unless that would go below the minimum.
   */
  update(sampleMs: number, ackDelayMs: number): void {
    const sample = Math.max(sampleMs, 0.001);
    this.latestMs = sample;
    this.minMs = Math.min(this.minMs, sample);
    const adjusted = sample >= this.minMs + ackDelayMs ? sample - ackDelayMs : sample;
    if (!this.#sampled) {
      this.#sampled = true;
      this.smoothedMs = adjusted;
      this.varianceMs = adjusted / 2;
      return;
    }
    this.varianceMs += (Math.abs(this.smoothedMs - adjusted) - this.varianceMs) / 4;
    this.smoothedMs += (adjusted - this.smoothedMs) / 8;
  }

  /** Probe timeout without backoff (RFC 9002, 6.2.1). */
  probeTimeoutMs(granularityMs: number, maxAckDelayMs: number): number {
    return this.smoothedMs + Math.max(4 * this.varianceMs, granularityMs) + maxAckDelayMs;
  }
}
