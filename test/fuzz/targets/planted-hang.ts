// An input that takes for ever, for the test of the fuzzer.

import type { FuzzTarget } from '../target.ts';

export const target: FuzzTarget = {
  maxBytes: 16,
  covers: ['planted-hang.ts'],
  seeds: [new Uint8Array(4)],
  run(input) {
    while (input[0] === 0x66);
  },
};
