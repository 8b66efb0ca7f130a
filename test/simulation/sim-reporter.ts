// What `npm run sim` says while it runs and at its end: for people, or one JSON object per line. What it does is in
// sim.ts.

import cliProgress from 'cli-progress';
import { JsonLines } from '../../src/cli/json-lines.ts';
import type { PlantedBug } from './planted-bug.ts';
import type { Violation } from './violations.ts';

/** Printed first: what is needed to do the same again. */
export interface SimStart {
  /** `git describe`, or the package's version. */
  readonly commit: string;
  readonly node: string;
  readonly from: number;
  readonly seeds: number;
  readonly workers: number;
  readonly workload: string;
  readonly twice: boolean;
  readonly bugs: number;
}

/** Where the run is. */
export interface SimProgress {
  readonly stage: 'seeds' | 'planted bugs';
  readonly done: number;
  readonly total: number;
  readonly violations: number;
  readonly elapsedMs: number;
}

/** What came of the search for one planted bug. */
export interface BugOutcome {
  readonly bug: PlantedBug;
  /** The first seed that showed it. */
  readonly foundAt: number | undefined;
  /** Another invariant that was broken, when it was not found. */
  readonly sawInstead: string | undefined;
}

/** Printed last. */
export interface SimSummary {
  readonly seeds: number;
  /** Broken invariants, over all seeds. */
  readonly violations: number;
  /** The first of the seeds that broke one. */
  readonly failedSeeds: readonly number[];
  readonly calls: number;
  readonly datagrams: number;
  readonly virtualHours: number;
  readonly elapsedMs: number;
  /** `found/searched for` */
  readonly plantedBugsFound: string;
  readonly plantedBugsMissed: readonly string[];
  readonly sometimes: Readonly<Record<string, number>>;
  /** Those of `sometimes` that were never counted. */
  readonly never: readonly string[];
  readonly ok: boolean;
}

export interface SimReporter {
  start(start: SimStart): void;
  progress(progress: SimProgress): void;
  violation(seed: number, violations: readonly Violation[], replay: string): void;
  bug(outcome: BugOutcome, replay: string): void;
  /** Resolves when all was written. */
  summary(summary: SimSummary): Promise<void>;
}

/** One JSON object per line on standard output. */
export class JsonReporter implements SimReporter {
  readonly #lines = new JsonLines(process.stdout);
  readonly #every = new Every();

  start(start: SimStart): void {
    this.#lines.write('start', { ...start });
  }

  progress(progress: SimProgress): void {
    if (this.#every.isDue(progress)) this.#lines.write('progress', { ...progress });
  }

  violation(seed: number, violations: readonly Violation[], replay: string): void {
    this.#lines.write('violation', { seed, violations, replay });
  }

  bug({ bug, foundAt, sawInstead }: BugOutcome, replay: string): void {
    const { name, story, foundBy, withinSeeds } = bug;
    this.#lines.write('bug', {
      name,
      story,
      foundBy,
      withinSeeds,
      foundAt: foundAt ?? null,
      ...(sawInstead !== undefined && { sawInstead }),
      replay,
    });
  }

  summary(summary: SimSummary): Promise<void> {
    return this.#lines.writeSummary({ ...summary });
  }
}

/** Text on standard output; on a terminal, with a bar. */
export class TextReporter implements SimReporter {
  readonly #bar: cliProgress.SingleBar | undefined;
  readonly #every = new Every();
  #stage = '';

  constructor() {
    if (!process.stdout.isTTY) return;
    this.#bar = new cliProgress.SingleBar({
      stream: process.stdout,
      format: '{stage}  {bar}  {value}/{total}  {violations} violations  {eta_formatted} left',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      clearOnComplete: true,
      forceRedraw: true,
    });
  }

  start(start: SimStart): void {
    const last = start.from + start.seeds - 1;
    this.#say(
      `seeds ${start.from} to ${last}${start.twice ? ', each twice' : ''}, workload ${start.workload}, ` +
        `${start.workers} workers, ${start.bugs} planted bugs; commit ${start.commit}, Node ${start.node}`,
    );
  }

  progress(progress: SimProgress): void {
    const { stage, done, total, violations, elapsedMs } = progress;
    if (this.#bar === undefined) {
      if (!this.#every.isDue(progress)) return;
      const seconds = Math.round(elapsedMs / 1000);
      this.#say(`${seconds} s: ${done} of ${total} ${stage}, ${violations} violations`);
      return;
    }
    if (stage !== this.#stage) this.#bar.start(total, done, { stage, violations });
    this.#stage = stage;
    this.#bar.update(done, { stage, violations });
  }

  violation(seed: number, violations: readonly Violation[], replay: string): void {
    const lines = violations.map(({ invariant, atMs, detail }) => `  ${invariant} at ${atMs} ms: ${detail}`);
    this.#say([`seed ${seed}:`, ...lines, `  replay: ${replay}`].join('\n'));
  }

  bug({ bug, foundAt, sawInstead }: BugOutcome, replay: string): void {
    if (foundAt !== undefined) {
      this.#say(`planted ${bug.name}: found at seed ${foundAt} by ${bug.foundBy}`);
      return;
    }
    const instead = sawInstead === undefined ? '' : `, but ${sawInstead} was broken`;
    this.#say(
      `planted ${bug.name} (${bug.story}): NOT FOUND within ${bug.withinSeeds} seeds by ${bug.foundBy}${instead}\n` +
        `  again: ${replay}`,
    );
  }

  async summary(summary: SimSummary): Promise<void> {
    this.#bar?.stop();
    const width = Math.max(...Object.keys(summary.sometimes).map(({ length }) => length));
    const counts = Object.entries(summary.sometimes).map(
      ([name, count]) => `  ${name.padEnd(width)} ${count}`,
    );
    if (counts.length > 0) console.log(['how often the rare paths ran:', ...counts].join('\n'));
    const { seeds, violations, calls, datagrams, virtualHours, elapsedMs, failedSeeds, never } = summary;
    console.log(
      `${seeds} seeds, ${calls} calls, ${datagrams} datagrams, ${virtualHours} virtual hours ` +
        `in ${Math.round(elapsedMs / 1000)} s: ${violations} violations, ` +
        `planted bugs found: ${summary.plantedBugsFound}`,
    );
    if (failedSeeds.length > 0) console.log(`violated by seeds ${failedSeeds.join(', ')}`);
    if (never.length > 0) console.log(`never happened: ${never.join(', ')}`);
    console.log(summary.ok ? 'ok' : 'NOT OK');
  }

  #say(text: string): void {
    if (this.#bar === undefined || this.#stage === '') {
      console.log(text);
      return;
    }
    // The next update draws the bar again, below.
    this.#bar.stop();
    this.#stage = '';
    console.log(text);
  }
}

/** Says when a line of progress is due. */
class Every {
  #nextAtMs = 0;

  isDue({ elapsedMs }: SimProgress): boolean {
    if (elapsedMs < this.#nextAtMs) return false;
    this.#nextAtMs = elapsedMs + PROGRESS_EVERY_MS;
    return true;
  }
}

const PROGRESS_EVERY_MS = 10_000;
