// What people look at of bench/bulk.ts: a table, and a picture of throughput by loss. It measures nothing.

import type { TopLevelSpec } from 'vega-lite';
import type { BulkSystem } from './flows.ts';
import type { Load } from './loads.ts';

/** A link; percent and milliseconds there and back. */
export interface Path {
  readonly lossPercent: number;
  readonly roundTripMs: number;
  /** 0: no bottleneck. */
  readonly linkMbitPerS: number;
}

/** `mbitPerS` is the median of the rounds; absent when a large message was not there in time. */
export interface BulkResult extends Path {
  readonly load: Load | 'shared';
  readonly system: BulkSystem;
  readonly mbitPerS?: number;
  /** Of a shared bottleneck: with whom, and our part of what both have moved. */
  readonly beside?: BulkSystem;
  readonly sharePercent?: number;
}

const LABELS: Readonly<Record<BulkSystem, string>> = {
  nevermind: 'nevermind',
  'tcp-bbr': "the kernel's TCP, BBR",
  'tcp-cubic': "the kernel's TCP, CUBIC",
};

const COLOURS = ['#0f8a7e', '#5b6b7b', '#b8c1cb'];

/** Markdown: a row for each system; streams over 50 ms without a bottleneck, by loss, and a message at 2 %. */
export function bulkTable(results: readonly BulkResult[]): string {
  const losses = [...new Set(results.filter(isPlainStream).map(({ lossPercent }) => lossPercent))];
  const systems = [...new Set(results.map(({ system }) => system))];
  const rows = systems.map((system) => {
    const rate = (load: Load, lossPercent: number) =>
      inWords(
        results.find(
          (one) =>
            isUsual(one) && one.load === load && one.system === system && one.lossPercent === lossPercent,
        ),
      );
    const streams = losses.map((lossPercent) => rate('stream', lossPercent));
    return [LABELS[system], ...streams, rate('message', 2), shareBeside(results, system)];
  });
  const heads = [
    'Mbit/s over 50 ms, lost each way:',
    ...losses.map((loss) => `${loss} %`),
    '16 MB at 2 %',
    'our part of a bottleneck beside it',
  ];
  const lines = [heads, heads.map((_, index) => (index === 0 ? '---' : '---:')), ...rows];
  return `\n${lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('')}\n`;
}

export function bulkChart(results: readonly BulkResult[]): TopLevelSpec {
  const values = results
    .filter(isPlainStream)
    .map(({ system, lossPercent, mbitPerS }) => ({ system: LABELS[system], lossPercent, mbitPerS }));
  return {
    title: {
      text: 'Messages of 1 MiB over 50 ms: Mbit/s by loss',
      subtitle: 'Loss each way, on an emulated link; up is better.',
    },
    width: 720,
    height: 300,
    data: { values },
    mark: { type: 'line', point: true, strokeWidth: 2.5 },
    encoding: {
      x: { field: 'lossPercent', type: 'quantitative', title: 'datagrams lost, %' },
      y: { field: 'mbitPerS', type: 'quantitative', title: 'Mbit/s', scale: { type: 'log' } },
      color: { field: 'system', type: 'nominal', title: null, sort: null, scale: { range: COLOURS } },
    },
  };
}

function isUsual({ roundTripMs, linkMbitPerS }: BulkResult): boolean {
  return roundTripMs === 50 && linkMbitPerS === 0;
}

function isPlainStream(result: BulkResult): boolean {
  return result.load === 'stream' && isUsual(result);
}

function inWords(result: BulkResult | undefined): string {
  if (result === undefined) return '–';
  const { mbitPerS } = result;
  return mbitPerS === undefined ? 'not in 30 s' : mbitPerS.toFixed(mbitPerS < 9.95 ? 1 : 0);
}

function shareBeside(results: readonly BulkResult[], system: BulkSystem): string {
  const shared = results.find((one) => one.load === 'shared' && one.beside === system);
  return shared?.sharePercent === undefined ? '' : `${shared.sharePercent} %`;
}
