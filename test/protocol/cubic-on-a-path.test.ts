// CUBIC driving bulk flows over a simulated bottleneck: does it fill the path, and share it?

import { describe, expect, test } from 'vitest';
import { CubicController } from '../../src/protocol/cubic.ts';
import { DATAGRAM_BYTES, FULL_PATH, runFlows } from './bulk-flow.ts';

const cubic = (): CubicController => new CubicController(DATAGRAM_BYTES);

describe('CUBIC on a bottleneck', () => {
  test('fills it, and loses little', async () => {
    const { flows } = await runFlows(FULL_PATH, [{ controller: cubic() }], 6000);
    const [flow] = flows;
    expect(flow!.bytesPerMs(0, 6000) / FULL_PATH.bandwidthBytesPerMs).toBeGreaterThan(0.93);
    expect(flow!.lostPackets / flow!.sentPackets).toBeLessThan(0.01);
  });

  test('leaves slow start when the queue builds up, not when it overflows', async () => {
    const controller = cubic();
    const { flows } = await runFlows({ ...FULL_PATH, queueBytes: 1_000_000 }, [{ controller }], 2000);
    expect(controller.inSlowStart).toBe(false);
    expect(flows[0]!.lostPackets).toBe(0);
    expect(flows[0]!.bytesPerMs(0, 2000) / FULL_PATH.bandwidthBytesPerMs).toBeGreaterThan(0.9);
  });

  test('shares it: two flows get between a third and two thirds each', async () => {
    const plans = [{ controller: cubic() }, { controller: cubic() }];
    const { flows } = await runFlows(FULL_PATH, plans, 12_000);
    const [one, other] = flows.map((flow) => flow.bytesPerMs(0, 12_000));
    expect((one! + other!) / FULL_PATH.bandwidthBytesPerMs).toBeGreaterThan(0.93);
    expect(one! / (one! + other!)).toBeGreaterThan(1 / 3);
    expect(other! / (one! + other!)).toBeGreaterThan(1 / 3);
  });
});
