// Very many clients, or one that says that it is.

import { describe, expect, test } from 'vitest';
import type { Frame } from '../../src/wire/frame.ts';
import { initDatagram, TwoEndpoints } from './two-endpoints.ts';

function hello(epoch: number): Frame {
  return { type: 'hello', epoch, knownEpoch: 0, maxDatagramBytes: 65_000, initialGrantBytes: 65_536 };
}

function request(callId: number): Frame {
  const data = Buffer.concat([Buffer.of(4), Buffer.from('safe'), Buffer.of(0xf6)]);
  return { type: 'request-start', callId, firstIncomplete: 0, remainingMs: 0, total: data.length, data };
}

/** First datagrams of so many clients, each from an address of its own. */
function flood(wire: TwoEndpoints, firstEpoch: number, count: number, frame: Frame): void {
  for (let epoch = firstEpoch; epoch < firstEpoch + count; epoch++) {
    wire.forge(initDatagram(epoch, [hello(epoch), frame]), { host: '10.7.7.7', port: epoch });
  }
}

describe('a flood of first datagrams', () => {
  // P-55
  test('does not make the server forget a client that it has heard inside a session', () => {
    const wire = new TwoEndpoints({ server: { maxServerPeers: 100 } }).warmUp();
    wire.lose = ({ to }) => to.host === '10.7.7.7';
    flood(wire, 1, 1000, { type: 'ping' });
    expect(wire.server.gauges.callingPeers).toBe(100);
    const callId = wire.call('safe');
    wire.run(50);
    wire.answer();
    wire.run(50);
    expect(wire.answers.has(callId)).toBe(true);
    expect(wire.sentBy('client', 'init')).toEqual([]);
  });

  test('leaves as much behind as the clients that may be remembered, and no timer', () => {
    const wire = new TwoEndpoints({ server: { maxServerPeers: 100 } });
    wire.lose = () => true;
    flood(wire, 1, 5000, { type: 'ping' });
    wire.run(60_000);
    const { callingPeers, sessions, timers } = wire.server.gauges;
    expect({ callingPeers, sessions, timers }).toEqual({ callingPeers: 100, sessions: 100, timers: 0 });
  });

  test('whose handlers hang does not keep others out while some do not', () => {
    const wire = new TwoEndpoints({ server: { maxServerPeers: 100 } });
    wire.lose = ({ to }) => to.host === '10.7.7.7';
    flood(wire, 1, 80, request(1));
    flood(wire, 81, 20, { type: 'ping' });
    for (let i = 0; i < 10; i++) {
      flood(wire, 1000 + i, 1, { type: 'ping' });
      wire.run(1);
    }
    wire.call('safe');
    wire.run(1000);
    expect(wire.requests).toHaveLength(81);
  });
});
