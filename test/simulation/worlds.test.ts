// Whole worlds of clients, servers and disks under faults drawn from a seed: a slice of what run-seed.ts can run.

import { describe, expect, it } from 'vitest';
import { drawPlan } from './plan.ts';
import { runSeed, type SeedReport } from './run-seed.ts';
import { SeedFailure, seedsBetween } from './seeds.ts';

const FILE = 'test/simulation/worlds.test.ts';

async function run(seed: number): Promise<SeedReport> {
  const plan = drawPlan(seed);
  const report = await runSeed(plan);
  if (report.violations.length > 0) {
    const problems = report.violations.map(
      ({ invariant, atMs, detail }) => `${invariant} at ${atMs} ms: ${detail}`,
    );
    throw new SeedFailure(FILE, seed, plan, problems);
  }
  return report;
}

describe('worlds under drawn faults keep every promise', () => {
  it.each([
    [1, 20],
    [21, 40],
    [41, 60],
  ])('seeds %i to %i', async (from, to) => {
    for (const seed of seedsBetween(from, to)) await run(seed);
  });

  it('and do the same again when a seed is run again', async () => {
    for (const seed of seedsBetween(1, 6)) {
      expect((await run(seed)).traceHash).toBe((await run(seed)).traceHash);
    }
  });
});
