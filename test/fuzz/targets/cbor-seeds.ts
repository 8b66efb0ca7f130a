// CBOR to begin with: RFC 8949's examples of each major type, and what our own methods send.

import { encodeBody, joinBody } from '../../../src/transport/body.ts';
import { hex } from '../target.ts';

export const CBOR_SEEDS: readonly Uint8Array[] = [
  ...[
    '1bffffffffffffffff',
    'c249010000000000000000',
    'fb3ff199999999999a',
    'f97e00',
    'f6',
    'c1fb41d452d9e20',
    'd818456449455446',
  ].map((digits) => hex(digits.padEnd(digits.length + (digits.length % 2), '0'))),
  hex('c11a514b67b0'),
  hex('d9010283010203'),
  hex('d9010381a10102'),
  hex('d84643010203'),
  joinBody(encodeBody({ storageIndex: new Uint8Array(16), shares: [0, 1, 2], size: 1e6, name: 'näme' })),
  joinBody(
    encodeBody([
      1,
      -1,
      1.5,
      true,
      null,
      undefined,
      'text',
      new Date(0),
      2n ** 60n,
      new Map([[1, 2]]),
      new Set([1]),
    ]),
  ),
];
