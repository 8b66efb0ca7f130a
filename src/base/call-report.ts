// What is known of a call that failed, as plain data. It lives here because the protocols make it, and transport/
// puts it into words.

/** How far a failed call got. */
export type FailedCallState =
  /** Never queued: a limit was reached, or the peer is known to be silent. */
  | 'refused'
  /** Nothing of it was sent. */
  | 'queued'
  /** Some of the request was sent: it cannot have run. */
  | 'sending'
  /** All of the request was sent: it may have run. */
  | 'sent'
  /** The peer said that the handler runs. */
  | 'working'
  /** Some of the answer has arrived. */
  | 'answering';

/**
 * What a failed call went through. Times in milliseconds, sizes in bytes. Optional fields are left out by transports
 * that cannot know them (over TCP only the operating system knows what was acknowledged).
 */
export interface CallReport {
  readonly state: FailedCallState;
  /** With `refused`: which limit of the configuration, and what it is; left out when silence was the reason. */
  readonly refusedBy?: { readonly limit: string; readonly max: number };
  /** From the call until its first byte left; until it failed, when none did. */
  readonly queuedMs: number;
  /** From then until it failed; left out when nothing was sent. */
  readonly sinceSentMs?: number;
  readonly requestBytes: number;
  /** Datagrams that carried some of the request, repeats included. */
  readonly requestDatagrams?: number;
  /** How much of the request the peer has acknowledged. */
  readonly requestAckedBytes?: number;
  /** The peer said that the handler runs: the request is there, and the work takes long. */
  readonly working?: boolean;
  readonly answerArrivedBytes: number;
  /** Left out until the first piece of the answer is here. */
  readonly answerBytes?: number;
  /** The call was overdue before it failed. */
  readonly overdue: boolean;
  readonly limits: CallLimits;
  readonly peer: PeerReport;
}

/** The time limits of one call, as they were set when it began. */
export interface CallLimits {
  /** Named by the caller, or learnt. */
  readonly deadline: 'given' | 'adaptive';
  /** Infinity: never. */
  readonly deadlineAfterMs: number;
  readonly overdueAfterMs: number;
  readonly basis: TimeLimitBasis;
}

/** Everything that goes into the formulas of spec/deadlines.md. */
export interface TimeLimitBasis {
  /** Whose response times decided: `cohort` when this peer has too few samples, `none` when so have all others. */
  readonly source: 'peer' | 'cohort' | 'none';
  /** Recent samples of this peer, method and size class; fewer than were taken, as old ones fade. */
  readonly samples: number;
  /** Their 95th percentile, less the path's round trip; 0 without samples. */
  readonly p95Ms: number;
  /** The same of all peers together; 0 while they have too few samples to go by. */
  readonly cohortSamples: number;
  readonly cohortP95Ms: number;
  /** Of the path, as RFC 9002 estimates it. */
  readonly smoothedRttMs: number;
  readonly rttVarianceMs: number;
}

/**
 * What is known of why a peer is silent. `refused`: its machine says that nobody listens at its port. `frozen`: its
 * machine answers, and the process at the port says nothing. `vanished`: its machine does not answer either: it is gone,
 * or the way to it, or a firewall is in between. `no answer`: its machine could not be asked.
 */
export type SilenceReason = 'refused' | 'frozen' | 'vanished' | 'no answer';

/** What was known of the peer at the moment when the call failed. */
export interface PeerReport {
  readonly health: 'unknown' | 'live' | 'suspect' | 'silent';
  /** With `silent`. */
  readonly silence?: SilenceReason;
  /** Since the last packet from it; left out when none has ever come. */
  readonly sinceHeardMs?: number;
  /** Probes, or first datagrams, in a row that it has not answered; and how many of them make it silent. */
  readonly unansweredProbes?: number;
  readonly probesToSilence?: number;
  /** Calls to it, this one included. */
  readonly outstandingCalls: number;
  /** False while the two numbers after it are a guess. */
  readonly rttMeasured: boolean;
  readonly smoothedRttMs: number;
  readonly rttVarianceMs: number;
  /** Part of our recent packets that did not arrive, 0 to 1. */
  readonly lossRate?: number;
}
