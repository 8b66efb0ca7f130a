import { describe, expect, test } from 'vitest';
import { type LossyGridOutcome, planLossyGrid, runLossyGrid } from './lossy-grid.ts';
import { SeedFailure, seedsBetween } from './seeds.ts';

const FILE = 'test/simulation/grid-seeds.test.ts';
const SEEDS = 200;
const SEEDS_PER_TEST = 50;

/** What a run may not end with, in words. */
function problemsOf(outcome: LossyGridOutcome): string[] {
  const problems = outcome.files
    .filter(({ identical }) => !identical)
    .map(({ sizeBytes, error }) =>
      error === undefined
        ? `the file of ${sizeBytes} bytes came back changed`
        : `${sizeBytes} bytes: ${error}`,
    );
  if (outcome.timersLeft > 0) problems.push(`${outcome.timersLeft} timers left`);
  if (outcome.socketsLeft > 0) problems.push(`${outcome.socketsLeft} sockets left`);
  if (outcome.filesLeftOpen > 0) problems.push(`${outcome.filesLeftOpen} files left open`);
  return problems;
}

async function run(seed: number): Promise<LossyGridOutcome> {
  const plan = planLossyGrid(seed);
  let outcome: LossyGridOutcome;
  try {
    outcome = await runLossyGrid(plan);
  } catch (error) {
    throw new SeedFailure(FILE, seed, plan, [String(error)], error);
  }
  const problems = problemsOf(outcome);
  if (problems.length > 0) {
    const { error } = outcome.files.find((file) => file.error !== undefined) ?? {};
    throw new SeedFailure(FILE, seed, plan, problems, error);
  }
  return outcome;
}

describe('a grid whose network loses, doubles and reorders a fifth of the datagrams', () => {
  for (let first = 1; first <= SEEDS; first += SEEDS_PER_TEST) {
    const last = first + SEEDS_PER_TEST - 1;
    test(`gives every file back bit-identical, seeds ${first} to ${last}`, { timeout: 120_000 }, async () => {
      const faults = { lost: 0, duplicated: 0, reordered: 0 };
      for (const seed of seedsBetween(first, last)) {
        const outcome = await run(seed);
        faults.lost += outcome.lost;
        faults.duplicated += outcome.duplicated;
        faults.reordered += outcome.reordered;
      }
      if (process.env['SIM_SEED'] !== undefined) return;
      expect(Math.min(...Object.values(faults))).toBeGreaterThan(1000);
    });
  }

  test('does the same again when a seed is run again', async () => {
    for (const seed of [1, 2, 3]) {
      const [first, second] = [await run(seed), await run(seed)];
      expect(second.traceHash).toBe(first.traceHash);
    }
  });
});
