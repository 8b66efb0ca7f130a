// When is a server late? Learnt, not set: from how quickly the other servers answered the same kind of question
// (ticket 502: "noticing how quickly the other peers respond"), and from what the way to the server says of it
// (`onOverdue`). What to do about a late server is decided by who asks: placement, push, share finder, fetch.

import type { Clock, Timer } from '../base/clock.ts';
import type { StorageServer } from '../storage/storage-server.ts';

/**
 * How late an answer is, in this order:
 * - `due`: nothing unusual;
 * - `overdue`: the way to the server says that this server is usually quicker;
 * - `late`: longer than the others took, by more than they differ among themselves;
 * - `very late`: so long that it is better to do without this server, at some price;
 * - `hopeless`: it no longer holds up any decision.
 */
export type Lateness = 'due' | 'overdue' | 'late' | 'very late' | 'hopeless';

/** Whether `lateness` is `least` or worse. */
export function isAtLeast(lateness: Lateness, least: Lateness): boolean {
  return LEVELS.indexOf(lateness) >= LEVELS.indexOf(least);
}

/** What makes one kind of question late. */
export interface LateWatchOptions<Subject> {
  readonly clock: Clock;
  /** Nothing is late before this time, however quick the others were: a disk may seek, a process may wait. */
  readonly floorMs: number;
  /**
   * When an answer is late as long as too few others have answered to compare it with; a question that is asked
   * while others wait already is given twice their time at least, so that a slow line is not asked ever more.
   */
  readonly unknownMs: number;
  /**
   * So many times what the middle one of the others takes is nothing unusual: more than 1 (the default) for what is large,
   * which a slow line carries as well, and only later.
   */
  readonly toleratedFactor?: number | undefined;
  /** Called for each step that a question's lateness goes up. May ask, settle or drop any question. */
  readonly onLate: (question: Question<Subject>) => void;
}

/** A question on its way to a server. Settling it more than once does nothing. */
export interface Question<Subject> {
  readonly server: StorageServer;
  /** What the asker wants to know it by. */
  readonly subject: Subject;
  /** Goes up with time; down again when the others' answers show that they needed as long. */
  readonly lateness: Lateness;
  /** Since it was asked, in milliseconds, less the time in which this process itself stood still. */
  ageMs(): number;
  /** For `OperationOptions.onOverdue`. */
  readonly overdue: () => void;
  /** The server answered: how long it took is a sample. */
  readonly answered: () => void;
  /** Never mind, or failed on the way: no sample. */
  readonly dropped: () => void;
}

