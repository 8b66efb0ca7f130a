// A client that makes the server say things and acknowledges none of them; a server that does so to its client.

import { describe, expect, test } from 'vitest';
import type { Frame } from '../../src/wire/frame.ts';
import { dataDatagram, initDatagram, TwoEndpoints } from './two-endpoints.ts';

function request(callId: number): Frame {
  const data = Buffer.concat([Buffer.of(4), Buffer.from('safe'), Buffer.of(0xf6)]);
  return { type: 'request-start', callId, firstIncomplete: 0, remainingMs: 0, total: data.length, data };
}

/** Everything that the server has said so far, in one kind of frame. */
function told(wire: TwoEndpoints, type: Frame['type']): number {
  return wire.framesOf('server', type).length;
}

describe('a client that acknowledges nothing', () => {
  test('is told only so much of what it does not take', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = ({ by }) => by === 'server';
    const ids = Array.from({ length: 70 }, (_, i) => 10 + i);
    wire.forgeData([{ type: 'cancel', ranges: [[10, 100]] }]);
    for (let i = 0; i < 500; i++) wire.forgeData(ids.map(request));
    const unknown = told(wire, 'unknown');
    expect(unknown).toBeGreaterThan(0);
    expect(unknown).toBeLessThan(70 * 70);
    // The ACK of the first says that it was received; of the last nothing does, so that it would come again.
    const [newest] = wire.framesOf('server', 'ack').at(-1)!.ranges;
    expect(newest![1]).toBeLessThan(100_400);
  });

  test('is heard again when it acknowledges', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = ({ by }) => by === 'server';
    wire.forgeData([{ type: 'cancel', ranges: [[10, 100]] }]);
    const ids = Array.from({ length: 70 }, (_, i) => 10 + i);
    for (let i = 0; i < 200; i++) wire.forgeData(ids.map(request));
    for (let i = 0; i < 40; i++) {
      const last = wire.sentBy('server', 'data').at(-1)!.header;
      if (last.kind !== 'data') throw new Error('no DATA');
      wire.forgeData([{ type: 'ack', ranges: [[0, last.packetNumber]], delayUs: 0 }]);
    }
    wire.forgeData([request(5000)]);
    expect(wire.requests.at(-1)?.ref.callId).toBe(5000);
  });

  test('does not make the server keep packets by challenging it', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.lose = ({ by }) => by === 'server';
    for (let token = 1; token <= 3000; token++) wire.forgeData([{ type: 'path-challenge', token }]);
    // As many as fit into the initial window.
    expect(told(wire, 'path-response')).toBeLessThan(500);
  });

  test('and has not proved its address, cannot pile up what it was told by repeating INIT', () => {
    const wire = new TwoEndpoints();
    wire.lose = () => true;
    const hello: Frame = {
      type: 'hello',
      epoch: 7,
      knownEpoch: 0,
      maxDatagramBytes: 1200,
      initialGrantBytes: 65_536,
    };
    wire.forge(initDatagram(1, [hello, { type: 'cancel', ranges: [[10, 100]] }]));
    const ids = Array.from({ length: 70 }, (_, i) => 10 + i);
    for (let i = 0; i < 100; i++) wire.forge(initDatagram(2 + i, [hello, ...ids.map(request)]));
    expect(told(wire, 'unknown')).toBeLessThanOrEqual(2 * 100 * ids.length);
  });
});

describe('a server that acknowledges nothing', () => {
  test('does not make its client keep packets by challenging it', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.call('safe');
    wire.lose = () => true;
    const { clientSession } = wire;
    for (let i = 1; i <= 3000; i++) {
      const challenge: Frame = { type: 'path-challenge', token: i };
      wire.client.receive(
        dataDatagram(clientSession, 1000 + i, [challenge]),
        { host: '10.0.0.2', port: 2000 },
        wire.nowMs,
      );
      wire.run(0);
    }
    expect(wire.framesOf('client', 'path-response').length).toBeLessThan(500);
  });
});
