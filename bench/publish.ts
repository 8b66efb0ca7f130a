// From the summaries in bench/results to what people look at: pictures beside them, and the tables between the marks
// `<!-- figures: NAME -->` and `<!-- /figures -->` of the README. It measures nothing:
//   npm run bench -- calls --out bench/results/calls.json && npm run bench -- publish

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { TopLevelSpec } from 'vega-lite';
import { type BulkResult, bulkChart, bulkTable } from './bulk/figures.ts';
import { writeChart } from './chart.ts';
import type { Machine } from './machine.ts';
import { type Row, silentServerChart, silentServerTable } from './silent-server-figures.ts';

interface Summary<Result> {
  readonly machine: Machine;
  readonly results: readonly Result[];
}

interface Calls {
  readonly system: string;
  readonly sizeBytes: number;
  readonly concurrency: number;
  readonly callsPerSecond: number;
  readonly clientCpuUsPerCall: number;
  readonly serverCpuUsPerCall: number;
}

interface Latency {
  readonly system: string;
  readonly lossPercent: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly calls: number;
  readonly failures: number;
}

interface Silence {
  readonly system: string;
  readonly lastMs?: number;
  readonly outstanding: number;
  readonly batches: number;
}

interface Grid {
  readonly transport: string;
  readonly mib: number;
  readonly operation: string;
  readonly silentNodes: number;
  readonly silentFrom: string;
  readonly medianMs: number;
}

const OURS = '#0f8a7e';
const OTHERS = '#8a96a3';

await publish<Calls>('calls', callsTable, callsChart);
await publish<Latency>('latency', latencyTable, latencyChart);
await publish<BulkResult>(
  'bulk',
  ({ results }) => bulkTable(results),
  ({ results }) => bulkChart(results),
);
await publish<Silence>('silence', silenceTable, silenceChart);
await publish<Grid>('grid', gridTable);
await publish<Row>(
  'silent-server',
  ({ results }) => silentServerTable(results),
  ({ results }) => silentServerChart(results),
);

async function publish<Result>(
  name: string,
  table: (summary: Summary<Result>) => string,
  chart?: (summary: Summary<Result>) => TopLevelSpec,
): Promise<void> {
  const summary = await readSummary<Result>(name);
  if (summary === undefined) {
    console.log(`${name}: there is no bench/results/${name}.json`);
    return;
  }
  if (chart !== undefined) await writeChart(pathOf(`results/${name}.svg`), chart(summary));
  const readme = await readFile(pathOf('../README.md'), 'utf8');
  const place = new RegExp(`(<!-- figures: ${name} -->\n)[^]*?(<!-- /figures -->)`);
  if (!place.test(readme)) {
    console.log(`${name}: the README has no place for its table`);
    return;
  }
  await writeFile(
    pathOf('../README.md'),
    readme.replace(place, (_, before: string, after: string) => `${before}${table(summary)}${after}`),
  );
  console.log(`${name}: README${chart === undefined ? '' : ` and bench/results/${name}.svg`}`);
}

