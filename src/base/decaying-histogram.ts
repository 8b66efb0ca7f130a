// A distribution of durations that forgets: a log-spaced histogram of 56 buckets whose weight decays with each
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

/** Ageing by time is done in steps of this, to keep an exponential out of the way of most samples. */
const AGEING_STEP_MS = 1_000;

/** When a sample weighs this much, all weights are scaled down; what is then less than this part of one is dropped. */
const UNIT_MAX = 1e12;
const NEGLIGIBLE = 1e-9;

/**
 * Durations in milliseconds. About 200 bytes for those that are alike, as one peer's are, and 700 whatever it is fed. Instead
 * of making all older weights smaller with each sample, each sample weighs more than the one before it; only proportions
 * matter.
 */
export class DecayingHistogram {
  /** From the lowest bucket that ever had a sample to the highest one, of single precision. */
  #weights: number[] = [];
  #lowest = 0;
  #total = 0;
  /** What one sample weighs now. */
  #unit = 1;
  #agedAtMs = 0;
  #samples = 0;

  /** How many it has been given, faded or not: while that stays, so do the quantiles. */
  get samples(): number {
    return this.#samples;
  }

  /** Until then also {@link weightAt} stays, without a further sample. */
  get steadyUntilMs(): number {
    return this.#agedAtMs + AGEING_STEP_MS;
  }

  /** How many recent samples it stands for: 0 to 64. */
  weightAt(nowMs: number): number {
    const sinceMs = nowMs - this.#agedAtMs;
    const weight = this.#total / this.#unit;
    return sinceMs < AGEING_STEP_MS ? weight : weight * 2 ** (-sinceMs / HALF_LIFE_MS);
  }

  record(durationMs: number, nowMs: number): void {
    this.#age(nowMs);
    this.#add(bucketOf(durationMs));
    this.#total += this.#unit;
  }

  /**
   * A censored sample: it took at least this long, and how long nobody will know. It is spread over what is
   * known of durations as long as that or longer, in proportion (Efron's redistribution to the right, which
   * is the Kaplan-Meier estimate); where nothing is, it counts as exactly this long.
   */
  recordAtLeast(durationMs: number, nowMs: number): void {
    this.#age(nowMs);
    const weights = this.#weights;
    const bucket = bucketOf(durationMs);
    const first = Math.max(0, bucket - this.#lowest);
    let above = 0;
    for (let i = first; i < weights.length; i++) above += weights[i]!;
    if (above === 0) this.#add(bucket);
    else
      for (let i = first; i < weights.length; i++)
        weights[i] = Math.fround(weights[i]! * (1 + this.#unit / above));
    this.#total += this.#unit;
  }

  /** The duration that this part of the samples stays within, in milliseconds; 0 without samples. */
  quantileMs(part: number): number {
    // From the top, as the high quantiles are those that are asked for.
    let above = (1 - part) * this.#total;
    let last = 0;
    for (let i = this.#weights.length - 1; i >= 0; i--) {
      const weight = this.#weights[i]!;
      if (weight === 0) continue;
      const bucket = this.#lowest + i;
      if (above <= weight) return durationIn(bucket, 1 - above / weight);
      above -= weight;
      last = bucket;
    }
    return this.#total === 0 ? 0 : durationIn(last, 0);
  }

  #add(bucket: number): void {
    if (this.#weights.length === 0) this.#lowest = bucket;
    const below = this.#lowest - bucket;
    const above = -below - this.#weights.length + 1;
    // By `concat`, which makes room for no more than it needs: it happens a few times in the life of a histogram.
    if (below > 0) {
      this.#weights = new Array<number>(below).fill(0).concat(this.#weights);
      this.#lowest = bucket;
    } else if (above > 0) {
      this.#weights = this.#weights.concat(new Array<number>(above).fill(0));
    }
    const at = bucket - this.#lowest;
    this.#weights[at] = Math.fround(this.#weights[at]! + this.#unit);
  }

  #age(nowMs: number): void {
    this.#samples++;
    this.#unit /= KEPT_PER_SAMPLE;
    const sinceMs = nowMs - this.#agedAtMs;
    if (sinceMs >= AGEING_STEP_MS) {
      this.#unit *= 2 ** (sinceMs / HALF_LIFE_MS);
      this.#agedAtMs = nowMs;
    }
    if (this.#unit > UNIT_MAX) this.#scaleDown();
  }

  #scaleDown(): void {
    this.#total = 0;
    const weights = this.#weights;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]! / this.#unit;
      weights[i] = weight < NEGLIGIBLE ? 0 : Math.fround(weight);
      this.#total += weights[i]!;
    }
    this.#unit = 1;
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
