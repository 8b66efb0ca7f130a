// What people look at of bench/silent-server.ts: a table, and a picture with, for each operation and system, how long it
// takes while all servers answer (a ring) and while one says nothing (a dot). It measures nothing.

import type { TopLevelSpec } from 'vega-lite';

/** What is measured. */
export type Operation = 'upload 1 MB' | 'read 1 MB' | 'check' | 'verify' | 'read 24 MB';

/** One operation of one system; times in milliseconds, medians. */
export interface Row {
  readonly system: string;
  readonly operation: Operation;
  /** Before the operation begins, or in the middle of it. */
  readonly stopped: 'before' | 'middle';
  readonly healthyMs: number;
  /** JSON has no Infinity: null for what has not ended within 100 s. */
  readonly silentMs: number | null;
  /** Runs with a stopped server that gave no result, or not in 100 s. */
  readonly failures: number;
}

export function silentServerLabel({ operation, stopped }: Row): string {
  return stopped === 'middle' ? `${operation}, stopped midway` : operation;
}

/** Markdown: a row for each operation, a column for each system. */
export function silentServerTable(results: readonly Row[]): string {
  const systems = [...new Set(results.map(({ system }) => system))];
  const lines = [...new Set(results.map(silentServerLabel))].map((label) => {
    const cells = systems.map((system) => {
      const row = results.find((one) => one.system === system && silentServerLabel(one) === label);
      return row === undefined ? '–' : `${inSeconds(row.healthyMs)} → ${silentWords(row)}`;
    });
    return `| ${label} | ${cells.join(' | ')} |`;
  });
  const head = ['all answer → one of 5 servers stopped', ...systems];
  return `\n${[`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...lines].join('\n')}\n\n`;
}

/** How long it took with a stopped server. */
export function silentWords({ silentMs, failures }: Row): string {
  const failed = failures === 0 ? '' : ` (${failures} failed)`;
  return `${silentMs === null ? '> 100 s' : inSeconds(silentMs)}${failed}`;
}

export function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 9_950 ? 2 : 0)} s`;
}

export function silentServerChart(results: readonly Row[]): TopLevelSpec {
  const values = results.map((row) => ({
    system: row.system,
    operation: silentServerLabel(row),
    healthy: row.healthyMs / 1000,
    silent: (row.silentMs ?? 100_000) / 1000,
  }));
  const sort = [...new Set(values.map(({ operation }) => operation))];
  const axis = { labelLimit: 220 };
  const y = { field: 'system', type: 'nominal' as const, title: null, sort: null, axis };
  const scale = { range: COLOURS };
  const color = { field: 'system', type: 'nominal' as const, legend: null, sort: null, scale };
  const x = (field: 'healthy' | 'silent') => ({
    field,
    type: 'quantitative' as const,
    title: null,
    scale: { type: 'log' as const, domain: [0.01, 100] },
    axis: { values: [0.1, 1, 10, 100], format: '~g' },
  });
  return {
    title: {
      text: 'One of five servers says nothing: seconds that each operation takes',
      subtitle: 'Ring: all servers answer. Dot: one has been stopped. Logarithmic; further left is better.',
    },
    data: { values },
    facet: { row: { field: 'operation', type: 'nominal', sort, title: null, header: HEADER } },
    spacing: 12,
    spec: {
      width: 560,
      height: { step: 17 },
      layer: [
        { mark: 'rule', encoding: { y, color, x: x('healthy'), x2: { field: 'silent' } } },
        { mark: { type: 'point', size: 60, filled: false }, encoding: { y, color, x: x('healthy') } },
        {
          mark: { type: 'point', size: 80, filled: true, opacity: 1 },
          encoding: { y, color, x: x('silent') },
        },
      ],
    },
  };
}

const HEADER = { labelAngle: 0, labelOrient: 'top', labelAnchor: 'start' } as const;
const COLOURS = ['#0f8a7e', '#2f6fb3', '#8a96a3'];
