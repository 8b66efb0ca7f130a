// What all benchmarks do alike: say where they ran, take the middle of their samples, give their summary.

import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, release } from 'node:os';

/** Stands in every summary, so that a figure is never without its machine. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly system: string;
  readonly node: string;
  /** Others' work on it when the run began: processes that wanted a core in the last minute. */
  readonly load: number;
}

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    load: Number(loadavg()[0]!.toFixed(1)),
  };
}

/** One line, for people. */
export function inWords({ processor, cores, system, node, load }: Machine): string {
  return `${processor}, ${cores} cores, ${system}, Node ${node}, load ${load}`;
}

/** The middle one; of an even number the upper. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that `share` of them do not exceed (nearest rank). */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** The last line of a run with `--json`; and a file, for bench/results. With the command that made it. */
export async function saveSummary<Summary extends { readonly suite: string }>(
  summary: Summary,
  options: { readonly json: boolean; readonly out?: string | undefined },
): Promise<void> {
  const command = ['npm run bench --', summary.suite, ...process.argv.slice(2)].join(' ');
  const whole = { ...summary, command };
  if (options.json) console.log(JSON.stringify(whole));
  if (options.out !== undefined) await writeFile(options.out, `${JSON.stringify(whole, null, 1)}\n`);
}
