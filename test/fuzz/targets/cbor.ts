// What is looked over before a decoder makes values of it: one verdict, in time proportional to the bytes.

import { faultOfCbor } from '../../../src/base/cbor-check.ts';
import type { FuzzTarget } from '../target.ts';
import { CBOR_SEEDS } from './cbor-seeds.ts';

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: ['base/cbor-check.ts'],
  seeds: CBOR_SEEDS,
  run(input) {
    faultOfCbor(input);
  },
};
