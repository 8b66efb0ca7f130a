// Times at which our own process did not run: a suspended machine, a stopped process, a blocked event loop.

import { expect, test } from 'vitest';
import { calleeAt, LATENCY_MS, TwoEndpoints } from './two-endpoints.ts';

/** A call whose answer arrives in time, and is read by the client a minute later, before any of its timers. */
function answeredDuringStandstill(wire: TwoEndpoints): void {
  const callId = wire.call('safe');
  wire.run(LATENCY_MS);
  wire.answer();
  wire.run(0);
  wire.nowMs += 60_000;
  wire.run(1000);
  expect(wire.answers.has(callId)).toBe(true);
}

// P-68
test('an acknowledgement that waited while we stood still says nothing of the round trip', () => {
  const wire = new TwoEndpoints().warmUp();
  answeredDuringStandstill(wire);
  // The server vanishes: that is found out as quickly as ever.
  wire.lose = () => true;
  const callId = wire.call('safe');
  wire.run(3000);
  expect(wire.failures.get(callId)?.code).toBe('PEER_SILENT');
});

test('an answer that waited while we stood still says nothing of how long the peer needs', () => {
  const wire = new TwoEndpoints().warmUp();
  const before = wire.client.overdueAfterMs(
    calleeAt({ host: '10.0.0.2', port: 2000 }),
    'safe',
    0,
    wire.nowMs,
  );
  answeredDuringStandstill(wire);
  const after = wire.client.overdueAfterMs(calleeAt({ host: '10.0.0.2', port: 2000 }), 'safe', 0, wire.nowMs);
  expect(after).toBeLessThan(2 * before);
});