/** Watches the questions of one kind that one operation asks of several servers. One timer in all. */
export class LateWatch<Subject = undefined> {
  readonly #options: LateWatchOptions<Subject>;
  readonly #asked = new Set<WatchedQuestion<Subject>>();
  readonly #histories = new Map<StorageServer, History>();
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: LateWatchOptions<Subject>) {
    this.#options = options;
  }

  /** Begins to time a question that is asked now. */
  ask(server: StorageServer, subject: Subject): Question<Subject> {
    const waitingMs = Math.max(0, ...[...this.#asked].map((other) => other.ageMs()));
    const question: WatchedQuestion<Subject> = {
      server,
      subject,
      lateness: 'due',
      patienceMs: Math.max(this.#options.unknownMs, 2 * waitingMs),
      startedAtMs: this.#options.clock.now(),
      ageMs: () => this.#options.clock.now() - question.startedAtMs,
      isOverdue: false,
      excusedAtAgeMs: Number.NEGATIVE_INFINITY,
      overdue: () => {
        question.isOverdue = true;
        this.#raise(question, 'overdue');
      },
      answered: () => {
        if (!this.#asked.delete(question)) return;
        this.#record(server, question.ageMs());
        this.#check();
      },
      dropped: () => {
        if (this.#asked.delete(question) && this.#asked.size === 0) this.#disarm();
      },
    };
    this.#asked.add(question);
    if (!this.#histories.has(server)) {
      this.#histories.set(server, { firstAskedAtMs: question.startedAtMs, samples: [] });
    }
    const { usualMs, marginMs } = this.#patienceFor(question);
    this.#arm(question.startedAtMs + usualMs + marginMs);
    return question;
  }

  /** Forgets all questions and stops the timer. */
  close(): void {
    this.#closed = true;
    this.#asked.clear();
    this.#disarm();
  }

  #record(server: StorageServer, durationMs: number): void {
    const { samples } = this.#histories.get(server)!;
    samples.push({ durationMs, atMs: this.#options.clock.now() });
    if (samples.length > SAMPLES_PER_SERVER) samples.shift();
  }

  /**
   * From the others' answers, as RFC 6298 learns a time limit from a path's: what they took, and how much they differ;
   * the fewer they are, the less is known of how much. What all of them took together, a slow line or a busy
   * machine, is waited for once, not several times.
   */
  #patienceFor(question: WatchedQuestion<Subject>): Patience {
    const others = this.#othersOf(question);
    if (others === undefined) return { usualMs: 0, marginMs: question.patienceMs };
    const { count, middleMs, deviationMs, slowestSinceMs } = others;
    const { floorMs, toleratedFactor = 1 } = this.#options;
    const spreadMs = deviationMs + middleMs / (2 * count);
    return {
      usualMs: Math.max(middleMs, slowestSinceMs),
      marginMs: Math.max(floorMs, LATE_DEVIATIONS * spreadMs, (toleratedFactor - 1) * middleMs),
    };
  }

  /**
   * What the others took: each one's slowest lately, the middle of them, and the middle of what they are away from that;
   * and the slowest answer that came while this question was open, for where some servers are near and some are far,
   * the first far one excuses the others. Undefined until most of those that were asked no later have answered: as
   * long as most are silent, the fault may well be ours.
   */
  #othersOf({ server, startedAtMs }: WatchedQuestion<Subject>): Others | undefined {
    const slowestMs: number[] = [];
    let slowestSinceMs = 0;
    let others = 0;
    for (const [other, { firstAskedAtMs, samples }] of this.#histories) {
      if (other === server || (samples.length === 0 && firstAskedAtMs > startedAtMs)) continue;
      others++;
      if (samples.length === 0) continue;
      slowestMs.push(Math.max(...samples.map(({ durationMs }) => durationMs)));
      for (const { durationMs, atMs } of samples) {
        if (atMs >= startedAtMs) slowestSinceMs = Math.max(slowestSinceMs, durationMs);
      }
    }
    const count = slowestMs.length;
    if (count === 0 || 2 * count < others) return undefined;
    const middleMs = middleOf(slowestMs);
    const deviationMs = middleOf(slowestMs.map((ms) => Math.abs(ms - middleMs)));
    return { count, middleMs, deviationMs, slowestSinceMs };
  }

  #raise(question: WatchedQuestion<Subject>, lateness: Lateness): void {
    if (!this.#asked.has(question) || isAtLeast(question.lateness, lateness)) return;
    question.lateness = lateness;
    this.#options.onLate(question);
  }

  /** Raises what has become late and arms the timer for what will be next. */
  #check(): void {
    if (this.#asked.size === 0) this.#disarm();
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const question of [...this.#asked]) {
      const { usualMs, marginMs } = this.#patienceFor(question);
      let reached: Lateness = question.isOverdue ? 'overdue' : 'due';
      for (const { lateness, factor, leastMs } of STEPS) {
        const thresholdMs = Math.max(leastMs, usualMs + factor * marginMs);
        if (question.ageMs() < thresholdMs) {
          // Others may have shown meanwhile that it is no later than they are.
          if (isAtLeast(question.lateness, lateness)) question.lateness = reached;
          nextAtMs = Math.min(nextAtMs, question.startedAtMs + thresholdMs);
          break;
        }
        reached = lateness;
        this.#raise(question, lateness);
        if (!this.#asked.has(question)) break;
      }
    }
    this.#arm(nextAtMs);
  }

  #arm(atMs: number): void {
    if (this.#closed || atMs >= this.#timerAtMs) return;
    this.#disarm();
    this.#timerAtMs = atMs;
    const { clock } = this.#options;
    // At least a millisecond: a timer that fires a rounding error too early must not do so again and again.
    this.#timer = clock.setTimer(Math.max(1, atMs - clock.now()), () => {
      const lagMs = clock.now() - atMs;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      if (lagMs > STALL_MS) this.#excuse(lagMs);
      this.#check();
    });
  }

  /**
   * This process stood still, for which nobody is to blame. What answers came meanwhile are not read yet: so each question
   * gets some time more, but not again before it has aged by twice that, or where every timer is late nothing ever were.
   */
  #excuse(lagMs: number): void {
    for (const question of this.#asked) {
      question.startedAtMs += lagMs;
      if (question.ageMs() < question.excusedAtAgeMs + 2 * STALL_MS) continue;
      question.startedAtMs += STALL_MS;
      question.excusedAtAgeMs = question.ageMs();
    }
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }
}

interface History {
  readonly firstAskedAtMs: number;
  /** Its last few answers, newest last; empty when none came yet. */
  readonly samples: { readonly durationMs: number; readonly atMs: number }[];
}

/** What the other servers show. */
interface Others {
  /** How many have answered. */
  readonly count: number;
  readonly middleMs: number;
  readonly deviationMs: number;
  readonly slowestSinceMs: number;
}

/** A question is late when it is older than both together. */
interface Patience {
  readonly usualMs: number;
  readonly marginMs: number;
}

interface WatchedQuestion<Subject> extends Question<Subject> {
  lateness: Lateness;
  startedAtMs: number;
  isOverdue: boolean;
  /** How old it was when it was last given time because we had stood still. */
  excusedAtAgeMs: number;
  /** After how long it is late when there is nothing to compare it with. */
  readonly patienceMs: number;
}

const LEVELS: readonly Lateness[] = ['due', 'overdue', 'late', 'very late', 'hopeless'];

/** The steps that time alone brings, as multiples of the margin after which an answer is late. */
const STEPS: readonly { lateness: Lateness; factor: number; leastMs: number }[] = [
  { lateness: 'late', factor: 1, leastMs: 0 },
  { lateness: 'very late', factor: 2.5, leastMs: 0 },
  { lateness: 'hopeless', factor: 10, leastMs: 3000 },
];

/** `toleratedFactor` for reads and writes of blocks. */
export const BLOCKS_TOLERATED = 4;

/** As RFC 6298 has it. */
const LATE_DEVIATIONS = 4;
const SAMPLES_PER_SERVER = 4;

/** A timer that fires so much too late means that this process was stopped; so much time it then has to read. */
const STALL_MS = 100;

/** The lower one of two. */
function middleOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length / 2) - 1]!;
}
