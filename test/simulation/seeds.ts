// Runs one function for many seeds, and says of a seed that fails all that is needed to see it fail again. The
// variable SIM_SEED picks one seed instead of all.

/** Seeds from..to, both included; or SIM_SEED alone, if it lies among them. */
export function seedsBetween(from: number, to: number): number[] {
  const wanted = process.env['SIM_SEED'];
  const seeds = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return wanted === undefined ? seeds : seeds.filter((seed) => String(seed) === wanted);
}

/** What went wrong with a seed, what was drawn from it, and the command that replays it. */
export class SeedFailure extends Error {
  override readonly name: string = 'SeedFailure';

  constructor(testFile: string, seed: number, plan: unknown, problems: readonly string[], cause?: unknown) {
    super(
      [
        `seed ${seed}: ${problems.join('; ')}`,
        `  drawn: ${JSON.stringify(plan)}`,
        `  replay: SIM_SEED=${seed} npx vitest run --project code ${testFile}`,
      ].join('\n'),
      { cause },
    );
  }
}
