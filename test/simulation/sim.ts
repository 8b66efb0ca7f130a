// `npm run sim`: runs a range of seeds on all workers, then looks for each planted bug, and fails when an invariant
// was broken, a rare path never ran, or a bug was not found. What one seed does is in run-seed.ts; spec/simulation.md
// tells about all of it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type GivenPlan, WORKLOADS, type Workload } from './plan.ts';
import type { PlantedBug } from './planted-bug.ts';
import { PLANTED_BUGS } from './planted-bugs/all.ts';
import { runSeeds, startProcess } from './pool.ts';
import {
  type BugOutcome,
  JsonReporter,
  type SimProgress,
  type SimReporter,
  TextReporter,
} from './sim-reporter.ts';
import { Tally } from './tally.ts';

interface SimOptions {
  readonly seeds: number;
  readonly from: number;
  readonly seed?: number;
  readonly workers: number;
  readonly workload?: Workload;
  readonly bug?: string;
  readonly bugs: boolean;
  readonly twice: boolean;
  readonly json: boolean;
}

/** Fewer cannot be expected to take every rare path. */
const SEEDS_FOR_EVERYTHING = 1000;
/** With so many failed seeds there is enough to look at. */
const FAILED_SEEDS_MAX = 25;

const options = new Command('sim')
  .description('Runs simulated worlds under faults drawn from seeds, and looks for planted bugs.')
  .option('--seeds <count>', 'how many seeds', wholeNumber, 1000)
  .option('--from <seed>', 'the first one', wholeNumber, 1)
  .option('--seed <seed>', 'replays one seed, and tells everything that happens in it', wholeNumber)
  .option('--workers <count>', 'processes', wholeNumber, 2)
  .addOption(new Option('--workload <work>', 'instead of one drawn per seed').choices(WORKLOADS))
  .addOption(
    new Option('--bug <name>', 'only this planted bug; with --seed, planted into the replay').choices(
      PLANTED_BUGS.map(({ name }) => name),
    ),
  )
  .option('--no-bugs', 'only the seeds')
  .option('--twice', 'runs each seed twice, and compares', false)
  .option('--json', 'one JSON object per line', false)
  .parse()
  .opts<SimOptions>();

const startedAtMs = performance.now();
// Workers end with this process: see startProcess.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exitCode = options.seed === undefined ? await run() : await replay(options.seed);

async function run(): Promise<number> {
  const { from, seeds, workers, workload, twice, bug } = options;
  const bugs = options.bugs ? PLANTED_BUGS.filter(({ name }) => bug === undefined || name === bug) : [];
  const count = bug === undefined ? seeds : 0;
  const reporter: SimReporter = options.json ? new JsonReporter() : new TextReporter();
  reporter.start({
    commit: commit(),
    node: process.version,
    from,
    seeds: count,
    workers,
    workload: workload ?? 'drawn',
    twice,
    bugs: bugs.length,
  });
  const tally = new Tally();
  const progress = (stage: SimProgress['stage'], done: number, total: number) =>
    reporter.progress({ stage, done, total, violations: tally.violations, elapsedMs: elapsedMs() });
  await runSeeds({
    from,
    to: from + count - 1,
    workers,
    given: { workload },
    twice,
    onReport: (report) => {
      tally.add(report);
      const { seed, violations } = report;
      if (violations.length > 0) reporter.violation(seed, violations, replayCommand(seed, workload));
      progress('seeds', tally.seeds, count);
      return tally.failedSeeds.length >= FAILED_SEEDS_MAX;
    },
  });
  const outcomes: BugOutcome[] = [];
  await search(bugs, workers, (outcome) => {
    outcomes.push(outcome);
    const seed = outcome.foundAt ?? outcome.bug.withinSeeds;
    reporter.bug(outcome, replayCommand(seed, outcome.bug.workload, outcome.bug.name));
    progress('planted bugs', outcomes.length, bugs.length);
  });

  const missed = outcomes.filter(({ foundAt }) => foundAt === undefined).map((outcome) => outcome.bug.name);
  const never = tally.seeds === 0 ? [] : tally.never;
  const isLong = tally.seeds >= SEEDS_FOR_EVERYTHING && workload === undefined;
  const ok = tally.violations === 0 && missed.length === 0 && !(isLong && never.length > 0);
  await reporter.summary({
    seeds: tally.seeds,
    violations: tally.violations,
    failedSeeds: tally.failedSeeds,
    calls: tally.calls,
    datagrams: tally.datagrams,
    virtualHours: Math.round(tally.virtualMs / 3_600_000),
    elapsedMs: Math.round(elapsedMs()),
    plantedBugsFound: `${outcomes.length - missed.length}/${outcomes.length}`,
    plantedBugsMissed: missed,
    sometimes: tally.sometimes,
    never,
    ok,
  });
  return ok ? 0 : 1;
}

/** Looks for each bug in seeds from 1 on, one worker for each; a few bugs at a time. */
async function search(
  bugs: readonly PlantedBug[],
  atOnce: number,
  onOutcome: (outcome: BugOutcome) => void,
): Promise<void> {
  const waiting = [...bugs];
  const searchOn = async () => {
    for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) onOutcome(await searchFor(bug));
  };
  await Promise.all(Array.from({ length: atOnce }, searchOn));
}

async function searchFor(bug: PlantedBug): Promise<BugOutcome> {
  let foundAt: number | undefined;
  let sawInstead: string | undefined;
  await runSeeds({
    from: 1,
    to: bug.withinSeeds,
    workers: 1,
    given: givenTo(bug),
    edits: bug.edits,
    onReport: ({ seed, violations }) => {
      if (violations.some(({ invariant }) => invariant === bug.foundBy)) foundAt = seed;
      else
        sawInstead ??= violations[0] && `${violations[0].invariant} (seed ${seed}: ${violations[0].detail})`;
      return foundAt !== undefined;
    },
  });
  return { bug, foundAt, sawInstead };
}

/** What the seeds of a planted bug have in any case. */
function givenTo({ workload, faults, config }: PlantedBug): GivenPlan {
  return { workload, faults, config };
}

/** One seed, told as it happens, in a process of its own, so that a bug can be planted into it. */
function replay(seed: number): Promise<number> {
  const bug = PLANTED_BUGS.find(({ name }) => name === options.bug);
  const given = bug === undefined ? { workload: options.workload } : givenTo(bug);
  console.log(
    `seed ${seed}; commit ${commit()}, Node ${process.version}${bug ? `, planted: ${bug.story}` : ''}`,
  );
  const child = startProcess('replay.ts', [String(seed), JSON.stringify(given)], 'inherit', bug?.edits);
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}

function replayCommand(seed: number, workload: Workload | undefined, bug?: string): string {
  const more = bug !== undefined ? ` --bug ${bug}` : workload !== undefined ? ` --workload ${workload}` : '';
  return `npm run sim -- --seed ${seed}${more}`;
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    // Not in a checkout, or no git here.
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    return `version ${version}`;
  }
}

function elapsedMs(): number {
  return performance.now() - startedAtMs;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a number from 1 on.');
  return value;
}
