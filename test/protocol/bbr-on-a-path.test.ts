// BBR driving bulk flows over a simulated bottleneck: does it fill the path though it loses, keep its queue short,
// and share it with flows of its own kind and of CUBIC's?

import { describe, expect, test } from 'vitest';
import { BbrController } from '../../src/protocol/bbr.ts';
import { CubicController } from '../../src/protocol/cubic.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { DATAGRAM_BYTES, FULL_PATH, runFlows } from './bulk-flow.ts';

function bbr(seed = 'bbr'): BbrController {
  const random = new SeededRandom(seed);
  return new BbrController(DATAGRAM_BYTES, () => random.float());
}

describe('BBR alone on a bottleneck', () => {
  test.each([
    { lossProbability: 0, filled: 0.9 },
    { lossProbability: 0.02, filled: 0.8 },
    { lossProbability: 0.1, filled: 0.8 },
  ])('fills it to $filled with $lossProbability lost', async ({ lossProbability, filled }) => {
    const path = { ...FULL_PATH, lossProbability };
    const { flows } = await runFlows(path, [{ controller: bbr() }], 10_000);
    expect(flows[0]!.bytesPerMs(0, 10_000) / path.bandwidthBytesPerMs).toBeGreaterThan(filled);
  });

  test('keeps no standing queue, however much would fit', async () => {
    const path = { ...FULL_PATH, queueBytes: 1_000_000 };
    const { flows } = await runFlows(path, [{ controller: bbr() }], 10_000);
    expect(flows[0]!.roundTripMs(0.5, 2000, 10_000) / path.rttMs).toBeLessThan(1.1);
    expect(flows[0]!.roundTripMs(0.99, 2000, 10_000) / path.rttMs).toBeLessThan(2.5);
    expect(flows[0]!.lostPackets).toBe(0);
  });
});

// P-67
test('a sender that got no processor takes the path for no slower than it is', async () => {
  const controller = bbr();
  const starved = { untilMs: 3000, everyMs: 60 };
  const { flows } = await runFlows(FULL_PATH, [{ controller, starved }], 4000);
  const filled = (fromMs: number, toMs: number) =>
    flows[0]!.bytesPerMs(fromMs, toMs) / FULL_PATH.bandwidthBytesPerMs;
  expect(filled(2000, 3000)).toBeLessThan(0.5);
  expect(filled(3200, 4000)).toBeGreaterThan(0.9);
});

describe('BBR among others', () => {
  test.each([0.5, 1, 2])('takes 0.3 to 0.7 beside CUBIC, with a queue of %f products', async (products) => {
    const path = { ...FULL_PATH, queueBytes: products * 80_000 };
    const controllers = [bbr(), new CubicController(DATAGRAM_BYTES)];
    const { flows } = await runFlows(
      path,
      controllers.map((controller) => ({ controller })),
      30_000,
    );
    const [own, others] = flows.map((flow) => flow.bytesPerMs(5000, 30_000));
    expect(own! / (own! + others!)).toBeGreaterThan(0.3);
    expect(own! / (own! + others!)).toBeLessThan(0.7);
    expect((own! + others!) / path.bandwidthBytesPerMs).toBeGreaterThan(0.95);
  });

  test.each([0.5, 1])(
    'comes to CUBIC late, with a queue of %f products, and leaves it its part from the beginning',
    async (products) => {
      const path = { ...FULL_PATH, queueBytes: products * 80_000 };
      const cubic = new CubicController(DATAGRAM_BYTES);
      const { flows } = await runFlows(
        path,
        [{ controller: bbr(), startsAtMs: 1500 }, { controller: cubic }],
        18_000,
      );
      const [own, others] = flows.map((flow) => flow.bytesPerMs(3000, 18_000));
      expect(own! / (own! + others!)).toBeGreaterThan(0.4);
      expect(own! / (own! + others!)).toBeLessThan(0.63);
    },
  );
});
