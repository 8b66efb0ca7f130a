// How long answers take, per method and size, for one peer or for all together; and, from that, when a call
// is overdue (soft: look for another source) and when it is given up (hard). Formulas and reasons:
// spec/deadlines.md. It reads no clock, and leaves to the endpoint what counts as a sample.

import { DecayingHistogram } from './decaying-histogram.ts';

/** The path's round-trip time, as RFC 9002 estimates it. */
export interface RoundTripEstimate {
  readonly smoothedMs: number;
  readonly varianceMs: number;
}

/** What a time limit was taken from, to explain it with. */
export interface ResponseTimeEstimate {
  /** `cohort`: this peer has too few samples; `none`: so have all others. */
  readonly source: 'peer' | 'cohort' | 'none';
  /** Recent samples that it stands for; fewer than were taken, as old ones fade. */
  readonly samples: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

/** Fewer samples than this say nothing of a 95th percentile. */
const SAMPLES_MIN = 4;
const OVERDUE_FLOOR_MS = 30;
const OVERDUE_CAP_MS = 10_000;
const OVERDUE_UNKNOWN_MS = 500;
const MARGIN = 1.25;
/** No peer's own slowness is waited for longer than this, or than so many times what others need. */
const PATIENCE_MIN_MS = 1_000;
const PATIENCE_COHORTS = 8;

const DEADLINE_OVERDUES = 4;
/** Longer than a disk takes to spin up. */
const DEADLINE_FLOOR_MS = 15_000;
const DEADLINE_UNKNOWN_MS = 30_000;
const DEADLINE_CAP_MS = 60_000;

/** Upper bounds of the size classes, in bytes; the last class has none. */
const SIZE_CLASS_BOUNDS: readonly number[] = [16 * 1024, 128 * 1024, 1024 * 1024];

const PEER_METHODS_MAX = 16;
const COHORT_METHODS_MAX = 64;

/**
 * Response times of one peer, or, without a cohort of its own, of all peers of an endpoint. What is recorded
 * for a peer is recorded for its cohort too. Bounded: 16 methods of a peer (64 of a cohort), of which the one
 * not used for longest makes room, each with 4 size classes of 300 bytes, made when first used.
 *
 * Sizes are request and expected answer together. Times are those the caller sees, from the first byte sent;
 * they contain the network. What is not the peer's doing (our own stall, a silent network) is not recorded.
 */
export class ResponseTimes {
  readonly #cohort: ResponseTimes | undefined;
  readonly #methodsMax: number;
  readonly #methods = new Map<string, MethodTimes>();

  constructor(cohort?: ResponseTimes) {
    this.#cohort = cohort;
    this.#methodsMax = cohort === undefined ? COHORT_METHODS_MAX : PEER_METHODS_MAX;
  }

  /** A call was answered; an error that its handler gave is an answer too. */
  record(method: string, sizeBytes: number, elapsedMs: number, nowMs: number): void {
    this.#histogram(method, sizeBytes, nowMs).record(elapsedMs, nowMs);
    this.#cohort?.record(method, sizeBytes, elapsedMs, nowMs);
  }

  /**
   * A call was cancelled, or given up, unanswered after this long. Without these the estimate would be made
   * of the quick answers only.
   */
  recordAtLeast(method: string, sizeBytes: number, elapsedMs: number, nowMs: number): void {
    this.#histogram(method, sizeBytes, nowMs).recordAtLeast(elapsedMs, nowMs);
    this.#cohort?.recordAtLeast(method, sizeBytes, elapsedMs, nowMs);
  }

  /** What is known of such a call now. */
  estimate(method: string, sizeBytes: number, nowMs: number): ResponseTimeEstimate {
    const own = this.#known(method, sizeBytes, nowMs);
    if (own !== undefined && own.samples >= SAMPLES_MIN) return own;
    const cohort = this.#cohortEstimate(method, sizeBytes, nowMs);
    if (cohort !== undefined) return { ...cohort, source: 'cohort' };
    return own === undefined ? NOTHING_KNOWN : { ...own, source: 'none' };
  }

  /**
   * After how many milliseconds such a call is overdue, if it starts now. With n samples of 95th percentile
   * p95, and the path's smoothed round-trip time and variance:
   *
   *     overdue   = min(own, patience) + 4 variance                   with n >= 4
   *     overdue   = min(max(own, borrowed), patience) + 4 variance    with fewer
   *     own       = (1.25 + 2.5 / n) p95
   *     borrowed  = 1.25 p95 of the cohort + smoothed; 500 ms + smoothed if the cohort does not know either
   *     patience  = max(1 s, 8 p95 of the cohort) + smoothed
   *
   * and never less than 30 ms or more than 10 s.
   */
  overdueAfterMs(method: string, sizeBytes: number, nowMs: number, rtt: RoundTripEstimate): number {
    const own = this.#known(method, sizeBytes, nowMs);
    const cohort = this.#cohortEstimate(method, sizeBytes, nowMs);
    const ownMs = own === undefined ? 0 : withMarginMs(own);
    const enough = own !== undefined && own.samples >= SAMPLES_MIN;
    const wantedMs = enough ? ownMs : Math.max(ownMs, borrowedMs(cohort) + rtt.smoothedMs);
    const neededMs = Math.min(wantedMs, patienceMs(cohort) + rtt.smoothedMs);
    return clamp(neededMs + 4 * rtt.varianceMs, OVERDUE_FLOOR_MS, OVERDUE_CAP_MS);
  }

