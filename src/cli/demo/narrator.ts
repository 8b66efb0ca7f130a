// What a demonstration says: a line for each thing that happens, in words or as JSON, and at the end the chart and the
// table. What happens is decided in ../demo.ts.

import { type CliIo, terminalTraits, writeFully } from '../io.ts';
import { formatDuration, formatRate } from '../units.ts';
import type { VerbContext } from '../verb.ts';
import { type DemoFigures, nodes as nodeCount, renderTable } from './figures.ts';
import type { FleetNode } from './fleet.ts';
import type { DemoPlan } from './plan.ts';
import type { FileDigest, Performance, Stage } from './stage.ts';
import { renderTimeline, timelineFields } from './timeline.ts';

/** Says what happens, as lines of words or of JSON. */
export class Narrator {
  readonly #io: CliIo;
  readonly #context: VerbContext;

  constructor(io: CliIo, context: VerbContext) {
    this.#io = io;
    this.#context = context;
  }

  /** A line of words and the line of JSON that it stands for. */
  async say(
    type: string,
    fields: Readonly<Record<string, unknown>>,
    words: readonly string[],
  ): Promise<void> {
    this.#context.json?.write(type, fields);
    await this.add(words);
  }

  /** A line of words that JSON does without. */
  async add(words: readonly string[]): Promise<void> {
    const { json, progress } = this.#context;
    if (json !== undefined) return;
    await progress.aside(() => writeFully(this.#io.stdout, `${words.join('   ')}\n`));
  }

  async put(
    circumstance: string,
    { elapsedMs, lost }: Performance,
    { sizeBytes }: FileDigest,
    { happiness, asked, why }: { happiness: number; asked: number; why: string },
  ): Promise<void> {
    const fields = { ...fieldsOf(circumstance, elapsedMs, lost), happiness, asked };
    const speed = `${formatDuration(elapsedMs)}, ${formatRate(sizeBytes, elapsedMs)}`;
    await this.say('put', fields, [`put   ${circumstance}`, speed]);
    await this.add([`      happiness ${happiness}, asked for ${asked}: ${why}`]);
  }

  async get(circumstance: string, { elapsedMs, lost }: Performance, digest: FileDigest): Promise<void> {
    const fields = { ...fieldsOf(circumstance, elapsedMs, lost), sha256: digest.sha256 };
    const speed = `${formatDuration(elapsedMs)}, ${formatRate(digest.sizeBytes, elapsedMs)}`;
    await this.say('get', fields, [`get   ${circumstance}`, speed, 'SHA-256 equal']);
  }

  /** Chart, table, and what it comes to; as JSON, what the chart is drawn from. */
  closing(stage: Stage, figures: DemoFigures, { nodes, silent, survivors }: DemoPlan): string {
    this.#context.json?.write('timeline', timelineFields(stage.timeline));
    const { isTerminal, columns, colour } = terminalTraits(this.#io.stdout, this.#io.env);
    const chartColumns = isTerminal ? Math.min(columns, CHART_COLUMNS_MAX) : LOG_COLUMNS;
    const noticed = [...stage.noticedAfterMs].map(
      ([{ name }, afterMs]) =>
        `${name} ${afterMs === undefined ? 'not needed any more' : formatDuration(afterMs)}`,
    );
    return [
      '',
      renderTimeline(stage.timeline, { columns: chartColumns, colour }),
      '',
      renderTable(figures, silent, colour),
      '',
      `Noticed as silent after: ${noticed.join(', ')}.`,
      `${nodes - survivors} of ${nodeCount(nodes)} went without a word, and every byte came back each time.`,
      '',
    ].join('\n');
  }
}

function fieldsOf(
  circumstance: string,
  elapsedMs: number,
  lost: readonly FleetNode[],
): Record<string, unknown> {
  return { elapsedMs: Math.round(elapsedMs), circumstance, lost: lost.map(({ name }) => name) };
}

/** `nodes 2, 5, and 7`. */
export function namesOf(lost: readonly FleetNode[]): string {
  const numbers = lost.map(({ name }) => name.replace('node ', ''));
  return `node${lost.length === 1 ? '' : 's'} ${new Intl.ListFormat('en').format(numbers)}`;
}

/** Wider, a chart is not clearer. */
const CHART_COLUMNS_MAX = 132;
/** In a file or a log nobody says how wide it is. */
const LOG_COLUMNS = 100;
