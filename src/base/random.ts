// Randomness as the rooms see it: injected, so that a seed replays a run.

/** A source of random numbers; the real one is cryptographic, the simulator's is seeded. */
export interface Random {
  /** `count` fresh random bytes, owned by the caller. */
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 1). */
  float(): number;
}
