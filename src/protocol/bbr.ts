// BBR (draft-ietf-ccwg-bbr-04, "BBRv3"): the window and the pacing rate from a model of the path, how much it
// delivers and how long a round trip takes, instead of from single losses. What the model is made of is in
// delivery-rate.ts, bbr-filters.ts and path-loss.ts; this file decides what to try next.
//
// Theory of operation. Startup doubles the rate each round until the path delivers no more for it; drain empties
// the queue that this has built. From then on the flow mostly cruises at the measured bandwidth. Every two to
// three seconds (on short round trips: 63 rounds) it probes: refill, one round at the bandwidth with all bounds
// lifted; up, at 1.25 of it, until a quarter more is in flight and brings nothing, or is lost; down, at 0.9,
// until the queue is gone. When the round trip was not seen without a queue for five seconds, half the window is
// given up for 200 ms to see it.
//
//   startup → drain → down → cruise → refill → up → down …        any → probe-rtt → cruise (or startup)
//
// Where it differs from the draft:
// - Loss is judged against what the path loses anyhow. The draft takes 2 % in a round for congestion and, on a
//   radio link that always loses 5 %, ends far below its capacity. Here it is 2 % more than usual. And what is
//   lost anyhow is sent on top of the bandwidth, so that as much arrives as the path can deliver.
// - Startup ends by loss only when two rounds have brought no more either. What the path loses anyhow is learnt from
//   the rounds before, which were slow as it turns out.
// - While our process has come too late to its pacer, the sender counts as limited: it cannot fill any path.
// - Up goes on while a round brings a tenth more, so that a low estimate is left behind in one probe.
// - The bounds go to what was delivered in a round with loss, only when a queue stands, and no lower than 0.7 of what is
//   known, unless a quarter is lost: a burst of losses, or somebody who gives no way, must not take all we have.
// - Down ends after four rounds: a queue that stands then is not ours, and cruising leaves it to others.
// - The window is not cut for a round of recovery after a loss: pacing conserves packets.
// - A sample taken while little was in flight counts as a probe of the round trip: a peer that is called now and
//   then never has its window cut for one.
// - ECN is not looked at: Node gives no access to it.

import { Aggregation, FullPipe, MaxBandwidth, MinRoundTrip, newRound, type Round } from './bbr-filters.ts';
import { DEFAULT_CONFIG } from './config.ts';
import {
  type AckedEvent,
  type CongestionController,
  initialWindowBytes,
  type LostEvent,
  minimumWindowBytes,
  type RoundTrips,
} from './congestion.ts';
import { DeliveryRate, type RateSample } from './delivery-rate.ts';
import { PathLoss } from './path-loss.ts';

/** What the flow is trying out. */
export type BbrPhase = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt';

/** Of the bandwidth, and of the bandwidth-delay product (draft section 5.1). */
const GAINS: Readonly<Record<BbrPhase, { readonly pacing: number; readonly window: number }>> = {
  startup: { pacing: 2.77, window: 2 },
  drain: { pacing: 0.5, window: 2 },
  down: { pacing: 0.9, window: 2 },
  cruise: { pacing: 1, window: 2 },
  refill: { pacing: 1, window: 2 },
  up: { pacing: 1.25, window: 2.25 },
  'probe-rtt': { pacing: 1, window: 0.5 },
};

/** One path's window and rate by BBR. Times in milliseconds of one monotonic clock. */
export class BbrController implements CongestionController {
  readonly #random: () => number;
  readonly #rate = new DeliveryRate();
  readonly #bandwidth = new MaxBandwidth();
  readonly #roundTrip = new MinRoundTrip();
  readonly #aggregation = new Aggregation();
  readonly #pipe = new FullPipe();
  readonly #pathLoss = new PathLoss();
  #datagramBytes: number;
  #windowBytes: number;
  /** 0 until something was delivered. */
  #pacingBytesPerMs = 0;
  #phase: BbrPhase = 'startup';
  #phaseBeganAtMs = 0;
  #phaseRounds = 0;
  #round: Round = newRound(0);

