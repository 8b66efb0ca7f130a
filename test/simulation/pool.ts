// Runs seeds in worker processes, a few at a time in each, and watches that every seed comes to an end. Which seeds,
// and what to make of the reports, is the caller's business.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GivenPlan } from './plan.ts';
import type { Edit } from './planted-bug.ts';
import type { SeedReport } from './run-seed.ts';
import type { SeedRange } from './worker.ts';

export interface PoolOptions {
  readonly workers: number;
  readonly from: number;
  readonly to: number;
  /** Instead of drawn. */
  readonly given?: GivenPlan | undefined;
  readonly twice?: boolean | undefined;
  /** Made to the sources that the workers load. */
  readonly edits?: readonly Edit[] | undefined;
  /** A seed that takes longer is stuck. Default: a minute, which is hundreds of times what most take. */
  readonly seedMsMax?: number | undefined;
  /** Called for each seed, with one worker in their order; true ends it all. */
  readonly onReport: (report: SeedReport) => boolean;
}

/** Resolves when all seeds were run, or `onReport` had enough. Leaves no process behind. */
export async function runSeeds(options: PoolOptions): Promise<void> {
  const { from, to, workers, given = {}, twice = false } = options;
  let next = from;
  let isEnough = false;
  const takeRange = (): SeedRange | undefined => {
    if (next > to || isEnough) return undefined;
    const first = next;
    next = Math.min(to + 1, next + SEEDS_AT_ONCE);
    return { from: first, to: next - 1, given, twice };
  };
  const onReport = (report: SeedReport) => {
    if (!isEnough) isEnough = options.onReport(report);
    return isEnough;
  };
  const count = Math.min(workers, Math.ceil((to - from + 1) / SEEDS_AT_ONCE));
  await Promise.all(Array.from({ length: count }, () => work(takeRange, onReport, options)));
}

/** Starts a process of this folder's `script`, with edited sources if there are edits. */
export function startProcess(
  script: string,
  args: readonly string[],
  output: 'inherit' | 'pipe',
  edits: readonly Edit[] = [],
): ChildProcess {
  const planted = edits.length > 0;
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
    execArgv: [...(planted ? ['--import', new URL('plant-loader.mjs', import.meta.url).href] : []), ...TSX],
    env: { ...process.env, ...(planted && { SIM_PLANTED_EDITS: JSON.stringify(edits) }) },
    stdio: ['ignore', output === 'pipe' ? 'ignore' : 'inherit', output, 'ipc'],
  });
  // One that is stuck would not notice that nobody waits for it.
  const kill = () => void child.kill('SIGKILL');
  process.on('exit', kill);
  child.on('exit', () => process.off('exit', kill));
  return child;
}

/** One worker process after another, until there are no more seeds. */
async function work(
  takeRange: () => SeedRange | undefined,
  onReport: (report: SeedReport) => boolean,
  { edits, seedMsMax = SEED_MS_MAX }: Pick<PoolOptions, 'edits' | 'seedMsMax'>,
): Promise<void> {
  let range = takeRange();
  while (range !== undefined) {
    const child = startProcess('worker.ts', [], 'pipe', edits);
    try {
      while (range !== undefined) {
        const failedAt: number | undefined = await runRange(child, range, seedMsMax, onReport);
        if (failedAt !== undefined) {
          // What comes behind the seed that it is stuck in, or died of, is for another process.
          range = failedAt < range.to ? { ...range, from: failedAt + 1 } : takeRange();
          break;
        }
        range = takeRange();
      }
    } finally {
      child.kill('SIGKILL');
    }
  }
}

/** Gives the seed that the process got stuck in or died of, if any. */
function runRange(
  child: ChildProcess,
  range: SeedRange,
  seedMsMax: number,
  onReport: (report: SeedReport) => boolean,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    let seed = range.from;
    let errors = '';
    let timer: NodeJS.Timeout | undefined;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => fail(`no end after ${seedMsMax / 1000} s`), seedMsMax);
    };
    const onMessage = (report: SeedReport) => {
      watch();
      seed = report.seed + 1;
      if (onReport(report) || seed > range.to) end(undefined);
    };
    const onExit = (code: number | null) => fail(`the process ended with ${code}`);
    const onStderr = (text: Buffer) => {
      errors = `${errors}${text}`.slice(0, ERROR_LENGTH_MAX);
    };
    const fail = (why: string) => {
      // Nobody is there any more who would run what follows.
      const isEnough = onReport(failedReport(seed, `${why} ${errors}`.trim()));
      end(isEnough ? range.to : seed);
    };
    const end = (failedAt: number | undefined) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('close', onExit);
      child.stderr?.off('data', onStderr);
      resolve(failedAt);
    };
    child.on('message', onMessage);
    child.on('close', onExit);
    child.stderr?.on('data', onStderr);
    watch();
    child.send(range, (error) => {
      if (error !== null && child.exitCode !== null) fail(error.message);
    });
  });
}

function failedReport(seed: number, detail: string): SeedReport {
  const violation = { invariant: FINISHES, detail, atMs: 0 };
  return {
    seed,
    violations: [violation],
    sometimes: {},
    traceHash: '',
    virtualMs: 0,
    datagrams: 0,
    calls: 0,
  };
}

/** The invariant that a seed breaks in which the process got stuck, or of which it died. */
export const FINISHES = 'finishes';

const TSX = ['--import', 'tsx'];
const SEEDS_AT_ONCE = 10;
const SEED_MS_MAX = 60_000;
const ERROR_LENGTH_MAX = 2000;
