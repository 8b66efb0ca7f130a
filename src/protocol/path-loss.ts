// What a path loses however slowly we send, as a radio link does: loss up to that is no sign of congestion.

/** A round of startup, of which is not known yet whether it was slow. */
interface StartupRound {
  readonly bytesPerMs: number;
  readonly sent: number;
  readonly lost: number;
}

/**
 * Learns from packets that were sent below the known bandwidth, and acknowledged without delay. There is no
 * congestion of ours in those; what is lost of them is lost anyhow. All counts in packets.
 */
export class PathLoss {
  /** In order of time. */
  #startup: StartupRound[] = [];
  #sent = 0;
  #lost = 0;
  #slowFromMs = Number.POSITIVE_INFINITY;
  #slowUntilMs = Number.POSITIVE_INFINITY;
  #calm = false;
  /** Since rounds were last compared with what is known. */
  #roundsSent = 0;
  #roundsLost = 0;

  /** As a part of what is sent; 0 until something was learnt. */
  get rate(): number {
    return this.#sent < EVIDENCE_MIN ? 0 : Math.min(this.#lost / this.#sent, RATE_MAX);
  }

  /** From now on packets are sent slowly, or not. */
  setSlow(nowMs: number, slow: boolean): void {
    if (!slow) {
      this.#slowUntilMs = Math.min(this.#slowUntilMs, nowMs);
    } else if (
      this.#slowUntilMs < Number.POSITIVE_INFINITY ||
      this.#slowFromMs === Number.POSITIVE_INFINITY
    ) {
      this.#slowFromMs = nowMs;
      this.#slowUntilMs = Number.POSITIVE_INFINITY;
    }
  }

  /** `calm`: the round trip of the newest shows no queue. */
  onAcked(packets: number, largestSentAtMs: number, calm: boolean): void {
    this.#calm = calm;
    if (calm && this.#wasSlow(largestSentAtMs)) this.#learn(packets, 0);
  }

  onLost(packets: number, largestSentAtMs: number): void {
    if (this.#calm && this.#wasSlow(largestSentAtMs)) this.#learn(packets, packets);
  }

  /**
   * A calm round of startup has ended. Those before it were slow, as it turns out, when the path brings so much more
   * now: startup teaches what the path loses before it has to be told from congestion.
   */
  onStartupRound(round: StartupRound): void {
    const rounds = this.#startup;
    while (rounds.length > 0 && rounds[0]!.bytesPerMs * SLOW_BELOW <= round.bytesPerMs) {
      const { sent, lost } = rounds.shift()!;
      this.#learn(sent, lost);
    }
    // Who never has enough to send stays in startup for ever.
    if (rounds.length === STARTUP_ROUNDS_MAX) rounds.shift();
    rounds.push(round);
  }

  /**
   * A round of any kind has ended. What is lost anyhow is lost in all of them: when far less was, what is known is wrong.
   * Who begins in a queue that others have filled takes it for the path, and what it overflows with for the path's loss.
   */
  onRound(sent: number, lost: number): void {
    this.#roundsSent += sent;
    this.#roundsLost += lost;
    if (this.#roundsSent < REFUTING_MIN) return;
    if (this.#isRefuted()) {
      this.#sent /= 2;
      this.#lost /= 2;
      this.#learn(this.#roundsSent, this.#roundsLost);
    } else if (this.#roundsSent < REFUTING_MAX) {
      return;
    }
    this.#roundsSent = 0;
    this.#roundsLost = 0;
  }

  /** Two shares of one rate would hardly ever differ so much. */
  #isRefuted(): boolean {
    const rate = (this.#lost + this.#roundsLost) / (this.#sent + this.#roundsSent);
    const variance = rate * (1 - rate) * (1 / this.#sent + 1 / this.#roundsSent);
    return (
      this.#lost / this.#sent - this.#roundsLost / this.#roundsSent >
      REFUTING_DEVIATIONS * Math.sqrt(variance)
    );
  }

  /** Startup is over. */
  endStartup(): void {
    this.#startup = [];
  }

  /** Whether so many lost of `sent` are more than this path's loss, what is `tolerated` beyond it, and chance. */
  isExceeded(lost: number, sent: number, tolerated: number): boolean {
    // Laplace's estimate: of a path that little is known of, nothing is too much.
    const rate = (this.#lost + 1) / (this.#sent + 2);
    const variance = rate * (1 - rate) * (1 + sent / (this.#sent + 2));
    const chance = CHANCE_DEVIATIONS * Math.sqrt(sent * variance);
    return lost >= LOST_MIN && lost > sent * (rate + tolerated) + chance;
  }

  #wasSlow(sentAtMs: number): boolean {
    return sentAtMs >= this.#slowFromMs && sentAtMs <= this.#slowUntilMs;
  }

  #learn(sent: number, lost: number): void {
    this.#sent += sent;
    this.#lost += lost;
    if (this.#sent <= EVIDENCE_MAX) return;
    this.#sent /= 2;
    this.#lost /= 2;
  }
}

/** A round was slow when the path brings so many times as much later. */
const SLOW_BELOW = 2;
const STARTUP_ROUNDS_MAX = 16;
/** Less than this is no evidence; more than this and older is forgotten by halves. */
const EVIDENCE_MIN = 20;
const EVIDENCE_MAX = 2000;
/** So many packets of rounds are compared with what is known, until they are as many as that: then others are. */
const REFUTING_MIN = 1000;
const REFUTING_MAX = 4000;
/** Of losses that come each by itself this would be never; they come in bursts. */
const REFUTING_DEVIATIONS = 6;
/** What a path loses beyond this is not compensated for. */
const RATE_MAX = 0.3;
/** It is asked once a round: less would mistake chance for congestion several times a minute. */
const CHANCE_DEVIATIONS = 3;
/** Fewer lost packets than this prove nothing, however few were sent. */
const LOST_MIN = 2;
