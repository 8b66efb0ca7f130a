// The chart of a demonstration: one row per node, time to the right, darkness where a node is gone; and what it is
// drawn from, for who draws another one. Pure: data in, text or fields out.

import { styleText } from 'node:util';
import { formatDuration } from '../units.ts';

/** A request as the chart needs it. */
export interface TimelineRequest {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly answered: boolean;
}

/** One node. */
export interface TimelineRow {
  readonly label: string;
  readonly requests: readonly TimelineRequest[];
  /** When and how it went; undefined for a node that stayed. */
  readonly gone?: { readonly atMs: number; readonly how: 'stopped' | 'killed' } | undefined;
}

/** A stretch of time, headed by a title, a note and its length; what happens between phases is not shown. */
export interface TimelinePhase {
  readonly title: string;
  readonly note: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** Everything that a chart shows. */
export interface Timeline {
  readonly rows: readonly TimelineRow[];
  readonly phases: readonly TimelinePhase[];
}

/**
 * Draws the timeline in at most `columns` (but never less than the heads of the phases need). Nodes that went come first, in the
 * order in which they did: the staircase of darkness, and below it those who take over.
 */
export function renderTimeline(
  timeline: Timeline,
  { columns, colour }: { readonly columns: number; readonly colour: boolean },
): string {
  const paint: Paint = colour
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_, text) => text;
  const labelWidth = Math.max(...timeline.rows.map(({ label }) => label.length));
  const scales = layOut(
    timeline.phases,
    columns - labelWidth - 1 - SEPARATOR.length * timeline.phases.length,
  );
  const separator = paint('dim', SEPARATOR);
  const line = (label: string, cells: readonly string[]): string =>
    [label.padEnd(labelWidth), ' ', ...cells.map((cell) => separator + cell)].join('').trimEnd();

  const head = (style: Style, textOf: (phase: TimelinePhase) => string): string =>
    line(
      '',
      scales.map(({ phase, width }) => paint(style, textOf(phase).padEnd(width))),
    );
  const heads = [
    head('bold', ({ title }) => title),
    head('dim', ({ note }) => note),
    head('dim', durationOf),
  ];
  const peaks = scales.map((scale) => Math.max(...timeline.rows.flatMap((row) => loads(row, scale))));
  const rows = byDeparture(timeline.rows).map((row) =>
    line(
      row.label,
      scales.map((scale, index) => paintCells(cells(row, scale, peaks[index]!), paint)),
    ),
  );
  return [...heads, ...rows, legend(paint)].join('\n');
}

/**
 * The timeline as fields of a JSON line. Times are milliseconds since the first phase began; a request is
 * `[start, end, answered]`, its end null when it was still open.
 */
export function timelineFields({ rows, phases }: Timeline): Record<string, unknown> {
  const zeroMs = phases[0]?.startedAtMs ?? 0;
  const time = (atMs: number): number | null =>
    Number.isFinite(atMs) ? Math.round((atMs - zeroMs) * 10) / 10 : null;
  return {
    phases: phases.map(({ title, note, startedAtMs, endedAtMs }) => ({
      title,
      note,
      startedAtMs: time(startedAtMs),
      endedAtMs: time(endedAtMs),
    })),
    nodes: rows.map(({ label, gone, requests }) => ({
      name: label,
      gone: gone === undefined ? null : { atMs: time(gone.atMs), how: gone.how },
      requests: requests.map(({ startedAtMs, endedAtMs, answered }) => [
        time(startedAtMs),
        time(endedAtMs),
        answered,
      ]),
    })),
  };
}

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

/** A phase and the columns that it gets. */
interface Scale {
  readonly phase: TimelinePhase;
  readonly width: number;
}

/** What one column says of one node. */
type Cell =
  | { readonly kind: 'load'; readonly level: number }
  | { readonly kind: 'idle' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'killed' }
  | { readonly kind: 'asked in vain' }
  | { readonly kind: 'dark' };

/** Each phase gets what its head needs, and of the rest a part as large as its part of the time. */
function layOut(phases: readonly TimelinePhase[], columns: number): Scale[] {
  const least = phases.map(
    (phase) => Math.max(...[phase.title, phase.note, durationOf(phase)].map((text) => text.length)) + 1,
  );
  const spare = Math.max(0, columns - sum(least));
  const wholeMs = sum(phases.map(lengthMs));
  return phases.map((phase, index) => ({
    phase,
    width: least[index]! + (wholeMs > 0 ? Math.floor((spare * lengthMs(phase)) / wholeMs) : 0),
  }));
}