  /** Upper bound of what may be in flight while cruising, less some headroom: from the last probe that was
   * answered with loss (inflight_longterm). */
  #ceilingBytes = Number.POSITIVE_INFINITY;
  /** Bounds from losses since the last probe (inflight_shortterm, bw_shortterm). */
  #boundBytes = Number.POSITIVE_INFINITY;
  #boundBytesPerMs = Number.POSITIVE_INFINITY;

  /** Loss is due to the probe that is under way, and has not been answered yet. */
  #probeAtRisk = false;
  #roundsSinceProbe = 0;
  #probeWaitMs = 0;
  /** Up: the bandwidth a round ago, and how fast the ceiling is raised. */
  #upBytesPerMs = 0;
  #upRounds = 0;
  #upAckedBytes = 0;
  /** Probe-rtt: the window to go back to, and when; undefined until the path is drained. */
  #priorWindowBytes = 0;
  #probeRttEndsAtMs: number | undefined;

  /** 1200 bytes is what every path carries; `random`, in [0, 1), keeps flows from probing in step. */
  constructor(datagramBytes: number = 1200, random: () => number = () => 0.5) {
    this.#datagramBytes = datagramBytes;
    this.#random = random;
    this.#windowBytes = initialWindowBytes(datagramBytes);
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** For traces and tests, as are the next three. */
  get phase(): BbrPhase {
    return this.#phase;
  }

  get bandwidthBytesPerMs(): number {
    return Math.min(this.#bandwidth.bytesPerMs, this.#boundBytesPerMs);
  }

  get minRoundTripMs(): number {
    return this.#roundTrip.ms;
  }

  /** The part of what is sent that the path loses anyhow. */
  get pathLossRate(): number {
    return this.#pathLoss.rate;
  }

  pacingBytesPerMs(rtt: RoundTrips): number {
    if (this.#pipe.full) return this.#pacingBytesPerMs;
    // Of a path that was never filled at least the first window is sent at once, whatever little was delivered;
    // over 1 ms before there is a round trip to spread it over (section 5.6.2).
    const roundTripMs = Number.isFinite(rtt.minMs) ? rtt.smoothedMs : 1;
    const firstBytesPerMs = (GAINS.startup.pacing * initialWindowBytes(this.#datagramBytes)) / roundTripMs;
    return Math.max(this.#pacingBytesPerMs, firstBytesPerMs);
  }

  onSent(nowMs: number, sentBytes: number, inFlightBytes: number): void {
    this.#rate.onSent(nowMs, sentBytes, inFlightBytes);
    this.#round.filled ||= inFlightBytes + this.#datagramBytes > this.#windowBytes;
    if (inFlightBytes > sentBytes || !this.#pipe.full) return;
    // After idling there is no queue of ours to drain, and nothing to probe (section 5.4.1).
    if (this.#phase === 'probe-rtt' && nowMs >= (this.#probeRttEndsAtMs ?? nowMs)) this.#leaveProbeRtt(nowMs);
    this.#setPacing(1);
  }

  onAppLimited(inFlightBytes: number): void {
    if (inFlightBytes < this.#windowBytes) this.#rate.onAppLimited(inFlightBytes);
  }

  onLost(event: LostEvent): void {
    this.#rate.onLost(event.lostBytes);
    this.#round.lostBytes += event.lostBytes;
    this.#pathLoss.onLost(event.lostBytes / this.#datagramBytes, event.largestSentAtMs);
  }

  onAcked(event: AckedEvent): void {
    const { nowMs, ackedBytes } = event;
    if (ackedBytes === 0) return;
    const sample = this.#rate.onAcked(nowMs, ackedBytes, event.largestSentAtMs);
    const roundEnded = sample.deliveredBefore >= this.#round.endsAtBytes;
    this.#updateModel(event, sample);
    if (!this.#pipe.full) this.#lookForFullPipe(sample, roundEnded);
    if (roundEnded) this.#giveWay();
    if (roundEnded) this.#phaseRounds++;
    this.#advance(event, sample, roundEnded);
    if (roundEnded) this.#beginRound();
    this.#setPacing(GAINS[this.#phase].pacing);
    this.#setWindow(ackedBytes);
  }

  onPersistentCongestion(): void {
    // What is known of the path may still hold; what is in flight starts anew, and grows by what arrives.
    this.#windowBytes = minimumWindowBytes(this.#datagramBytes);
    this.#liftBounds();
  }

  setDatagramBytes(datagramBytes: number): void {
    const untouched = this.#windowBytes === initialWindowBytes(this.#datagramBytes);
    this.#datagramBytes = datagramBytes;
    if (untouched && !this.#pipe.full) this.#windowBytes = initialWindowBytes(datagramBytes);
    this.#windowBytes = Math.max(this.#windowBytes, minimumWindowBytes(datagramBytes));
  }

  // ---- the model

  #updateModel({ nowMs, ackedBytes, largestSentAtMs }: AckedEvent, sample: RateSample): void {
    const round = this.#round;
    round.ackedBytes += ackedBytes;
    round.bytesPerMs = Math.max(round.bytesPerMs, sample.bytesPerMs);
    round.deliveredBytes = Math.max(round.deliveredBytes, sample.deliveredBytes);
    round.minMs = Math.min(round.minMs, sample.roundTripMs);
    this.#bandwidth.add(sample.bytesPerMs, sample.appLimited);
    this.#aggregation.add(nowMs, ackedBytes, this.bandwidthBytesPerMs, this.#windowBytes);

    const low = sample.inFlightBytes <= this.#targetBytes(GAINS['probe-rtt'].window);
    const stale = this.#roundTrip.add(nowMs, sample.roundTripMs, low);
    if (stale && this.#phase !== 'probe-rtt' && !sample.appLimited) this.#enterProbeRtt(nowMs);
    // What is lost a round after we began to send less, in a queue that does not go, is lost by others' doing.
    const innocent = this.#phase === 'down' && this.#phaseRounds >= 1;
    const calm = !this.#shows(CALM_MAX, sample.roundTripMs);
    this.#pathLoss.onAcked(ackedBytes / this.#datagramBytes, largestSentAtMs, calm || innocent);
  }

  /** Whether a round trip is longer than the shortest by more than a factor, and what is only noise. */
  #shows(factor: number, roundTripMs: number): boolean {
    return roundTripMs > factor * this.#roundTrip.ms + NOISE_MS;
  }

  #lookForFullPipe({ appLimited }: RateSample, roundEnded: boolean): void {
    const { bytesPerMs, ackedBytes, lostBytes, minMs, deliveredBytes } = this.#round;
    const overflowed = this.#isTooMuchLost(LOSS_TOLERATED);
    if (roundEnded && !this.#shows(CALM_MAX, minMs)) {
      const sent = (ackedBytes + lostBytes) / this.#datagramBytes;
      this.#pathLoss.onStartupRound({ bytesPerMs, sent, lost: lostBytes / this.#datagramBytes });
    }
    this.#pipe.add(this.#bandwidth.bytesPerMs, appLimited, roundEnded, overflowed);
    if (!this.#pipe.full) return;
    this.#pathLoss.endStartup();
    if (overflowed) this.#ceilingBytes = Math.max(this.#productBytes(1), deliveredBytes);
  }

  /** Whether more was lost in this round than the path loses anyhow, and so much beyond it. */
  #isTooMuchLost(tolerated: number): boolean {
    const { lostBytes, ackedBytes } = this.#round;
    const sent = (lostBytes + ackedBytes) / this.#datagramBytes;
    return this.#pathLoss.isExceeded(lostBytes / this.#datagramBytes, sent, tolerated);
  }

  /**
   * Loss in a standing queue while we do not probe: others want room, or there is less of it. Until the next
   * probe there will be less of us (section 5.5.10.3).
   */
  #giveWay(): void {
    const provoked = this.#phase === 'down' && this.#phaseRounds < 1;
    const probing = this.#phase === 'startup' || this.#phase === 'refill' || this.#phase === 'up';
    if (provoked || probing || this.#rate.appLimited) return;
    if (!this.#shows(QUEUE_MIN, this.#round.minMs) || !this.#isTooMuchLost(0)) return;
    const heavy = this.#round.lostBytes > LOSS_HEAVY * (this.#round.ackedBytes + this.#round.lostBytes);
    const floor = heavy ? 0 : BETA;
    this.#liftBounds();
    const windowBytes = this.#targetBytes(GAINS[this.#phase].window);
    this.#boundBytes = Math.max(this.#round.deliveredBytes, floor * windowBytes);
    this.#boundBytesPerMs = Math.max(this.#round.bytesPerMs, floor * this.bandwidthBytesPerMs);
  }

  #liftBounds(): void {
    this.#boundBytesPerMs = Number.POSITIVE_INFINITY;
    this.#boundBytes = Number.POSITIVE_INFINITY;
  }

  #beginRound(): void {
    this.#renewRound();
    this.#roundsSinceProbe++;
    this.#aggregation.onRound(this.#pipe.full ? AGGREGATION_ROUNDS : 1);
  }

  #renewRound(): void {
    const { ackedBytes, lostBytes } = this.#round;
    this.#pathLoss.onRound((ackedBytes + lostBytes) / this.#datagramBytes, lostBytes / this.#datagramBytes);
    this.#round = newRound(this.#rate.deliveredBytes);
  }

  /** The bandwidth-delay product, and what is lost of it on the way. */
  #productBytes(gain: number): number {
    const { ms } = this.#roundTrip;
    if (ms === Number.POSITIVE_INFINITY) return initialWindowBytes(this.#datagramBytes);
    return (gain * this.bandwidthBytesPerMs * ms) / (1 - this.#pathLoss.rate);
  }

  /** What fills the path `gain` times, and no less than what keeps both ends busy between two timers. */
  #targetBytes(gain: number): number {
    const quantumBytes = Math.max(2 * this.#datagramBytes, this.bandwidthBytesPerMs * QUANTUM_MS);
    return Math.max(this.#productBytes(gain), 3 * quantumBytes, this.#leastBytes());
  }

  #leastBytes(): number {
    return 4 * this.#datagramBytes;
  }

  /** Less than the ceiling by the headroom; and no more than fills the path, unless that is less than 0.7 of the ceiling. */
  #cruisingBytes(): number {
    const heldBackBytes = Math.min(this.#aggregation.extraBytes, ACK_DELAY_MAX_MS * this.bandwidthBytesPerMs);
    const filledBytes = this.#productBytes(1) + heldBackBytes;
    const leftBytes = Math.max(filledBytes, BETA * this.#ceilingBytes);
    return Math.max(this.#leastBytes(), Math.min((1 - HEADROOM) * this.#ceilingBytes, leftBytes));
  }

  // ---- the phases

  #advance(event: AckedEvent, sample: RateSample, roundEnded: boolean): void {
    const { nowMs, inFlightBytes } = event;
    switch (this.#phase) {
      case 'startup':
        if (this.#pipe.full) this.#enter('drain', nowMs);
        break;
      case 'drain':
        if (inFlightBytes <= this.#targetBytes(1)) this.#enterDown(nowMs);
        break;
      case 'down':
        if (roundEnded && this.#phaseRounds === 1) {
          // What the probe has led to is known: its rates belong to the cycle before.
          this.#bandwidth.advance();
          this.#probeAtRisk = false;
        }
        this.#answerLoss(sample);
        if (this.#probeIsDue(nowMs) || this.#phaseRounds < 1) break;
        if (this.#isDownEnough(inFlightBytes)) this.#enter('cruise', nowMs);
        break;
      case 'cruise':
        this.#probeIsDue(nowMs);
        break;
      case 'refill':
        this.#answerLoss(sample);
        if (this.#phaseRounds >= 1) this.#enterUp(nowMs);
        break;
      case 'up':
        if (this.#answerLoss(sample) || this.#isUpEnough(event, roundEnded)) this.#enterDown(nowMs);
        break;
      case 'probe-rtt':
        this.#advanceProbeRtt(event);
        break;
      default:
        this.#phase satisfies never;
    }
  }

  #enter(phase: BbrPhase, nowMs: number): void {
    this.#phase = phase;
    this.#phaseBeganAtMs = nowMs;
    this.#phaseRounds = 0;
    // The next round begins here: it tells what this phase has led to.
    this.#renewRound();
    this.#pathLoss.setSlow(nowMs, phase === 'drain' || phase === 'down' || phase === 'probe-rtt');
  }

  #enterDown(nowMs: number): void {
    this.#roundsSinceProbe = 0;
    this.#probeWaitMs = PROBE_WAIT_MIN_MS + PROBE_WAIT_SPREAD_MS * this.#random();
    this.#enter('down', nowMs);
  }

  #probeIsDue(nowMs: number): boolean {
    const rounds = Math.min(this.#targetBytes(1) / this.#datagramBytes, PROBE_WAIT_ROUNDS);
    if (nowMs - this.#phaseBeganAtMs < this.#probeWaitMs && this.#roundsSinceProbe < rounds) return false;
    this.#liftBounds();
    this.#probeAtRisk = true;
    this.#enter('refill', nowMs);
    return true;
  }

  /** Our queue is gone. One that still stands after so many rounds is somebody else's. */
  #isDownEnough(inFlightBytes: number): boolean {
    if (this.#phaseRounds >= DOWN_ROUNDS_MAX) return true;
    return inFlightBytes <= Math.min(this.#targetBytes(1), this.#cruisingBytes());
  }

  #enterUp(nowMs: number): void {
    this.#upBytesPerMs = this.#bandwidth.bytesPerMs;
    this.#upRounds = 0;
    this.#upAckedBytes = 0;
    this.#enter('up', nowMs);
  }

  /** Too much was lost of what was in flight: that much is too much. True when it was so. */
  #answerLoss(sample: RateSample): boolean {
    const lost = sample.lostBytes / this.#datagramBytes;
    const sent = sample.inFlightBytes / this.#datagramBytes;
    if (!this.#probeAtRisk || !this.#pathLoss.isExceeded(lost, sent, LOSS_TOLERATED)) return false;
    this.#probeAtRisk = false;
    if (!sample.appLimited) {
      this.#ceilingBytes = Math.max(PROBE_BETA * sample.inFlightBytes, BETA * this.#targetBytes(1));
    }
    return true;
  }

  /** A quarter more than fills the path is in flight, and the last round has brought no more for it. */
  #isUpEnough(event: AckedEvent, roundEnded: boolean): boolean {
    this.#raiseCeiling(event, roundEnded);
    if (!roundEnded) return false;
    const grew = this.#bandwidth.bytesPerMs > UP_GROWTH * this.#upBytesPerMs;
    this.#upBytesPerMs = this.#bandwidth.bytesPerMs;
    return !grew && event.inFlightBytes > this.#targetBytes(GAINS.up.pacing);
  }

  /** More may be in flight than was too much the last time: a little at first, then twice as much each round. */
  #raiseCeiling({ ackedBytes }: AckedEvent, roundEnded: boolean): void {
    if (this.#ceilingBytes === Number.POSITIVE_INFINITY) return;
    if (!this.#round.filled || this.#windowBytes < this.#ceilingBytes) return;
    if (roundEnded) this.#upRounds = Math.min(this.#upRounds + 1, UP_ROUNDS_MAX);
    this.#upAckedBytes += ackedBytes * 2 ** this.#upRounds;
    const datagrams = Math.floor(this.#upAckedBytes / this.#windowBytes);
    this.#upAckedBytes -= datagrams * this.#windowBytes;
    this.#ceilingBytes += datagrams * this.#datagramBytes;
  }

  #enterProbeRtt(nowMs: number): void {
    this.#priorWindowBytes = this.#windowBytes;
    this.#probeRttEndsAtMs = undefined;
    this.#enter('probe-rtt', nowMs);
  }

  #advanceProbeRtt({ nowMs, inFlightBytes }: AckedEvent): void {
    // What is delivered meanwhile says nothing of what could be.
    this.#rate.onAppLimited(inFlightBytes);
    if (this.#probeRttEndsAtMs === undefined) {
      if (inFlightBytes > this.#targetBytes(GAINS['probe-rtt'].window)) return;
      this.#probeRttEndsAtMs = nowMs + PROBE_RTT_MS;
      this.#phaseRounds = 0;
    } else if (nowMs >= this.#probeRttEndsAtMs && this.#phaseRounds >= 1) {
      this.#leaveProbeRtt(nowMs);
    }
  }

  #leaveProbeRtt(nowMs: number): void {
    this.#windowBytes = Math.max(this.#windowBytes, this.#priorWindowBytes);
    this.#liftBounds();
    if (this.#pipe.full) this.#enterDown(nowMs);
    this.#enter(this.#pipe.full ? 'cruise' : 'startup', nowMs);
  }

  // ---- what follows from it

  #setPacing(gain: number): void {
    const slow = gain < 1 || this.#phase === 'probe-rtt';
    const onTop = slow ? 1 : 1 / (1 - this.#pathLoss.rate);
    const bytesPerMs = gain * (1 - PACING_MARGIN) * this.bandwidthBytesPerMs * onTop;
    if (this.#pipe.full || bytesPerMs > this.#pacingBytesPerMs) this.#pacingBytesPerMs = bytesPerMs;
  }

  #setWindow(ackedBytes: number): void {
    const targetBytes = this.#targetBytes(GAINS[this.#phase].window) + this.#aggregation.extraBytes;
    const grownBytes = this.#windowBytes + ackedBytes;
    if (this.#pipe.full) this.#windowBytes = Math.min(grownBytes, targetBytes);
    else if (this.#windowBytes < targetBytes) this.#windowBytes = grownBytes;
    this.#windowBytes = Math.max(Math.min(this.#windowBytes, this.#windowMaxBytes()), this.#leastBytes());
  }

  #windowMaxBytes(): number {
    switch (this.#phase) {
      case 'startup':
        return Number.POSITIVE_INFINITY;
      case 'cruise':
        return Math.min(this.#boundBytes, this.#cruisingBytes());
      case 'probe-rtt':
        return Math.min(
          this.#boundBytes,
          this.#cruisingBytes(),
          this.#targetBytes(GAINS['probe-rtt'].window),
        );
      default:
        return Math.min(this.#boundBytes, this.#ceilingBytes);
    }
  }
}

/** Section 2.5: more loss than this is congestion, beyond what the path loses anyhow. */
const LOSS_TOLERATED = 0.02;
/** With more than this the path has become much slower than it was. */
const LOSS_HEAVY = 0.25;
/** What is left by loss while cruising, and by loss while probing. */
const BETA = 0.7;
const PROBE_BETA = 0.85;
/** So long acknowledgements are held back at most (P-60). */
const ACK_DELAY_MAX_MS = DEFAULT_CONFIG.maxAckDelayMs;
/** Left free, while cruising, of what was in flight when it became too much: room for others to grow into. */
const HEADROOM = 0.15;
/** A round of up that has brought so much more is followed by another. */
const UP_GROWTH = 1.1;
const UP_ROUNDS_MAX = 30;
/** At 0.9 of the bandwidth, as long as it takes to drain what two rounds of up have added. */
const DOWN_ROUNDS_MAX = 4;
/** Paced a little below the bandwidth, so that no queue grows from rounding. */
const PACING_MARGIN = 0.01;
/** Timers have a resolution of 1 ms and may be late by another: so much of the rate leaves at once. */
const QUANTUM_MS = 2;
const PROBE_RTT_MS = 200;
const PROBE_WAIT_MIN_MS = 2000;
const PROBE_WAIT_SPREAD_MS = 1000;
/** As often as Reno would have grown by as much (section 5.3.3.5), but at least once in so many rounds. */
const PROBE_WAIT_ROUNDS = 63;
const AGGREGATION_ROUNDS = 10;
/** Of the shortest round trip: up to here there is no queue worth the name; from here on there is some queue. */
const CALM_MAX = 1.25;
const QUEUE_MIN = 1.06;
const NOISE_MS = 1;
