// CANCEL as a weapon: it names any ids, any number of times, in a few bytes.

import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import type { IdRange, RequestStartFrame } from '../../src/wire/frame.ts';
import { LATENCY_MS, TwoEndpoints } from './two-endpoints.ts';

function request(callId: number): RequestStartFrame {
  const data = Buffer.concat([Buffer.of(4), Buffer.from('safe'), Buffer.of(0xf6)]);
  return { type: 'request-start', callId, firstIncomplete: 0, remainingMs: 0, total: data.length, data };
}

/** So many ranges of `width` ids, from `start` on, one id apart. */
function ranges(count: number, start: number, width = 1): IdRange[] {
  return Array.from({ length: count }, (_, i) => {
    const first = start + i * (width + 1);
    return [first, first + width - 1];
  });
}

describe('CANCEL', () => {
  test('of an id below more separate ones than are remembered comes to an end', () => {
    const wire = new TwoEndpoints().warmUp();
    const { maxSettledRanges } = DEFAULT_CONFIG;
    const first = 1000;
    // Nothing below matters: the call is the lowest, and stands where the memory begins.
    wire.forgeData([{ ...request(first), firstIncomplete: first }]);
    for (let at = 0; at < maxSettledRanges; at += 256) {
      wire.forgeData([{ type: 'cancel', ranges: ranges(256, first + 2 + 2 * at) }]);
    }
    wire.forgeData([{ type: 'cancel', ranges: [[first, first]] }]);
    wire.forgeData([request(first), request(first + 2)]);
    expect(wire.requests).toHaveLength(2);
  });

  // Each of these datagrams took half a second when every range was looked for among all calls.
  test('of very many ids that nobody has used costs no more than its ranges, however many calls there are', () => {
    const wire = new TwoEndpoints({ server: { maxCallsPerPeer: 4096 } }).warmUp();
    for (let id = 2 ** 50; wire.requests.length < 4096; id += 32) {
      wire.forgeData(Array.from({ length: 32 }, (_, i) => request(id + i)));
    }
    for (let i = 0; i < 200; i++) {
      wire.forgeData([{ type: 'cancel', ranges: ranges(256, 1000 + i * 256 * 4096, 4090) }]);
      // Its client acknowledges what it is told, or it would not be listened to any more.
      if (i % 10 === 0) wire.run(2 * LATENCY_MS);
    }
    expect(wire.requestsCancelled).toEqual([]);
    wire.forgeData([{ type: 'cancel', ranges: [[0, 2 ** 52]] }]);
    expect(wire.requestsCancelled).toHaveLength(4096);
  });
});
