// How long answers take, per method and size, for one peer or for all together; and, from that, when a call
// is overdue (soft: look for another source) and when it is given up (hard). Formulas and reasons:
// spec/deadlines.md. It reads no clock, and leaves to the endpoint what counts as a sample.

import type { CallLimits, TimeLimitBasis } from './call-report.ts';
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
  /** Of response times less the path's round trip. */
  readonly medianMs: number;
  readonly p95Ms: number;
}

/** Both limits of a call, and what they follow from. */
export type TimeLimits = Omit<CallLimits, 'deadline'>;

/** Those of a call whose caller named no deadline. */
export interface LearntLimits extends CallLimits {
  readonly deadline: 'adaptive';
}

/** One row of what is known. Times are response times less the path's round trip. */
export interface ResponseTimeRow {
  readonly method: string;
  /** Request and expected answer together are at most this large; Infinity for the last class. */
  readonly sizeMaxBytes: number;
  readonly samples: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

/** Fewer samples than this say nothing of a 95th percentile. */
const SAMPLES_MIN = 4;
/** What has faded to less than half a sample is nothing. */
const SAMPLE_FADED = 0.5;
const OVERDUE_FLOOR_MS = 30;
const OVERDUE_CAP_MS = 10_000;
const OVERDUE_UNKNOWN_MS = 500;
const MARGIN = 1.3;
const MARGIN_OF_FEW = 2.5;
/** No peer's own slowness is waited for longer than this, or than so many times what others need. */
const PATIENCE_MIN_MS = 1_000;
const PATIENCE_COHORTS = 8;

const DEADLINE_OVERDUES = 4;
/** Longer than a disk takes to spin up. */
const DEADLINE_FLOOR_MS = 15_000;
const DEADLINE_UNKNOWN_MS = 30_000;
const DEADLINE_CAP_MS = 60_000;

const PEER_METHODS_MAX = 16;
const COHORT_METHODS_MAX = 64;

/**
 * The part of a response time that is the path's: a round trip, but no more than what the peer says it did not hold the
 * request for. The rest is recorded: the handler's time, and that of everything that a message needs beyond one trip.
 */
export function networkMsOf(elapsedMs: number, heldMs: number, rtt: RoundTripEstimate): number {
  return Math.min(rtt.smoothedMs, Math.max(0, elapsedMs - heldMs));
}

/**
 * Response times of one peer, or, without a cohort of its own, of all peers of an endpoint. What is recorded
 * for a peer is recorded for its cohort too. Bounded: 16 methods of a peer (64 of a cohort), of which the one
 * not used for longest makes room, each with 4 size classes (up to 16 KiB, 128 KiB, 1 MiB, more) of 200 to 700
 * bytes, made when first used.
 *
 * Sizes are request and expected answer together. Times are those that the caller sees, from the first byte sent, less
 * the path's round trip ({@link networkMsOf}): the path is added as it is when a limit is asked for. What is not the
 * peer's doing (our own stall, a silent network) is not recorded.
 */
export class ResponseTimes {
  readonly #cohort: ResponseTimes | undefined;
  readonly #methodsMax: number;
  /** Made when first needed: most known peers are never called. */
  #methods: Map<string, MethodTimes> | undefined;

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
    const own = this.#find(method, sizeBytes);
    const samples = own?.weightAt(nowMs) ?? 0;
    const cohort = samples >= SAMPLES_MIN ? undefined : this.#inCohort(method, sizeBytes, nowMs);
    const from = cohort ?? own;
    return {
      source: samples >= SAMPLES_MIN ? 'peer' : cohort === undefined ? 'none' : 'cohort',
      samples: from?.weightAt(nowMs) ?? 0,
      medianMs: from?.quantileMs(0.5) ?? 0,
      p95Ms: from?.quantileMs(0.95) ?? 0,
    };
  }

