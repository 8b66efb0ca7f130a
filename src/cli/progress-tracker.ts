// What a command has done so far, told by a verb stage by stage, and shown as often as a display wants. How it looks is
// progress.ts's and progress-bar.ts's business.

import type { Writable } from 'node:stream';
import type { TerminalTraits } from './io.ts';
import type { JsonLines } from './json-lines.ts';
import { formatBytes, formatRate } from './units.ts';

/** Told by a verb what it does; shows it in its own way. */
export interface Progress {
  /** What is being done now, as a participle: `locating shares`. */
  readonly stage: string;
  readonly elapsedMs: number;
  startStage(stage: string, totalBytes?: number): void;
  /** Bytes done so far; without `totalBytes` nobody knows how many there will be. */
  advance(doneBytes: number, totalBytes?: number): void;
  /** Lets something else be written to the terminal in between. */
  aside(write: () => Promise<void>): Promise<void>;
  /** Leaves the terminal as it was; later calls change nothing. */
  stop(): void;
}

/** What a progress display is made of. */
export interface ProgressOptions {
  readonly stream: Writable;
  readonly terminal: TerminalTraits;
  /** With it, progress is told there instead of on `stream`. */
  readonly json?: JsonLines | undefined;
  /** The verb, as the first word of plain lines. */
  readonly label: string;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

/** The state that every display draws. */
export interface ProgressState {
  readonly stage: string;
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
  /** Since the command started. */
  readonly elapsedMs: number;
  /** Since the stage started: what a rate is taken over. */
  readonly stageMs: number;
}

/** When a {@link ProgressTracker} shows what it knows. */
export interface ProgressSchedule {
  readonly show: (state: ProgressState) => void;
  readonly periodMs: number;
  /** Also at the start of each stage. */
  readonly showStages?: boolean;
}

/** Keeps the state and, with a schedule, shows it again and again. Its timer keeps no process alive. */
export class ProgressTracker implements Progress {
  readonly #now: () => number;
  readonly #startedAtMs: number;
  readonly #schedule: ProgressSchedule | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #stage: string = 'starting';
  #stageStartedAtMs: number;
  #doneBytes = 0;
  #totalBytes: number | undefined;

  constructor(options: Pick<ProgressOptions, 'now'>, schedule?: ProgressSchedule) {
    this.#now = options.now ?? (() => performance.now());
    this.#startedAtMs = this.#now();
    this.#stageStartedAtMs = this.#startedAtMs;
    this.#schedule = schedule;
    if (schedule !== undefined) {
      this.#timer = setInterval(() => schedule.show(this.state), schedule.periodMs).unref();
    }
  }

  get stage(): string {
    return this.#stage;
  }

  get elapsedMs(): number {
    return this.#now() - this.#startedAtMs;
  }

  get state(): ProgressState {
    return {
      stage: this.#stage,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      elapsedMs: this.elapsedMs,
      stageMs: this.#now() - this.#stageStartedAtMs,
    };
  }

  startStage(stage: string, totalBytes?: number): void {
    this.#stage = stage;
    this.#stageStartedAtMs = this.#now();
    this.#doneBytes = 0;
    this.#totalBytes = totalBytes;
    if (this.#schedule?.showStages) this.#schedule.show(this.state);
  }

  advance(doneBytes: number, totalBytes?: number): void {
    this.#doneBytes = doneBytes;
    this.#totalBytes = totalBytes;
  }

  aside(write: () => Promise<void>): Promise<void> {
    return write();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** How much is done, of how much, how fast; nothing when nobody knows. */
export function amounts({ doneBytes, totalBytes, stageMs }: ProgressState): string[] {
  if (totalBytes === undefined && doneBytes === 0) return [];
  const words = [
    totalBytes === undefined
      ? formatBytes(doneBytes)
      : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)} (${percent(doneBytes, totalBytes)} %)`,
  ];
  if (doneBytes > 0 && stageMs > 0) words.push(formatRate(doneBytes, stageMs));
  return words;
}

/** Rounded down: 100 only when everything is done. */
function percent(doneBytes: number, totalBytes: number): number {
  return totalBytes === 0 ? 100 : Math.floor((doneBytes * 100) / totalBytes);
}
