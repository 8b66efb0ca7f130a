// Whether a peer is there. A peer with calls outstanding that answers nothing, not even with an acknowledgement,
// becomes suspect with the first probe timeout and silent after several; single probes with growing distance
// then find out when it is back. Without outstanding calls nobody asks.
//
//   unknown ──► live ◄──► suspect ──► silent ──► live        (any packet from the peer makes it live)

import type { SilenceReason } from '../base/call-report.ts';
import type { ProtocolConfig } from './config.ts';

export type PeerHealth = 'unknown' | 'live' | 'suspect' | 'silent';

export type HealthEvent = 'heard' | 'probe-unanswered' | 'silence' | 'refused';

/** What each event does in each state; what is not listed changes nothing. */
export const HEALTH_TRANSITIONS: Readonly<
  Record<PeerHealth, Readonly<Partial<Record<HealthEvent, PeerHealth>>>>
> = {
  unknown: { heard: 'live', 'probe-unanswered': 'suspect' },
  live: { 'probe-unanswered': 'suspect' },
  suspect: { heard: 'live', silence: 'silent', refused: 'silent' },
  silent: { heard: 'live' },
};

/** No loss excuses more unanswered probes than this: who makes a path look lossy does not stay unnoticed when silent. */
const MAX_PROBES_TO_SILENCE = 24;

/** So many unanswered probes in a row do not happen by chance, where each is lost with this probability. */
export function probesToSilence(config: ProtocolConfig, probeLossProbability: number): number {
  const byChance = Math.ceil(Math.log(config.falseSilenceProbability) / Math.log(probeLossProbability));
  return Math.min(Math.max(config.silentAfterProbes, byChance), MAX_PROBES_TO_SILENCE);
}

/** What {@link HealthMonitor.onTimer} wants done. */
export type HealthAction = 'nothing' | 'probe' | 'suspected' | 'declare-silent';

/** What speaks against a peer at a moment. */
export interface Evidence {
  /** Probe timeouts in a row on the session, or handshakes without an answer. */
  readonly unansweredProbes: number;
  /** How many of them make it silent. */
  readonly probesToSilence: number;
  readonly hasCalls: boolean;
  /** Nobody becomes silent before. */
  readonly graceUntilMs: number;
  /** How long no sign of life is normal while calls are outstanding. */
  readonly askAfterMs: number;
}

/** The health of one peer. */
export class HealthMonitor {
  state: PeerHealth;
  /** When the last packet from it came, if any ever did. */
  lastHeardAtMs: number | undefined;
  /** While it is silent: since when, and when it is asked next. */
  silentSinceMs = 0;
  nextProbeAtMs: number = Number.POSITIVE_INFINITY;
  why: SilenceReason = 'no answer';
  readonly #config: ProtocolConfig;
  /** Last sign of life, or last time that we asked for one. */
  #lastContactAtMs = 0;
  #suspectSinceMs = 0;
  /** Since it became suspect, its machine was asked, and has answered. */
  #machineAsked = false;
  #machineAnswered = false;
  #probeDistanceMs = 0;
  #lastProbeAtMs = Number.NEGATIVE_INFINITY;

  constructor(config: ProtocolConfig, state: PeerHealth = 'unknown') {
    this.#config = config;
    this.state = state;
  }

  /** The first call after a time without any: silence counts from now. */
  onFirstCall(nowMs: number): void {
    this.#lastContactAtMs = nowMs;
  }

  /** Any authenticated packet. Returns how long the peer had been silent, if it was. */
  onHeard(nowMs: number): number | undefined {
    const silentMs = this.state === 'silent' ? nowMs - this.silentSinceMs : undefined;
    this.#apply('heard');
    this.lastHeardAtMs = nowMs;
    this.#lastContactAtMs = nowMs;
    this.nextProbeAtMs = Number.POSITIVE_INFINITY;
    return silentMs;
  }

  /** Whoever can ask its machine does so now. */
  onMachineAsked(): void {
    this.#machineAsked = true;
  }

  /** Its machine lives. Anybody may forge that, and nothing depends on it but what is told. */
  onMachineAnswered(): void {
    this.#machineAnswered = true;
    if (this.state === 'silent' && this.why !== 'refused') this.why = 'frozen';
  }

  #apply(event: HealthEvent): void {
    this.state = HEALTH_TRANSITIONS[this.state][event] ?? this.state;
  }

  /** P-99 */
  #reason(): SilenceReason {
    if (this.#machineAnswered) return 'frozen';
    return this.#machineAsked ? 'vanished' : 'no answer';
  }

  /** `refused`: its machine says that nobody listens. */
  declareSilent(nowMs: number, jitter: number, refused = false): void {
    this.#apply(refused ? 'refused' : 'silence');
    this.why = refused ? 'refused' : this.#reason();
    this.silentSinceMs = nowMs;
    this.#probeDistanceMs = this.#config.silentProbeMinMs;
    this.nextProbeAtMs = nowMs + this.#probeDistanceMs * (1 + 0.1 * jitter);
  }

  /** Somebody wants this silent peer: asks before the next regular probe, but not more often than the first distance. */
  probeSoon(nowMs: number): void {
    const soonest = Math.max(nowMs, this.#lastProbeAtMs + this.#config.silentProbeMinMs);
    this.nextProbeAtMs = Math.min(this.nextProbeAtMs, soonest);
  }

  onTimer(nowMs: number, evidence: Evidence): HealthAction {
    const { unansweredProbes, probesToSilence, hasCalls, askAfterMs } = evidence;
    if (this.state === 'silent') {
      if (this.nextProbeAtMs > nowMs) return 'nothing';
      this.#lastProbeAtMs = nowMs;
      this.#probeDistanceMs = Math.min(2 * this.#probeDistanceMs, this.#config.silentProbeMaxMs);
      this.nextProbeAtMs = nowMs + this.#probeDistanceMs;
      return 'probe';
    }
    if (unansweredProbes > 0) {
      // P-91
      if (this.state !== 'suspect') {
        this.#apply('probe-unanswered');
        this.#suspectSinceMs = nowMs;
        this.#machineAsked = false;
        this.#machineAnswered = false;
        return 'suspected';
      }
      // P-92
      const longEnough = nowMs >= this.#soonestSilenceMs(evidence);
      return unansweredProbes >= probesToSilence && longEnough ? 'declare-silent' : 'nothing';
    }
    // P-90, P-96
    if (!hasCalls || nowMs < this.#lastContactAtMs + askAfterMs) return 'nothing';
    this.#lastContactAtMs = nowMs;
    return 'probe';
  }

  #soonestSilenceMs({ graceUntilMs }: Evidence): number {
    // P-69
    return Math.max(this.#suspectSinceMs + this.#config.silentFloorMs, graceUntilMs);
  }

  /** Our own process was held up: the time until now proves nothing. */
  forgiveStall(nowMs: number): void {
    this.#lastContactAtMs = nowMs;
    this.#suspectSinceMs = nowMs;
  }

  /** When {@link onTimer} has something to decide. */
  timerAtMs(nowMs: number, evidence: Evidence): number {
    const { unansweredProbes, probesToSilence, hasCalls, askAfterMs } = evidence;
    if (this.state === 'silent') return this.nextProbeAtMs;
    if (unansweredProbes >= probesToSilence) {
      return Math.max(nowMs, this.#soonestSilenceMs(evidence));
    }
    return hasCalls && unansweredProbes === 0 ? this.#lastContactAtMs + askAfterMs : Number.POSITIVE_INFINITY;
  }
}
