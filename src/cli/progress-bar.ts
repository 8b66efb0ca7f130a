// The progress of a command as a bar on a terminal. cli-progress draws, throttles and estimates; the state and the
// words are progress-tracker.ts's.

import { styleText } from 'node:util';
import cliProgress, { type Options, type Params } from 'cli-progress';
import type { TerminalTraits } from './io.ts';
import {
  amounts,
  type Progress,
  type ProgressOptions,
  type ProgressState,
  ProgressTracker,
} from './progress-tracker.ts';
import { formatDuration } from './units.ts';

/** Draws on a terminal until it is stopped; then the line is gone. */
export class ProgressBar implements Progress {
  readonly #tracker: ProgressTracker;
  readonly #bar: cliProgress.SingleBar;

  constructor(options: ProgressOptions) {
    this.#tracker = new ProgressTracker(options);
    this.#bar = new cliProgress.SingleBar({
      stream: options.stream as NodeJS.WritableStream,
      format: (_options: Options, params: Params) =>
        barLine(this.#tracker.state, options.terminal, etaOf(params)),
      fps: BAR_FRAMES_PER_SECOND,
      // Signals are main.ts's business, and the line is erased: what is left on the terminal is the result.
      gracefulExit: false,
      clearOnComplete: true,
      forceRedraw: true,
    });
    this.#bar.start(1, 0);
  }

  get stage(): string {
    return this.#tracker.stage;
  }

  get elapsedMs(): number {
    return this.#tracker.elapsedMs;
  }

  startStage(stage: string, totalBytes?: number): void {
    this.#tracker.startStage(stage, totalBytes);
    this.#bar.start(Math.max(1, totalBytes ?? 1), 0);
  }

  advance(doneBytes: number, totalBytes?: number): void {
    this.#tracker.advance(doneBytes, totalBytes);
    this.#bar.setTotal(Math.max(1, totalBytes ?? 1));
    this.#bar.update(totalBytes === undefined ? 0 : doneBytes);
  }

  async aside(write: () => Promise<void>): Promise<void> {
    this.#bar.stop();
    await write();
    this.#bar.start(1, 0);
  }

  stop(): void {
    this.#tracker.stop();
    this.#bar.stop();
  }
}

/** The line of a bar, at most `columns` - 1 wide; the bar itself takes what the words leave. */
export function barLine(
  state: ProgressState,
  { columns, colour }: Pick<TerminalTraits, 'columns' | 'colour'>,
  etaSeconds: number | undefined,
): string {
  const words = [state.stage, ...amounts(state)];
  if (etaSeconds !== undefined && state.totalBytes !== undefined && state.doneBytes < state.totalBytes) {
    words.push(`${formatDuration(etaSeconds * 1000)} left`);
  }
  const text = words.join('  ');
  const barColumns = Math.min(BAR_COLUMNS_MAX, columns - 2 - text.length);
  if (state.totalBytes === undefined || barColumns < BAR_COLUMNS_MIN) return text.slice(0, columns - 1);
  const bar = cliProgress.Format.BarFormat(fractionDone(state), barOptions(barColumns) as Options);
  return `${colour ? styleText('cyan', bar, { validateStream: false }) : bar} ${text}`;
}

function etaOf(params: Params): number | undefined {
  const eta = Number(params.eta);
  return params.value > 0 && Number.isFinite(eta) ? eta : undefined;
}

function fractionDone({ doneBytes, totalBytes }: ProgressState): number {
  return totalBytes === undefined || totalBytes === 0 ? 0 : Math.min(1, doneBytes / totalBytes);
}

function barOptions(barsize: number): Record<string, unknown> {
  return {
    barsize,
    barGlue: '',
    barCompleteString: '█'.repeat(barsize),
    barIncompleteString: '░'.repeat(barsize),
  };
}

const BAR_FRAMES_PER_SECOND = 10;
const BAR_COLUMNS_MAX = 30;
const BAR_COLUMNS_MIN = 5;
