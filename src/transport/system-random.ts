// The real randomness: from the operating system, fit for keys. The simulator's is seeded (sim/random.ts).

import { randomBytes } from 'node:crypto';
import type { Random } from '../base/random.ts';

/** Cryptographic randomness. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  float: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};
