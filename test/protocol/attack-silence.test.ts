// A peer that wants its silence to stay unnoticed, or a network that wants its shortage to look like the end.

import { expect, test } from 'vitest';
import { SERVER, TwoEndpoints } from './two-endpoints.ts';

// P-92
test('a peer that lets its path look lossy is found silent all the same', () => {
  const wire = new TwoEndpoints().warmUp();
  let count = 0;
  wire.lose = ({ by }) => by === 'client' && count++ % 40 > 2;
  wire.call('safe', { body: new Uint8Array(3_000_000) });
  wire.run(30_000);
  wire.lose = () => true;
  wire.failures.clear();
  const callId = wire.call('safe');
  wire.run(20_000);
  expect(wire.failures.get(callId)?.code).toBe('PEER_SILENT');
});

test('a full queue of the local network loses a datagram, and fails no call', () => {
  const wire = new TwoEndpoints().warmUp();
  const callId = wire.call('safe');
  wire.run(0);
  for (const code of ['ENOBUFS', 'EAGAIN', 'ENOMEM']) wire.client.onSendError(SERVER, code, 1200, wire.nowMs);
  wire.run(20);
  wire.answer();
  wire.run(20);
  expect(wire.answers.has(callId)).toBe(true);
});
