// What a demonstration measured, as the table at its end and as the fields of its summary. Pure.

import Table from 'cli-table3';
import { formatDuration } from '../units.ts';

/** Milliseconds of each operation, from its start to the last byte or acknowledgement. */
export interface DemoFigures {
  readonly fileBytes: number;
  readonly putMs: number;
  readonly healthyGetMs: number;
  /** `silent` nodes stopped before it began. */
  readonly silentGetMs: number;
  /** One more stopped in the middle of it. */
  readonly lostMidwayGetMs: number;
  /** And one killed in the middle of it. */
  readonly putWithLossMs: number;
}

/** Table of healthy against silent; `silent` is the number of nodes that were stopped first. */
export function renderTable(figures: DemoFigures, silent: number, colour: boolean): string {
  const style = colour ? { head: ['bold'], border: ['gray'] } : { head: [], border: [] };
  const table = new Table({
    head: ['', 'healthy', 'silent', 'ratio', 'promised'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style,
    // No rules between the rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const { healthyGetMs, silentGetMs, lostMidwayGetMs, putMs, putWithLossMs } = figures;
  table.push(
    cells(`get, ${nodes(silent)} silent`, healthyGetMs, silentGetMs, 1.5 * healthyGetMs + 500),
    cells('get, one more stopped midway', healthyGetMs, lostMidwayGetMs, 1.5 * healthyGetMs + 500),
    cells('put, one more killed midway', putMs, putWithLossMs, 2 * putMs + 1000),
  );
  return table.toString();
}

/** `1 node`, `3 nodes`. */
export function nodes(count: number): string {
  return `${count} node${count === 1 ? '' : 's'}`;
}

function cells(what: string, healthyMs: number, silentMs: number, limitMs: number): string[] {
  const verdict = silentMs <= limitMs ? 'kept' : 'NOT kept';
  return [
    what,
    formatDuration(healthyMs),
    formatDuration(silentMs),
    `× ${(silentMs / Math.max(healthyMs, 0.01)).toFixed(1)}`,
    `≤ ${formatDuration(limitMs)}: ${verdict}`,
  ];
}