function cells(row: TimelineRow, scale: Scale, peak: number): Cell[] {
  const goneAt = row.gone === undefined ? Infinity : columnOf(row.gone.atMs, scale);
  const asked = new Set(
    row.requests.filter((request) => !request.answered).map((r) => columnOf(r.startedAtMs, scale)),
  );
  return loads(row, scale).map((load, column): Cell => {
    if (column === goneAt) return { kind: row.gone!.how };
    if (column > goneAt) return { kind: asked.has(column) ? 'asked in vain' : 'dark' };
    if (load === 0) return { kind: 'idle' };
    return { kind: 'load', level: Math.ceil((load / peak) * LEVELS.length) };
  });
}

/** Answered requests per column; one that took several columns is spread over them. */
function loads(row: TimelineRow, scale: Scale): number[] {
  const result = new Array<number>(scale.width).fill(0);
  const columnMs = lengthMs(scale.phase) / scale.width;
  if (columnMs === 0) return result;
  for (const request of row.requests) {
    if (!request.answered) continue;
    const from = (request.startedAtMs - scale.phase.startedAtMs) / columnMs;
    // At least a little wide: an answer in the same instant is an answer.
    const to = Math.max((request.endedAtMs - scale.phase.startedAtMs) / columnMs, from + 1e-6);
    for (let column = Math.max(0, Math.floor(from)); column < Math.min(scale.width, to); column++) {
      result[column]! += (Math.min(to, column + 1) - Math.max(from, column)) / (to - from);
    }
  }
  return result;
}

/** The column of a moment: negative before the phase, beyond its width after it. */
function columnOf(atMs: number, { phase, width }: Scale): number {
  if (atMs < phase.startedAtMs) return -1;
  if (atMs >= phase.endedAtMs) return width;
  return Math.floor(((atMs - phase.startedAtMs) / lengthMs(phase)) * width);
}

function byDeparture(rows: readonly TimelineRow[]): TimelineRow[] {
  return rows.toSorted((a, b) => {
    const [first, second] = [a.gone?.atMs ?? Infinity, b.gone?.atMs ?? Infinity];
    return first === second ? 0 : first - second;
  });
}

/** Runs of one style are painted together. */
function paintCells(row: readonly Cell[], paint: Paint): string {
  let text = '';
  let run = '';
  let runStyle: Style | undefined;
  const flush = (): void => {
    text += runStyle === undefined ? run : paint(runStyle, run);
    run = '';
  };
  for (const cell of row) {
    const { glyph, style } = look(cell);
    if (style !== runStyle) flush();
    runStyle = style;
    run += glyph;
  }
  flush();
  return text;
}

function look(cell: Cell): { readonly glyph: string; readonly style: Style | undefined } {
  switch (cell.kind) {
    case 'load':
      return { glyph: LEVELS[cell.level - 1]!, style: 'green' };
    case 'idle':
      return { glyph: '·', style: 'dim' };
    case 'stopped':
      return { glyph: '■', style: 'yellow' };
    case 'killed':
      return { glyph: '✖', style: 'red' };
    case 'asked in vain':
      return { glyph: '?', style: 'red' };
    case 'dark':
      return { glyph: ' ', style: undefined };
    default:
      return cell satisfies never;
  }
}

/** In two lines, so that it fits where the chart does. */
function legend(paint: Paint): string {
  const entry = (cell: Cell, meaning: string): string => `${paintCells([cell], paint)} ${meaning}`;
  const idle = entry({ kind: 'idle' }, 'there, not needed');
  const marks = [
    entry({ kind: 'stopped' }, 'SIGSTOP'),
    entry({ kind: 'killed' }, 'SIGKILL'),
    entry({ kind: 'asked in vain' }, 'asked, no answer'),
  ];
  return `${paint('green', LEVELS.join(''))} few to many requests answered   ${idle}\n${marks.join('   ')}`;
}

function durationOf(phase: TimelinePhase): string {
  return formatDuration(lengthMs(phase));
}

function lengthMs({ startedAtMs, endedAtMs }: TimelinePhase): number {
  return endedAtMs - startedAtMs;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

const LEVELS: readonly string[] = [...'▁▂▃▄▅▆▇█'];
const SEPARATOR = '│';
