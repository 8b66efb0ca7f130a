// Peers that were not called for a while are remembered without their sessions.

import { describe, expect, test } from 'vitest';
import type { EndpointCall } from '../../src/protocol/endpoint.ts';
import { calleeAt, LATENCY_MS, SERVER, type Sent, TwoEndpoints } from './two-endpoints.ts';

const CALL: EndpointCall = {
  method: 'safe',
  body: [Uint8Array.of(1)],
  deadline: Number.POSITIVE_INFINITY,
  idempotent: false,
  expectedBytes: 0,
};

function helloOf(sent: Sent | undefined): { epoch: number; knownEpoch: number } {
  const [frame] = sent?.frames ?? [];
  return frame?.type === 'hello' ? frame : expect.fail('no HELLO');
}

/** Asks so many strangers for something and thinks better of it. */
function callOthers(wire: TwoEndpoints, count: number): void {
  wire.lose = ({ to }) => to.host === '10.5.5.5';
  for (let port = 1; port <= count; port++) {
    wire.cancel(wire.client.call(calleeAt({ host: '10.5.5.5', port }), CALL, wire.nowMs));
    wire.run(1);
  }
}

describe('a peer that was not called for a while', () => {
  test('is called in one round trip, by who it knows us as, when it sleeps no more', () => {
    const wire = new TwoEndpoints({ client: { maxAwakePeers: 3 } }).warmUp();
    const { epoch } = helloOf(wire.firstInit);
    const { epoch: incarnation } = helloOf(wire.firstResp);
    callOthers(wire, 5);
    expect(wire.client.gauges.sessions).toBe(0);
    wire.sent.length = 0;
    wire.call('careful');
    wire.run(LATENCY_MS);
    expect(wire.requests.at(-1)?.method).toBe('careful');
    expect(helloOf(wire.sentBy('client', 'init')[0])).toMatchObject({ epoch, knownEpoch: incarnation });
    expect(
      wire.client.peersAt(wire.nowMs).peers.find(({ address }) => address === SERVER)?.rtt,
    ).toBeDefined();
  });

  test('is still known to be there, and how long it takes', () => {
    const wire = new TwoEndpoints({ client: { maxAwakePeers: 3 } }).warmUp();
    const overdueMs = wire.client.overdueAfterMs(calleeAt(SERVER), 'safe', 0, wire.nowMs);
    callOthers(wire, 5);
    expect(wire.client.health(calleeAt(SERVER))).toBe('live');
    expect(wire.client.overdueAfterMs(calleeAt(SERVER), 'safe', 0, wire.nowMs)).toBeCloseTo(overdueMs, -1);
    expect(wire.client.gauges.calledPeers).toBe(6);
  });

  test('does not sleep while somebody waits for its answer', () => {
    const wire = new TwoEndpoints({ client: { maxAwakePeers: 1 } }).warmUp();
    const callId = wire.call('safe');
    callOthers(wire, 100);
    wire.answer();
    wire.run(2 * LATENCY_MS);
    expect(wire.answers.has(callId)).toBe(true);
    expect(wire.sentBy('client', 'init').filter(({ to }) => to === SERVER)).toEqual([]);
  });

  test('is forgotten when too many sleep', () => {
    const wire = new TwoEndpoints({ client: { maxAwakePeers: 1, maxIdleClientPeers: 10 } }).warmUp();
    callOthers(wire, 100);
    expect(wire.client.gauges.calledPeers).toBe(11);
    expect(wire.client.health(calleeAt(SERVER))).toBe('unknown');
    wire.client.close(wire.nowMs);
    wire.client.dispose();
    expect(wire.client.gauges).toMatchObject({ calledPeers: 0, sessions: 0, timers: 0 });
  });
});
