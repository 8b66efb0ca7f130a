// Runs one seed and tells everything that happens in it, with virtual times: `npm run sim -- --seed 4711` starts it.
// Arguments: the seed, and what is given instead of drawn, as JSON.

import { drawPlan, type GivenPlan } from './plan.ts';
import { runSeed } from './run-seed.ts';

// Somebody has seen enough.
process.stdout.on('error', () => process.exit());
const [seed, given = '{}'] = process.argv.slice(2);
const plan = drawPlan(Number(seed), JSON.parse(given) as GivenPlan);
console.log(JSON.stringify(plan));
const report = await runSeed(plan, (atMs, text) => console.log(`${atMs.toFixed(3).padStart(12)}  ${text}`));
console.log(
  `${report.calls} calls, ${report.datagrams} datagrams, ${(report.virtualMs / 1000).toFixed(1)} virtual seconds, ` +
    `trace ${report.traceHash}: ${report.violations.length} violations`,
);
for (const { invariant, atMs, detail } of report.violations)
  console.log(`  ${invariant} at ${atMs} ms: ${detail}`);
process.exitCode = report.violations.length > 0 ? 1 : 0;
process.disconnect?.();
