// A distribution of durations that forgets: a log-spaced histogram of 57 numbers whose weight decays with each
// sample and with time. What to do with its quantiles is response-times.ts.

/** Bucket 0 ends here; each later one is a third of an octave wide; the last holds all above 2^18 as much, 65 s. */
const FIRST_BOUND_MS = 0.25;
const BUCKETS_PER_OCTAVE = 3;
const BUCKETS = 1 + 18 * BUCKETS_PER_OCTAVE + 1;

/**
 * What a sample leaves of the weight of those before it: the total tends to 64, so that the 95th percentile
 * follows after 4 samples of something slower, and after 190 of something faster (64 ln 20).
 */
const KEPT_PER_SAMPLE = 1 - 1 / 64;

/** Weight halves in this time without samples: what is an hour old counts as a single sample, then as none. */
const HALF_LIFE_MS = 10 * 60_000;

/** Durations in milliseconds. About 300 bytes, whatever it is fed. */
export class DecayingHistogram {
  readonly #weights = new Float32Array(BUCKETS);
  #total = 0;
  #updatedAtMs = 0;

  /** How many recent samples it stands for: 0 to 64. */
  weightAt(nowMs: number): number {
    return this.#total * this.#agedBy(nowMs);
  }

  record(durationMs: number, nowMs: number): void {
    this.#age(nowMs);
    this.#weights[bucketOf(durationMs)]! += 1;
    this.#total += 1;
  }

  /**
   * A censored sample: it took at least this long, and how long nobody will know. It is spread over what is
   * known of durations as long as that or longer, in proportion (Efron's redistribution to the right, which
   * is the Kaplan-Meier estimate); where nothing is, it counts as exactly this long.
   */
  recordAtLeast(durationMs: number, nowMs: number): void {
    this.#age(nowMs);
    const first = bucketOf(durationMs);
    let above = 0;
    for (let i = first; i < BUCKETS; i++) above += this.#weights[i]!;
    if (above === 0) this.#weights[first] = 1;
    else for (let i = first; i < BUCKETS; i++) this.#weights[i]! *= 1 + 1 / above;
    this.#total += 1;
  }

  /** The duration that this part of the samples stays within, in milliseconds; 0 without samples. */
  quantileMs(part: number): number {
    let remaining = part * this.#total;
    let last = 0;
    for (let i = 0; i < BUCKETS; i++) {
      const weight = this.#weights[i]!;
      if (weight === 0) continue;
      if (remaining <= weight) return durationIn(i, remaining / weight);
      remaining -= weight;
      last = i;
    }
    return this.#total === 0 ? 0 : durationIn(last, 1);
  }

  #agedBy(nowMs: number): number {
    return 2 ** (-Math.max(0, nowMs - this.#updatedAtMs) / HALF_LIFE_MS);
  }

  #age(nowMs: number): void {
    const kept = KEPT_PER_SAMPLE * this.#agedBy(nowMs);
    let total = 0;
    for (let i = 0; i < BUCKETS; i++) {
      // Traces of what was long ago would slow the arithmetic down as denormal numbers.
      const weight = this.#weights[i]! * kept;
      this.#weights[i] = weight < 1e-6 ? 0 : weight;
      total += this.#weights[i]!;
    }
    this.#total = total;
    this.#updatedAtMs = Math.max(nowMs, this.#updatedAtMs);
  }
}

function bucketOf(durationMs: number): number {
  if (!(durationMs > FIRST_BOUND_MS)) return 0;
  const bucket = Math.ceil(BUCKETS_PER_OCTAVE * Math.log2(durationMs / FIRST_BOUND_MS));
  return Math.min(bucket, BUCKETS - 1);
}

/** The duration at this part, 0 to 1, of a bucket's width. */
function durationIn(bucket: number, part: number): number {
  if (bucket === 0) return FIRST_BOUND_MS * part;
  return FIRST_BOUND_MS * 2 ** ((bucket - 1 + part) / BUCKETS_PER_OCTAVE);
}
