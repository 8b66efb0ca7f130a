// A fault to be found: four letters, each behind a branch of its own. Guessing them at once takes four thousand million
// inputs; who is led by coverage needs thousands. For the test of the fuzzer.

import { assert, type FuzzTarget } from '../target.ts';

export const target: FuzzTarget = {
  maxBytes: 16,
  covers: ['planted-crash.ts'],
  seeds: [new Uint8Array(4)],
  run(input) {
    if (input[0] !== 0x66) return;
    if (input[1] !== 0x75) return;
    if (input[2] !== 0x7a) return;
    assert(input[3] !== 0x7a, 'nobody says fuzz');
  },
};
