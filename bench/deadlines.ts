// The study of spec/deadlines.md: how soon is a fault noticed, and how often is somebody blamed who is all right? Ours
// against three rules in the same run, on virtual time: `npm run bench -- deadlines [--seeds 3] [--scenario NAME]
// [--svg FOLDER] [--out FILE] [--json]`.

import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { drawAll } from './deadlines/charts.ts';
import { ALONE, IN_A_GROUP, type ObservedCall, play, SCENARIOS } from './deadlines/scenarios.ts';
import { judge, type Verdict } from './deadlines/verdict.ts';
import { saveSummary, thisMachine } from './machine.ts';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    scenario: { type: 'string' },
    svg: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const RULES = [ALONE, IN_A_GROUP, 'fixed 10 s', 'Cassandra, p99', 'Sia, 1.5 × expected'] as const;

const machine = thisMachine();
const seeds = Number(options.seeds);
const results: Verdict[] = [];
const firstRuns = new Map<string, ObservedCall[]>();
const startedAt = process.hrtime.bigint();
const scenarios = SCENARIOS.filter(({ name }) => (options.scenario ?? name) === name);
for (const scenario of scenarios) {
  const runs: ObservedCall[][] = [];
  for (let seed = 1; seed <= seeds; seed++) runs.push(await play(scenario, `deadlines ${seed}`));
  firstRuns.set(scenario.name, runs[0]!);
  for (const rule of RULES) {
    const verdict = judge(scenario.name, rule, runs);
    results.push(verdict);
    if (options.json) console.log(JSON.stringify({ type: 'result', ...verdict }));
  }
}

if (options.svg !== undefined) {
  await mkdir(options.svg, { recursive: true });
  await drawAll(options.svg, scenarios, results, firstRuns);
}
const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
if (!options.json) {
  console.log(`${seeds} seeds, ${seconds.toFixed(0)} s\n`);
  console.log('false alarms per 1000 calls / time to notice\n');
  console.log(`| | ${RULES.join(' | ')} |\n|---|${RULES.map(() => '---:|').join('')}`);
  for (const { name, title } of scenarios) {
    const cells = results.filter(({ scenario }) => scenario === name).map(cellOf);
    console.log(`| ${title} | ${cells.join(' | ')} |`);
  }
}
await saveSummary(
  { type: 'summary', version: 1, suite: 'deadlines', machine, seeds, seconds, results },
  options,
);

function cellOf({ falsePerThousand, noticedMs, noticedIn }: Verdict): string {
  const rate = falsePerThousand === 0 ? '0' : falsePerThousand.toFixed(falsePerThousand < 10 ? 1 : 0);
  if (noticedMs === undefined) return `${rate} / never`;
  const time = noticedMs < 1000 ? `${noticedMs.toFixed(0)} ms` : `${(noticedMs / 1000).toFixed(1)} s`;
  return `${rate} / ${time}${noticedIn < seeds ? ` (${noticedIn} of ${seeds})` : ''}`;
}
