// What a rule did in a scenario, as two numbers.

import type { ObservedCall } from './scenarios.ts';

/** What one rule did in one scenario, over all seeds. */
export interface Verdict {
  readonly scenario: string;
  readonly rule: string;
  /** Healthy calls that were called late, of 1000. */
  readonly falsePerThousand: number;
  /** From the first call that met the fault to the first alarm for such a call, in milliseconds: the median of the seeds
   * in which there was one; undefined when there was none. */
  readonly noticedMs: number | undefined;
  readonly noticedIn: number;
}

/** @param runs the calls of each seed. */
export function judge(scenario: string, rule: string, runs: readonly (readonly ObservedCall[])[]): Verdict {
  let healthy = 0;
  let falseAlarms = 0;
  const noticed: number[] = [];
  for (const calls of runs) {
    let firstMs = Number.POSITIVE_INFINITY;
    let noticedAtMs = Number.POSITIVE_INFINITY;
    for (const { kind, startMs, alarmAfterMs } of calls) {
      const alarmMs = alarmAfterMs.get(rule);
      if (kind === 'healthy') {
        healthy++;
        if (alarmMs !== undefined) falseAlarms++;
      } else {
        firstMs = Math.min(firstMs, startMs);
        if (alarmMs !== undefined) noticedAtMs = Math.min(noticedAtMs, startMs + alarmMs);
      }
    }
    if (noticedAtMs < Number.POSITIVE_INFINITY) noticed.push(noticedAtMs - firstMs);
  }
  noticed.sort((a, b) => a - b);
  return {
    scenario,
    rule,
    falsePerThousand: (1000 * falseAlarms) / healthy,
    noticedMs: noticed[noticed.length >> 1],
    noticedIn: noticed.length,
  };
}
