// Times at which our own process did not run: a suspended machine, a stopped process, a blocked event loop.

import { describe, expect, test } from 'vitest';
import { calleeAt, LATENCY_MS, SERVER, TwoEndpoints } from './two-endpoints.ts';

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

describe('a machine that wakes from a sleep in which its clock stood still', () => {
  /** A call under way when the machine falls asleep; on waking it has no network. */
  function asleepWithCall(): { wire: TwoEndpoints; callId: number } {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = () => true;
    const callId = wire.call('safe');
    wire.run(LATENCY_MS);
    return { wire, callId };
  }

  // P-69
  test('gives the network time to come back before anybody counts as silent', () => {
    const { wire, callId } = asleepWithCall();
    wire.client.onWake(wire.nowMs);
    wire.run(4_000);
    wire.lose = () => false;
    wire.run(1_000);
    wire.answer();
    wire.run(100);
    expect(wire.failures).toEqual(new Map());
    expect(wire.answers.has(callId)).toBe(true);
  });

  test('who is silent without a sleep is silent sooner', () => {
    const { wire, callId } = asleepWithCall();
    wire.run(4_000);
    expect(wire.failures.get(callId)?.code).toBe('PEER_SILENT');
  });

  test('asks at once', () => {
    const { wire } = asleepWithCall();
    wire.sent.length = 0;
    wire.client.onWake(wire.nowMs);
    wire.run(0);
    expect(wire.sentBy('client').length).toBeGreaterThan(0);
  });

  test('asks at once in a handshake, too', () => {
    const wire = new TwoEndpoints();
    wire.lose = () => true;
    const callId = wire.call('safe');
    wire.run(1_500);
    wire.sent.length = 0;
    wire.client.onWake(wire.nowMs);
    wire.run(0);
    expect(wire.sentBy('client', 'init')).toHaveLength(1);
    wire.run(4_000);
    wire.lose = () => false;
    wire.run(2_000);
    wire.answer();
    wire.run(100);
    expect(wire.answers.has(callId)).toBe(true);
  });

  test('finds out who is gone when that time has passed', () => {
    const { wire, callId } = asleepWithCall();
    wire.client.onWake(wire.nowMs);
    wire.run(6_000);
    expect(wire.failures.get(callId)?.code).toBe('PEER_SILENT');
  });

  test('takes a missing network for a loss as long as it may come back', () => {
    const { wire, callId } = asleepWithCall();
    wire.client.onWake(wire.nowMs);
    wire.run(100);
    wire.client.onSendError(SERVER, 'ENETUNREACH', 1200, wire.nowMs);
    wire.run(0);
    expect(wire.failures.has(callId)).toBe(false);
    const later = asleepWithCall();
    later.wire.client.onWake(later.wire.nowMs - 5_001);
    later.wire.client.onSendError(SERVER, 'ENETUNREACH', 1200, later.wire.nowMs);
    later.wire.run(0);
    expect(later.wire.failures.get(later.callId)?.code).toBe('NETWORK_UNREACHABLE');
  });

  test('learns nothing from what was under way', () => {
    const wire = new TwoEndpoints().warmUp();
    const overdueAfterMs = () => wire.client.overdueAfterMs(calleeAt(SERVER), 'safe', 0, wire.nowMs);
    const before = overdueAfterMs();
    const callId = wire.call('safe');
    wire.run(2 * LATENCY_MS);
    wire.client.onWake(wire.nowMs);
    wire.run(3_000);
    wire.answer();
    wire.run(100);
    expect(wire.answers.has(callId)).toBe(true);
    expect(overdueAfterMs()).toBeLessThanOrEqual(before);
  });
});
