// Which handshakes have been seen of late, so that none is accepted twice. Together with the timestamp inside a first
// datagram, which is refused when it is older or newer than the horizon, it need not remember for long.

/** A first datagram is good for so long before and after the time that it names. */
export const HORIZON_MS = 60_000;

/** One from a clock that is ahead stays good for twice the horizon. */
const GENERATION_MS: number = 2 * HORIZON_MS;

/** Two generations of ephemeral keys; both together are never larger than `limit`. */
export class StrikeRegister {
  readonly #limit: number;
  #young = new Set<string>();
  #old = new Set<string>();
  #youngSinceMs = Number.NEGATIVE_INFINITY;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** `full`: whether it was seen is not known, and this one will not be known either. */
  add(ephemeralKey: Uint8Array, nowMs: number): 'new' | 'seen' | 'full' {
    if (nowMs - this.#youngSinceMs >= GENERATION_MS) {
      this.#old = nowMs - this.#youngSinceMs >= 2 * GENERATION_MS ? new Set() : this.#young;
      this.#young = new Set();
      this.#youngSinceMs = nowMs;
    }
    // Half of the key: nobody makes two handshakes of his own collide with another one's.
    const key = Buffer.from(ephemeralKey.buffer, ephemeralKey.byteOffset, 16).toString('latin1');
    if (this.#young.has(key) || this.#old.has(key)) return 'seen';
    if (this.size >= this.#limit) return 'full';
    this.#young.add(key);
    return 'new';
  }
}