  /**
   * After how many milliseconds such a call is given up, if it starts now and its caller named no deadline:
   * 4 x (the larger of `own` and `borrowed`, as above, + 4 variance), at least 15 s and at most 60 s; 30 s if
   * nobody knows. It is there for handlers that hang: who vanishes from the network is noticed long before.
   */
  deadlineAfterMs(method: string, sizeBytes: number, nowMs: number, rtt: RoundTripEstimate): number {
    const own = this.#known(method, sizeBytes, nowMs);
    const cohort = this.#cohortEstimate(method, sizeBytes, nowMs);
    const ownMs = own === undefined ? 0 : withMarginMs(own);
    const known = cohort !== undefined || (own !== undefined && own.samples >= SAMPLES_MIN);
    const neededMs = Math.max(ownMs, borrowedMs(cohort) + rtt.smoothedMs) + 4 * rtt.varianceMs;
    const floorMs = known ? DEADLINE_FLOOR_MS : DEADLINE_UNKNOWN_MS;
    return clamp(DEADLINE_OVERDUES * neededMs, floorMs, DEADLINE_CAP_MS);
  }

  /** What this estimator itself has seen, however little. */
  #known(method: string, sizeBytes: number, nowMs: number): ResponseTimeEstimate | undefined {
    const histogram = this.#methods.get(method)?.classes[sizeClassOf(sizeBytes)];
    const samples = histogram?.weightAt(nowMs) ?? 0;
    // What has faded to less than half a sample is nothing.
    if (histogram === undefined || samples < 0.5) return undefined;
    return {
      source: 'peer',
      samples,
      medianMs: histogram.quantileMs(0.5),
      p95Ms: histogram.quantileMs(0.95),
    };
  }

  #cohortEstimate(method: string, sizeBytes: number, nowMs: number): ResponseTimeEstimate | undefined {
    if (this.#cohort === undefined) return undefined;
    const cohort = this.#cohort.#known(method, sizeBytes, nowMs);
    return cohort !== undefined && cohort.samples >= SAMPLES_MIN ? cohort : undefined;
  }

  #histogram(method: string, sizeBytes: number, nowMs: number): DecayingHistogram {
    let times = this.#methods.get(method);
    if (times === undefined) {
      if (this.#methods.size >= this.#methodsMax) this.#forgetOldest();
      times = { usedAtMs: nowMs, classes: [] };
      this.#methods.set(method, times);
    }
    times.usedAtMs = nowMs;
    const sizeClass = sizeClassOf(sizeBytes);
    times.classes[sizeClass] ??= new DecayingHistogram();
    return times.classes[sizeClass];
  }

  #forgetOldest(): void {
    let oldest: string | undefined;
    let usedAtMs = Number.POSITIVE_INFINITY;
    for (const [method, times] of this.#methods) {
      if (times.usedAtMs >= usedAtMs) continue;
      oldest = method;
      usedAtMs = times.usedAtMs;
    }
    if (oldest !== undefined) this.#methods.delete(oldest);
  }
}

interface MethodTimes {
  usedAtMs: number;
  /** By size class. */
  readonly classes: (DecayingHistogram | undefined)[];
}

const NOTHING_KNOWN: ResponseTimeEstimate = { source: 'none', samples: 0, medianMs: 0, p95Ms: 0 };

/** Few samples rarely contain the slow ones: the fewer, the wider the margin. */
function withMarginMs(own: ResponseTimeEstimate): number {
  return (MARGIN + (2 * MARGIN) / own.samples) * own.p95Ms;
}

function borrowedMs(cohort: ResponseTimeEstimate | undefined): number {
  return cohort === undefined ? OVERDUE_UNKNOWN_MS : MARGIN * cohort.p95Ms;
}

function patienceMs(cohort: ResponseTimeEstimate | undefined): number {
  if (cohort === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(PATIENCE_MIN_MS, PATIENCE_COHORTS * cohort.p95Ms);
}

function sizeClassOf(sizeBytes: number): number {
  const index = SIZE_CLASS_BOUNDS.findIndex((bound) => sizeBytes <= bound);
  return index < 0 ? SIZE_CLASS_BOUNDS.length : index;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
