// Much in one direction, seen as datagrams: what travels against the stream must not be held up by it.

import { expect, test } from 'vitest';
import { TwoEndpoints } from './two-endpoints.ts';

// P-67
test('who has acknowledged thousands of packets sends what it has to say at once', () => {
  const wire = new TwoEndpoints().warmUp();
  wire.call('safe');
  wire.run(20);
  for (let packets = 0; packets < 4000; packets++) wire.forgeData([{ type: 'ping' }]);
  expect(wire.framesOf('server', 'ack').length).toBeGreaterThan(1500);
  wire.sent.length = 0;
  wire.answer(new Uint8Array(100));
  wire.run(0);
  expect(wire.framesOf('server', 'response-start')).toHaveLength(1);
});
