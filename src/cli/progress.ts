// How far a command has come, on standard error: a bar when that is a terminal, a plain line every 10 s when it
// is not, JSON lines when asked for. Which bytes count is decided by the caller: those that were acknowledged.

import {
  amounts,
  type Progress,
  type ProgressOptions,
  type ProgressState,
  ProgressTracker,
} from './progress-tracker.ts';
import { formatDuration } from './units.ts';

/** Picks the display: JSON lines, bar or plain lines. */
export async function createProgress(options: ProgressOptions): Promise<Progress> {
  const { stream, terminal, json, label } = options;
  if (json !== undefined) {
    const show = (state: ProgressState): void => json.write('progress', progressFields(state));
    return new ProgressTracker(options, { show, periodMs: JSON_PERIOD_MS, showStages: true });
  }
  if (terminal.isTerminal) return new (await import('./progress-bar.ts')).ProgressBar(options);
  const show = (state: ProgressState): void => void stream.write(`${plainLine(label, state)}\n`);
  return new ProgressTracker(options, { show, periodMs: PLAIN_PERIOD_MS });
}

/** `put: 12.0 MiB of 32.0 MiB (37 %), 4.1 MiB/s, storing segments, after 10.0 s`. */
export function plainLine(label: string, state: ProgressState): string {
  return `${label}: ${[...amounts(state), state.stage, `after ${formatDuration(state.elapsedMs)}`].join(', ')}`;
}

function progressFields({ stage, doneBytes, totalBytes, elapsedMs }: ProgressState): Record<string, unknown> {
  return { stage, doneBytes, totalBytes: totalBytes ?? null, elapsedMs: Math.round(elapsedMs) };
}

const PLAIN_PERIOD_MS = 10_000;
const JSON_PERIOD_MS = 1_000;