async function readSummary<Result>(name: string): Promise<Summary<Result> | undefined> {
  try {
    return JSON.parse(await readFile(pathOf(`results/${name}.json`), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function callsTable({ results }: Summary<Calls>): string {
  const small = results.filter(({ sizeBytes }) => sizeBytes === 64);
  const columns = distinct(small.map(({ concurrency }) => concurrency)).sort((a, b) => a - b);
  const rows = distinct(small.map(({ system }) => system)).map((system) => {
    const of = small.filter((one) => one.system === system);
    const rates = columns.map((at) =>
      inWords(of.find(({ concurrency }) => concurrency === at)?.callsPerSecond),
    );
    const busy = of.find(({ concurrency }) => concurrency === 128);
    return [
      system,
      ...rates,
      busy === undefined ? '–' : `${busy.clientCpuUsPerCall} + ${busy.serverCpuUsPerCall}`,
    ];
  });
  return markdown(
    ['calls a second, 64 bytes', ...columns.map((at) => `${at} at once`), 'µs of processor, at 128'],
    rows,
  );
}

function latencyTable({ results }: Summary<Latency>): string {
  const shown = results.filter(({ lossPercent }) => lossPercent === 2 || lossPercent === 10);
  const rows = distinct(shown.map(({ system }) => system)).map((system) => [
    system,
    ...[2, 10].map((loss) => {
      const one = shown.find((result) => result.system === system && result.lossPercent === loss);
      if (one === undefined) return '–';
      const times = [one.p50, one.p90, one.p99, one.p999].map(Math.round).join(' / ');
      return one.failures === 0 ? times : `${times}; ${one.failures} of ${one.calls} failed`;
    }),
  ]);
  return markdown(['ms: p50 / p90 / p99 / p99.9', '2 % lost each way', '10 % lost each way'], rows);
}

function silenceTable({ results }: Summary<Silence>): string {
  const rows = results.map(({ system, lastMs, outstanding, batches }) => [
    system,
    lastMs === undefined
      ? `${outstanding} still outstanding at the end of the run`
      : `${(lastMs / 1000).toFixed(1)} s`,
    lastMs === undefined ? '–' : String(batches),
  ]);
  return markdown(
    ['102 calls to a peer that has vanished', 'the last one has failed after', 'in batches'],
    rows,
  );
}

function gridTable({ results }: Summary<Grid>): string {
  const scenarios = distinct(results.map(({ silentNodes, silentFrom }) => `${silentNodes} ${silentFrom}`));
  const rows = distinct(
    results.map(({ mib, operation, transport }) => `${operation} ${mib} ${transport}`),
  ).map((key) => {
    const [operation, mib, transport] = key.split(' ') as [string, string, string];
    return [
      `${operation} ${mib} MiB over ${transport.toUpperCase()}`,
      ...scenarios.map((scenario) => {
        const one = results.find(
          (result) =>
            `${result.operation} ${result.mib} ${result.transport}` === key &&
            `${result.silentNodes} ${result.silentFrom}` === scenario,
        );
        return one === undefined ? '–' : `${(one.medianMs / 1000).toFixed(2)} s`;
      }),
    ];
  });
  const heads = scenarios.map((scenario) => {
    const [silent, from] = scenario.split(' ') as [string, string];
    if (silent === '0') return 'all answer';
    return from === 'start' ? `${silent} silent` : `${silent} silent midway`;
  });
  return markdown(['of 10 nodes', ...heads], rows);
}

function callsChart({ results }: Summary<Calls>): TopLevelSpec {
  const values = results.filter(({ sizeBytes }) => sizeBytes === 64);
  return {
    title: {
      text: 'Echo of 64 bytes over loopback: calls a second',
      subtitle: 'Logarithmic; further right is better.',
    },
    data: { values: coloured(values) },
    facet: {
      field: 'concurrency',
      type: 'ordinal',
      title: null,
      header: { labelExpr: "datum.value + ' at once'" },
    },
    columns: 2,
    spec: {
      width: 330,
      height: 190,
      mark: { type: 'bar' },
      encoding: {
        y: { field: 'system', type: 'nominal', title: null, sort: null },
        x: {
          field: 'callsPerSecond',
          type: 'quantitative',
          title: null,
          scale: { type: 'log', domain: [100, 200_000] },
          axis: { format: '~s', values: [100, 1000, 10_000, 100_000] },
        },
        x2: { datum: 100 },
        color: { field: 'color', type: 'nominal', scale: null },
      },
    },
  };
}

function latencyChart({ results }: Summary<Latency>): TopLevelSpec {
  return {
    title: {
      text: 'The slowest call of a hundred, at 100 calls a second over 50 ms',
      subtitle: 'Loss each way, on an emulated link; both axes: less is better.',
    },
    width: 720,
    height: 300,
    data: { values: [...results] },
    mark: { type: 'line', point: true, strokeWidth: 2.5 },
    encoding: {
      x: { field: 'lossPercent', type: 'quantitative', title: 'datagrams lost, %' },
      y: {
        field: 'p99',
        type: 'quantitative',
        title: '99th percentile, ms',
        scale: { type: 'log' },
        axis: { format: '~s' },
      },
      color: { field: 'system', type: 'nominal', title: null, sort: null },
    },
  };
}

function silenceChart({ results }: Summary<Silence>): TopLevelSpec {
  const measured = results.flatMap(({ system, lastMs }) =>
    lastMs === undefined ? [] : [{ system, seconds: lastMs / 1000 }],
  );
  const values = [...measured, { system: 'Foolscap over TCP', seconds: 939.5 }];
  return {
    title: {
      text: 'A peer vanishes with 102 calls outstanding: seconds until all have failed',
      subtitle:
        'Logarithmic. Who does not notice within the run is left out; Foolscap was measured once, by hand.',
    },
    width: 560,
    height: 200,
    data: { values: coloured(values) },
    mark: { type: 'bar' },
    encoding: {
      y: { field: 'system', type: 'nominal', title: null, sort: null, axis: { labelLimit: 260 } },
      x: {
        field: 'seconds',
        type: 'quantitative',
        title: 'seconds',
        scale: { type: 'log', domain: [0.1, 1000] },
        axis: { format: '~g', values: [0.1, 1, 10, 100, 1000] },
      },
      x2: { datum: 0.1 },
      color: { field: 'color', type: 'nominal', scale: null },
    },
  };
}

function coloured<Value extends { readonly system: string }>(
  values: readonly Value[],
): (Value & { color: string })[] {
  return values.map((value) => ({ ...value, color: value.system.startsWith('nevermind') ? OURS : OTHERS }));
}

function markdown(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return `\n${line(heads)}${line(heads.map((_, index) => (index === 0 ? '---' : '---:')))}${rows.map(line).join('')}\n`;
}

function inWords(value: number | undefined): string {
  return value === undefined ? '–' : value.toLocaleString('en-US');
}

function distinct<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
