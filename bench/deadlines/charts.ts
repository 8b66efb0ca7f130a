// The study as pictures: a summary with false alarms against time to notice, and for each scenario what server 0 took
// and what each rule allowed it, over time. On paper of their own, so that they read on light and dark pages.

import { join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { writeChart } from '../chart.ts';
import { ALONE, FAULT_MS, IN_A_GROUP, type ObservedCall, type Scenario } from './scenarios.ts';
import type { Verdict } from './verdict.ts';

const COLORS: Readonly<Record<string, string>> = {
  [ALONE]: '#0f8a7e',
  [IN_A_GROUP]: '#4fb3a9',
  'fixed 10 s': '#8a8f98',
  'Cassandra, p99': '#d1642f',
  'Sia, 1.5 × expected': '#7a5fb5',
};
const RULES = Object.keys(COLORS);
const scale = { domain: RULES, range: Object.values(COLORS) };
/** Nobody waits longer than this in the pictures: beyond, it was not noticed. */
const NEVER_MS = 30_000;
/** Calls that are drawn. */
const DOTS = 220;

/** Writes `summary.svg` and one file per scenario. @param firstRuns the calls of one seed, by scenario. */
export async function drawAll(
  folder: string,
  scenarios: readonly Scenario[],
  verdicts: readonly Verdict[],
  firstRuns: ReadonlyMap<string, readonly ObservedCall[]>,
): Promise<void> {
  await writeChart(join(folder, 'summary.svg'), summary(scenarios, verdicts));
  for (const scenario of scenarios) {
    await writeChart(
      join(folder, `${scenario.name}.svg`),
      overTime(scenario, firstRuns.get(scenario.name) ?? []),
    );
  }
}

function summary(scenarios: readonly Scenario[], verdicts: readonly Verdict[]): TopLevelSpec {
  const values = verdicts.map(({ scenario, rule, falsePerThousand, noticedMs }) => ({
    title: scenarios.find(({ name }) => name === scenario)?.title,
    rule,
    // The axis is a logarithm: none at all stands at the bottom.
    falseAlarms: Math.max(0.3, falsePerThousand),
    noticed: noticedMs ?? NEVER_MS,
  }));
  return {
    title: {
      text: 'Time to notice a fault, and false alarms meanwhile',
      subtitle:
        'Down and to the left is better. A point at the right edge: not noticed. At the bottom: no false alarm.',
    },
    data: { values },
    facet: { field: 'title', type: 'nominal', title: null, sort: scenarios.map(({ title }) => title) },
    columns: 3,
    spec: {
      width: 270,
      height: 200,
      mark: { type: 'point', filled: true, size: 150, opacity: 0.9 },
      encoding: {
        x: {
          field: 'noticed',
          type: 'quantitative',
          title: 'time to notice (ms)',
          scale: { type: 'log', domain: [20, NEVER_MS] },
          axis: { values: [30, 100, 300, 1000, 3000, 10_000], format: '~s', grid: true },
        },
        y: {
          field: 'falseAlarms',
          type: 'quantitative',
          title: 'false alarms per 1000 calls',
          scale: { type: 'log', domain: [0.3, 200] },
          axis: { values: [1, 3, 10, 30, 100], format: '~s', grid: true },
        },
        color: {
          field: 'rule',
          type: 'nominal',
          title: null,
          scale,
          legend: { orient: 'bottom', columns: 5 },
        },
        shape: { field: 'rule', type: 'nominal', title: null, scale: { domain: RULES } },
      },
    },
  };
}

function overTime(scenario: Scenario, calls: readonly ObservedCall[]): TopLevelSpec {
  const mine = calls.filter(({ peer }) => peer === 0);
  const every = Math.ceil(mine.length / DOTS);
  const answered = mine
    .filter((_, index) => index % every === 0)
    .flatMap(({ startMs, elapsedMs }) =>
      elapsedMs === undefined ? [] : [{ s: startMs / 1000, ms: elapsedMs, what: 'answer' }],
    );
  const allowed = mine
    .filter((_, index) => index % (2 * every) === 0)
    .flatMap(({ startMs, allowedMs }) =>
      [...allowedMs].map(([rule, ms]) => ({ s: round(startMs / 1000), ms: round(ms), rule })),
    );
  const lastS = Math.max(...mine.map(({ startMs }) => startMs)) / 1000;
  const x: Positions['x'] = {
    field: 's',
    type: 'quantitative',
    title: 'seconds',
    scale: { domain: [0, Math.ceil(lastS)] },
  };
  const y: Positions['y'] = {
    field: 'ms',
    type: 'quantitative',
    title: 'milliseconds',
    scale: { type: 'log', domain: [8, 20_000], clamp: true },
    axis: { values: [10, 30, 100, 300, 1000, 3000, 10_000], format: '~s' },
  };
  return {
    title: {
      text: scenario.title,
      subtitle: `Dots: what server 0 took. Lines: what each rule allowed it. From ${FAULT_MS / 1000} s on, ${scenario.fault}.`,
    },
    width: 760,
    height: 260,
    layer: [
      {
        data: { values: [{ s: FAULT_MS / 1000 }] },
        mark: { type: 'rule', color: '#d1242f', strokeDash: [4, 4] },
        encoding: { x },
      },
      {
        data: { values: answered.map(({ s, ms }) => ({ s: round(s), ms: round(ms) })) },
        mark: { type: 'circle', size: 14, color: '#33404d', opacity: 0.55 },
        encoding: { x, y },
      },
      {
        data: { values: allowed },
        mark: { type: 'line', strokeWidth: 2 },
        encoding: {
          x,
          y,
          color: {
            field: 'rule',
            type: 'nominal',
            title: null,
            scale: {
              domain: RULES.filter((rule) => rule !== IN_A_GROUP),
              range: Object.entries(COLORS)
                .filter(([rule]) => rule !== IN_A_GROUP)
                .map(([, color]) => color),
            },
            legend: { orient: 'bottom' },
          },
        },
      },
    ],
  };
}

type Positions = Required<Pick<NonNullable<Extract<TopLevelSpec, { mark: unknown }>['encoding']>, 'x' | 'y'>>;

function round(value: number): number {
  return Number(value.toPrecision(4));
}
