// CUBIC (RFC 9438) over bytes instead of segments, with the recovery periods of RFC 9002 section 7.3 and
// HyStart++ to leave slow start. It leaves to others what was lost (loss recovery) and when to send (pacer).
//
// Theory of operation. Slow start grows by what is acknowledged until a loss, or until HyStart++ sees a queue
// build up. Each loss event multiplies the window by 0.7, at most once per round trip, and begins an epoch. In
// an epoch the window follows W_cubic(t) = C (t - K)^3 + W_max: steep, flat around the window at which the loss
// came, then steep again; but never below what Reno would have (W_est), which governs on short round trips.

import {
  type AckedEvent,
  type CongestionController,
  initialWindowBytes,
  type LostEvent,
  minimumWindowBytes,
  type RoundTrips,
} from './congestion.ts';
import { HyStart } from './hystart.ts';

/** RFC 9438 section 4: C, in segments per second cubed, and the factor of a loss. */
const C = 0.4;
const BETA = 0.7;
/** Section 4.3: what makes Reno with this beta as fast as Reno with one half. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);

/** RFC 9002 section 7.7. */
const PACING_GAIN = 1.25;

/** A growth curve, from one loss event (or the end of slow start) to the next. */
interface Epoch {
  /** When it began; moved forward over times in which the sender did not need the window (section 4.2). */
  startMs: number;
  /** W_max: the plateau. */
  readonly plateauBytes: number;
  /** The window that the epoch began with. */
  readonly beganWithBytes: number;
  /** W_est: the window that Reno would have. */
  renoBytes: number;
}

/** One path's window by CUBIC. Times in milliseconds of one monotonic clock. */
export class CubicController implements CongestionController {
  #datagramBytes: number;
  #windowBytes: number;
  #thresholdBytes = Number.POSITIVE_INFINITY;
  /** Undefined in slow start, and until the first acknowledgement after it. */
  #epoch: Epoch | undefined;
  /** W_max as the last loss event left it, and the window before that event (cwnd_prior). */
  #plateauBytes = 0;
  #priorBytes = 0;
  /** Losses of packets sent at or before this time belong to the last loss event. */
  #recoveryStartMs = Number.NEGATIVE_INFINITY;
  #slowStart = new HyStart();
  #lastAckedMs = 0;