  /**
   * After how many milliseconds such a call is overdue, if it starts now. With n samples of 95th percentile
   * p95, and the path's smoothed round-trip time and variance:
   *
   *     overdue   = network + min(own, patience)                   with n >= 4
   *     overdue   = network + min(max(own, borrowed), patience)    with fewer
   *     network   = smoothed + 4 variance
   *     own       = (1.3 + 2.5 / n) p95
   *     borrowed  = 1.3 p95 of the cohort; 500 ms if the cohort does not know either
   *     patience  = max(1 s, 8 p95 of the cohort)
   *
   * and never less than 30 ms or more than 10 s.
   */
  overdueAfterMs(method: string, sizeBytes: number, nowMs: number, rtt: RoundTripEstimate): number {
    return overdueAfterMs(this.#known(method, sizeBytes, nowMs), rtt);
  }

  /**
   * After how many milliseconds such a call is given up, if it starts now and its caller named no deadline:
   * 4 x (`network` + the larger of `own` and `borrowed`, as above), at least 15 s and at most 60 s; 30 s if
   * nobody knows. It is there for handlers that hang: who vanishes from the network is noticed long before.
   */
  deadlineAfterMs(method: string, sizeBytes: number, nowMs: number, rtt: RoundTripEstimate): number {
    return deadlineAfterMs(this.#known(method, sizeBytes, nowMs), rtt);
  }

  /**
   * {@link overdueAfterMs} and {@link deadlineAfterMs} together, with what they follow from: the same object for as long
   * as nothing changes, as many calls may begin at once.
   */
  limits(method: string, sizeBytes: number, nowMs: number, rtt: RoundTripEstimate): LearntLimits {
    const times = this.#methods?.get(method);
    const sizeClass = sizeClassOf(sizeBytes);
    const own = times?.classes[sizeClass];
    if (times === undefined || own === undefined) return this.#limits(method, sizeBytes, nowMs, rtt);
    const cohort = this.#cohort === undefined ? undefined : this.#cohort.#find(method, sizeBytes);
    const last = times.limits[sizeClass];
    if (last !== undefined && isStill(last, own, cohort, nowMs, rtt)) return last.limits;
    const limits = this.#limits(method, sizeBytes, nowMs, rtt);
    times.limits[sizeClass] = { limits, samples: own.samples, cohort, cohortSamples: cohort?.samples ?? 0 };
    return limits;
  }

  /** Limits are computed anew when next asked for: what is remembered of a peer that sleeps is the times alone. */
  forgetLimits(): void {
    for (const { limits } of this.#methods?.values() ?? []) limits.length = 0;
  }

  #limits(method: string, sizeBytes: number, nowMs: number, rtt: RoundTripEstimate): LearntLimits {
    const known = this.#known(method, sizeBytes, nowMs);
    const { samples, p95Ms, cohortSamples, cohortP95Ms } = known;
    const source = samples >= SAMPLES_MIN ? 'peer' : cohortSamples > 0 ? 'cohort' : 'none';
    const { smoothedMs, varianceMs } = rtt;
    return {
      deadline: 'adaptive',
      overdueAfterMs: overdueAfterMs(known, rtt),
      deadlineAfterMs: deadlineAfterMs(known, rtt),
      basis: {
        source,
        samples,
        p95Ms,
        cohortSamples,
        cohortP95Ms,
        smoothedRttMs: smoothedMs,
        rttVarianceMs: varianceMs,
      },
    };
  }

  /** Everything that is known now, method by method, in the order in which they were first called. */
  rows(nowMs: number): ResponseTimeRow[] {
    const rows: ResponseTimeRow[] = [];
    for (const [method, { classes }] of this.#methods ?? []) {
      for (const [sizeClass, histogram] of classes.entries()) {
        if (histogram === undefined) continue;
        rows.push({
          method,
          sizeMaxBytes: SIZE_CLASS_MAX_BYTES[sizeClass]!,
          samples: histogram.weightAt(nowMs),
          medianMs: histogram.quantileMs(0.5),
          p95Ms: histogram.quantileMs(0.95),
        });
      }
    }
    return rows;
  }

  #known(method: string, sizeBytes: number, nowMs: number): KnownTimes {
    const own = this.#find(method, sizeBytes);
    const samples = own?.weightAt(nowMs) ?? 0;
    const cohort = this.#inCohort(method, sizeBytes, nowMs);
    return {
      samples,
      p95Ms: own === undefined || samples < SAMPLE_FADED ? 0 : own.quantileMs(0.95),
      cohortSamples: cohort?.weightAt(nowMs) ?? 0,
      cohortP95Ms: cohort?.quantileMs(0.95) ?? 0,
    };
  }

  #find(method: string, sizeBytes: number): DecayingHistogram | undefined {
    return this.#methods?.get(method)?.classes[sizeClassOf(sizeBytes)];
  }

  /** What all peers together show, if that is enough to go by. */
  #inCohort(method: string, sizeBytes: number, nowMs: number): DecayingHistogram | undefined {
    if (this.#cohort === undefined) return undefined;
    const histogram = this.#cohort.#find(method, sizeBytes);
    return histogram !== undefined && histogram.weightAt(nowMs) >= SAMPLES_MIN ? histogram : undefined;
  }

