// Whole worlds of clients, servers and disks under faults drawn from a seed: the slice of `npm run sim` that runs with
// all tests, each seed twice.

import { describe, expect, it } from 'vitest';
import { drawPlan } from './plan.ts';
import { runSeed } from './run-seed.ts';
import { SeedFailure, seedsBetween } from './seeds.ts';

const FILE = 'test/simulation/worlds.test.ts';

async function runTwice(seed: number): Promise<void> {
  const plan = drawPlan(seed);
  const report = await runSeed(plan);
  if (report.violations.length > 0) {
    const problems = report.violations.map(
      ({ invariant, atMs, detail }) => `${invariant} at ${atMs} ms: ${detail}`,
    );
    throw new SeedFailure(FILE, seed, plan, problems);
  }
  const again = await runSeed(plan);
  expect(again.traceHash, `seed ${seed} does the same when it is run again`).toBe(report.traceHash);
}

describe('worlds under drawn faults keep every promise, and do the same when they are run again', () => {
  it.each([
    [1, 20],
    [21, 40],
    [41, 60],
  ])('seeds %i to %i', async (from, to) => {
    for (const seed of seedsBetween(from, to)) await runTwice(seed);
  });
});