  /** 1200 bytes is what every path carries (RFC 9000 section 14). */
  constructor(datagramBytes: number = 1200) {
    this.#datagramBytes = datagramBytes;
    this.#windowBytes = initialWindowBytes(datagramBytes);
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** The slow start threshold, `Infinity` before the first loss; for traces and tests. */
  get thresholdBytes(): number {
    return this.#thresholdBytes;
  }

  get inSlowStart(): boolean {
    return this.#windowBytes < this.#thresholdBytes;
  }

  pacingBytesPerMs(rtt: RoundTrips): number {
    return rtt.smoothedMs > 0 ? (PACING_GAIN * this.#windowBytes) / rtt.smoothedMs : Number.POSITIVE_INFINITY;
  }

  onSent(nowMs: number, sentBytes: number, inFlightBytes: number): void {
    if (this.#epoch === undefined || inFlightBytes > sentBytes) return;
    // The path was idle: the curve does not climb while nothing tests it (RFC 9438 section 4.2).
    this.#epoch.startMs += nowMs - this.#lastAckedMs;
    this.#lastAckedMs = nowMs;
  }

  /** {@link AckedEvent.appLimited} is all that CUBIC wants to know of it. */
  onAppLimited(): void {}

  onAcked(event: AckedEvent): void {
    const sinceLastMs = event.nowMs - this.#lastAckedMs;
    this.#lastAckedMs = event.nowMs;
    if (event.largestSentAtMs <= this.#recoveryStartMs) return;
    if (event.appLimited) {
      if (this.#epoch !== undefined) this.#epoch.startMs += sinceLastMs;
    } else if (this.inSlowStart) {
      this.#growInSlowStart(event);
    } else {
      this.#growInAvoidance(event);
    }
  }

  onLost(event: LostEvent): void {
    if (event.largestSentAtMs <= this.#recoveryStartMs) return;
    this.#recoveryStartMs = event.nowMs;
    this.#priorBytes = this.#windowBytes;
    // Fast convergence (section 4.7): who lost below the last plateau makes room for a newcomer.
    this.#plateauBytes =
      this.#windowBytes < this.#plateauBytes ? (this.#windowBytes * (1 + BETA)) / 2 : this.#windowBytes;
    this.#windowBytes = Math.max(this.#windowBytes * BETA, minimumWindowBytes(this.#datagramBytes));
    this.#thresholdBytes = this.#windowBytes;
    this.#epoch = undefined;
  }

  onPersistentCongestion(): void {
    // onLost has set the threshold; the window starts anew below it (RFC 9002 section 7.6.2), and the curve
    // after it has its plateau where slow start will end (RFC 9438 section 4.8).
    this.#windowBytes = minimumWindowBytes(this.#datagramBytes);
    this.#plateauBytes = 0;
    this.#recoveryStartMs = Number.NEGATIVE_INFINITY;
    this.#epoch = undefined;
    this.#slowStart = new HyStart();
  }

  setDatagramBytes(datagramBytes: number): void {
    const untouched = this.#windowBytes === initialWindowBytes(this.#datagramBytes);
    this.#datagramBytes = datagramBytes;
    // RFC 9002 section 7.2: an initial window is computed anew, any other one stays in bytes.
    if (untouched && this.#thresholdBytes === Number.POSITIVE_INFINITY) {
      this.#windowBytes = initialWindowBytes(datagramBytes);
    }
    this.#windowBytes = Math.max(this.#windowBytes, minimumWindowBytes(datagramBytes));
  }

  #growInSlowStart(event: AckedEvent): void {
    const advice = this.#slowStart.onAcked(event.nowMs, event.largestSentAtMs, event.rtt);
    if (advice.kind === 'leave') {
      this.#thresholdBytes = this.#windowBytes;
      return;
    }
    this.#windowBytes = Math.min(this.#windowBytes + event.ackedBytes * advice.part, this.#thresholdBytes);
  }

  #growInAvoidance(event: AckedEvent): void {
    this.#epoch ??= this.#beginEpoch(event.nowMs);
    const epoch = this.#epoch;
    // Section 4.3: alpha is 1 once W_est has reached the window before the loss.
    const alpha = epoch.renoBytes >= this.#priorBytes ? 1 : ALPHA;
    epoch.renoBytes += (alpha * event.ackedBytes * this.#datagramBytes) / this.#windowBytes;

    const elapsedMs = event.nowMs - epoch.startMs;
    if (this.#cubicBytes(epoch, elapsedMs) < epoch.renoBytes) {
      this.#windowBytes = Math.max(this.#windowBytes, epoch.renoBytes);
      return;
    }
    // Sections 4.4 and 4.5: towards where the curve will be one round trip from now.
    const aheadBytes = this.#cubicBytes(epoch, elapsedMs + event.rtt.smoothedMs);
    const targetBytes = Math.min(Math.max(aheadBytes, this.#windowBytes), 1.5 * this.#windowBytes);
    this.#windowBytes += ((targetBytes - this.#windowBytes) / this.#windowBytes) * event.ackedBytes;
  }

  #beginEpoch(nowMs: number): Epoch {
    // Out of slow start without a loss: the plateau is here (sections 4.8 and 4.10).
    if (this.#plateauBytes === 0) {
      this.#plateauBytes = this.#windowBytes;
      this.#priorBytes = this.#windowBytes;
    }
    return {
      startMs: nowMs,
      plateauBytes: Math.max(this.#plateauBytes, this.#windowBytes),
      beganWithBytes: this.#windowBytes,
      renoBytes: this.#windowBytes,
    };
  }

  /** W_cubic(t) in bytes (section 4.2, figures 1 and 2). */
  #cubicBytes(epoch: Epoch, elapsedMs: number): number {
    const segment = this.#datagramBytes;
    const plateauSeconds = Math.cbrt((epoch.plateauBytes - epoch.beganWithBytes) / segment / C);
    return C * (elapsedMs / 1000 - plateauSeconds) ** 3 * segment + epoch.plateauBytes;
  }
}
