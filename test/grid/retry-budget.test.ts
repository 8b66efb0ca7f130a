import { describe, expect, test } from 'vitest';
import { RetryBudget } from '../../src/base/retry-budget.ts';
import { fileOf, GridFixture } from './grid-fixture.ts';

const SEGMENT = 3 * 48 * 1024;
const FILE = fileOf(8 * SEGMENT);

function empty(): RetryBudget {
  const budget = new RetryBudget();
  while (budget.take(0));
  return budget;
}

/** A file on ten servers, of which those that a download asks first hang at every block; it takes so long. */
async function getFromHanging(retries: RetryBudget): Promise<{ tookMs: number; hedges: number }> {
  const grid = new GridFixture(10);
  const { capability } = await grid.put(FILE, { segmentSizeBytes: SEGMENT });
  for (const server of grid.inOrder(capability).slice(0, 3)) {
    server.latencyMs = ({ operation }) => (operation === 'read' ? 60_000 : 5);
  }
  const startMs = grid.clock.now();
  const download = grid.download(capability, { readAheadSegments: 1, retries });
  const parts: Uint8Array[] = [];
  await grid.run(
    (async () => {
      for await (const part of download) parts.push(part);
    })(),
  );
  expect(Buffer.compare(Buffer.concat(parts), FILE)).toBe(0);
  expect(grid.clock.armedTimers).toBe(0);
  return { tookMs: grid.clock.now() - startMs, hedges: download.hedges };
}

describe('a download', () => {
  test('pays for every server asked in place of a late one', async () => {
    const retries = new RetryBudget();
    const { tookMs, hedges } = await getFromHanging(retries);
    expect(hedges).toBeGreaterThan(0);
    expect(retries.counters).toEqual({ retryTokensTaken: hedges, retryTokensRefused: 0 });
    expect(tookMs).toBeLessThan(2000);
  });

  test('waits for its hedges when they are not paid for, and does not fail', async () => {
    const retries = empty();
    const { tookMs } = await getFromHanging(retries);
    expect(retries.counters.retryTokensRefused).toBeGreaterThan(1);
    expect(tookMs).toBeGreaterThan(1000);
    expect(tookMs).toBeLessThan(20_000);
  });
});

describe('an upload', () => {
  async function putOnHanging(retries: RetryBudget): Promise<{ tookMs: number; happiness: number }> {
    const grid = new GridFixture(12);
    for (const server of grid.servers.slice(0, 2)) {
      server.latencyMs = ({ operation }) => (operation === 'allocate' ? 60_000 : 5);
    }
    const startMs = grid.clock.now();
    const { happiness } = await grid.put(FILE, { segmentSizeBytes: SEGMENT, retries });
    return { tookMs: grid.clock.now() - startMs, happiness };
  }

  test('pays for each share that it offers to another server because the first is late', async () => {
    const retries = new RetryBudget();
    const { happiness } = await putOnHanging(retries);
    expect(happiness).toBe(10);
    expect(retries.counters.retryTokensTaken).toBeGreaterThan(0);
    expect(retries.counters.retryTokensTaken).toBeLessThanOrEqual(2);
  });

  test('goes on without a place that nothing is left to pay for', async () => {
    const { happiness, tookMs } = await putOnHanging(empty());
    expect(happiness).toBeGreaterThanOrEqual(7);
    expect(tookMs).toBeLessThan(10_000);
  });
});
