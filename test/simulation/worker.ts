// A process that runs seeds for pool.ts: it gets a range and gives a report for each seed of it, in order.

import { drawPlan, type GivenPlan } from './plan.ts';
import { runSeed, type SeedReport } from './run-seed.ts';

/** What a worker is asked. */
export interface SeedRange {
  readonly from: number;
  readonly to: number;
  readonly given: GivenPlan;
  /** Each seed is run a second time, and must do the same. */
  readonly twice: boolean;
}

process.on('message', (range: SeedRange) => void run(range));
process.on('disconnect', () => process.exit());

async function run({ from, to, given, twice }: SeedRange): Promise<void> {
  for (let seed = from; seed <= to; seed++) process.send!(await reportOn(seed, given, twice));
}

async function reportOn(seed: number, given: GivenPlan, twice: boolean): Promise<SeedReport> {
  const plan = drawPlan(seed, given);
  const report = await runSeed(plan);
  if (!twice) return report;
  const again = await runSeed(plan);
  if (again.traceHash === report.traceHash) return report;
  const detail = `trace ${report.traceHash}, and ${again.traceHash} when it was run again`;
  return { ...report, violations: [...report.violations, { invariant: 'repeatable', detail, atMs: 0 }] };
}
