// What came of many seeds together.

import type { SeedReport } from './run-seed.ts';
import { addCounts, SOMETIMES, type Sometimes } from './sometimes.ts';

export class Tally {
  seeds = 0;
  violations = 0;
  readonly failedSeeds: number[] = [];
  calls = 0;
  datagrams = 0;
  virtualMs = 0;
  readonly sometimes: Record<Sometimes, number> = Object.fromEntries(
    Object.keys(SOMETIMES).map((name) => [name, 0]),
  ) as Record<Sometimes, number>;

  add(report: SeedReport): void {
    this.seeds++;
    this.violations += report.violations.length;
    if (report.violations.length > 0) this.failedSeeds.push(report.seed);
    this.calls += report.calls;
    this.datagrams += report.datagrams;
    this.virtualMs += report.virtualMs;
    addCounts(this.sometimes, report.sometimes);
  }

  /** Rare paths that no seed took. */
  get never(): Sometimes[] {
    return (Object.keys(this.sometimes) as Sometimes[]).filter((name) => this.sometimes[name] === 0);
  }
}
