// Bodies as handlers get them: a value or an error, and no value that cannot be sent again.

import { decodeBody, encodeBody, joinBody } from '../../../src/transport/body.ts';
import { assert, type FuzzTarget } from '../target.ts';
import { CBOR_SEEDS } from './cbor-seeds.ts';

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: ['transport/body.ts', 'base/cbor-check.ts'],
  seeds: CBOR_SEEDS,
  run(input) {
    let value: unknown;
    try {
      value = decodeBody(input);
    } catch (error) {
      assert(error instanceof Error, 'what is thrown is an error');
      return;
    }
    decodeBody(joinBody(encodeBody(value)));
  },
};