  #histogram(method: string, sizeBytes: number, nowMs: number): DecayingHistogram {
    this.#methods ??= new Map();
    let times = this.#methods.get(method);
    if (times === undefined) {
      if (this.#methods.size >= this.#methodsMax) forgetOldest(this.#methods);
      times = { usedAtMs: nowMs, classes: [undefined, undefined, undefined, undefined], limits: [] };
      this.#methods.set(method, times);
    }
    times.usedAtMs = nowMs;
    const sizeClass = sizeClassOf(sizeBytes);
    times.classes[sizeClass] ??= new DecayingHistogram();
    return times.classes[sizeClass];
  }
}

interface MethodTimes {
  usedAtMs: number;
  readonly classes: [Known, Known, Known, Known];
  /** By size class, what was answered last. */
  readonly limits: (KnownLimits | undefined)[];
}

type Known = DecayingHistogram | undefined;

/** Limits, and what was known when they were computed; the path is in their basis. */
interface KnownLimits {
  readonly limits: LearntLimits;
  readonly samples: number;
  readonly cohort: Known;
  readonly cohortSamples: number;
}

/** Whether computing them again would give the same. */
function isStill(
  { limits, samples, cohort, cohortSamples }: KnownLimits,
  own: DecayingHistogram,
  cohortNow: Known,
  nowMs: number,
  rtt: RoundTripEstimate,
): boolean {
  const { smoothedRttMs, rttVarianceMs } = limits.basis;
  return (
    own.samples === samples &&
    nowMs < own.steadyUntilMs &&
    cohortNow === cohort &&
    (cohort === undefined || (cohort.samples === cohortSamples && nowMs < cohort.steadyUntilMs)) &&
    rtt.smoothedMs === smoothedRttMs &&
    rtt.varianceMs === rttVarianceMs
  );
}

function forgetOldest(methods: Map<string, MethodTimes>): void {
  let oldest: string | undefined;
  let usedAtMs = Number.POSITIVE_INFINITY;
  for (const [method, times] of methods) {
    if (times.usedAtMs >= usedAtMs) continue;
    oldest = method;
    usedAtMs = times.usedAtMs;
  }
  if (oldest !== undefined) methods.delete(oldest);
}

/** What the limits follow from besides the path. No cohort to go by: `cohortSamples` is 0. */
type KnownTimes = Pick<TimeLimitBasis, 'samples' | 'p95Ms' | 'cohortSamples' | 'cohortP95Ms'>;

function overdueAfterMs(known: KnownTimes, rtt: RoundTripEstimate): number {
  const { samples, cohortSamples, cohortP95Ms } = known;
  let neededMs = ownMs(known);
  if (samples < SAMPLES_MIN) neededMs = Math.max(neededMs, borrowedMs(known));
  if (cohortSamples > 0) {
    neededMs = Math.min(neededMs, Math.max(PATIENCE_MIN_MS, PATIENCE_COHORTS * cohortP95Ms));
  }
  return clamp(neededMs + networkMs(rtt), OVERDUE_FLOOR_MS, OVERDUE_CAP_MS);
}

function deadlineAfterMs(known: KnownTimes, rtt: RoundTripEstimate): number {
  const neededMs = Math.max(ownMs(known), borrowedMs(known));
  const anybodyKnows = known.samples >= SAMPLES_MIN || known.cohortSamples > 0;
  const floorMs = anybodyKnows ? DEADLINE_FLOOR_MS : DEADLINE_UNKNOWN_MS;
  return clamp(DEADLINE_OVERDUES * (neededMs + networkMs(rtt)), floorMs, DEADLINE_CAP_MS);
}

/** The path's part of a response time that is not unusual. */
function networkMs({ smoothedMs, varianceMs }: RoundTripEstimate): number {
  return smoothedMs + 4 * varianceMs;
}

/** Few samples rarely contain the slow ones: the fewer, the wider the margin. */
function ownMs({ samples, p95Ms }: KnownTimes): number {
  return samples < SAMPLE_FADED ? 0 : (MARGIN + MARGIN_OF_FEW / samples) * p95Ms;
}

function borrowedMs({ cohortSamples, cohortP95Ms }: KnownTimes): number {
  return cohortSamples === 0 ? OVERDUE_UNKNOWN_MS : MARGIN * cohortP95Ms;
}

type SizeClass = 0 | 1 | 2 | 3;

const SIZE_CLASS_MAX_BYTES = [16 * 1024, 128 * 1024, 1024 * 1024, Number.POSITIVE_INFINITY] as const;

function sizeClassOf(sizeBytes: number): SizeClass {
  if (sizeBytes <= SIZE_CLASS_MAX_BYTES[0]) return 0;
  if (sizeBytes <= SIZE_CLASS_MAX_BYTES[1]) return 1;
  return sizeBytes <= SIZE_CLASS_MAX_BYTES[2] ? 2 : 3;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
