// `npm run fuzz`: coverage-guided fuzzing of everything that reads bytes of strangers. Starts a worker per processor,
// gives each target its share of the time, notices what hangs, writes down what fails. README.md says how to use it.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { failurePath, writeFailure, writeFound } from './corpus.ts';
import { SharedState } from './engine.ts';
import { Lane } from './lane.ts';
import { loadTarget, TARGET_NAMES } from './targets.ts';

/** An input hangs during which the lanes have worked for so long. */
const HANG_MS = 20_000;
/** Live memory may grow so much within a run: caches fill, functions are compiled. */
const GROWTH_MAX_BYTES = 8 * 1024 * 1024;

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    executions: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 0x7fffffff)) },
    targets: { type: 'string', default: TARGET_NAMES.join() },
    workers: { type: 'string', default: String(availableParallelism()) },
    'hang-ms': { type: 'string', default: String(HANG_MS) },
    replay: { type: 'string' },
    save: { type: 'boolean', default: false },
    forget: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

/** What one target came to. */
interface Report {
  readonly name: string;
  readonly seed: number;
  readonly executions: number;
  readonly elapsedMs: number;
  readonly executionsPerSecond: number;
  readonly coverage: number;
  readonly edgesHit: number;
  readonly edgesTotal: number;
  readonly corpus: number;
  readonly found: number;
  readonly heapGrowthBytes: number;
  readonly crashes: number;
  readonly hangs: number;
}

if (options.replay !== undefined) await replay(options.replay);
else process.exitCode = (await fuzzAll()) ? 0 : 1;

/** Runs one kept input, without counters and without a net: what it throws is shown with its lines. */
async function replay(path: string): Promise<void> {
  const target = await loadTarget(basename(dirname(resolve(path))));
  await target.run(new Uint8Array(readFileSync(path)));
  console.log('it passes');
}

/** @returns whether nothing failed. */
async function fuzzAll(): Promise<boolean> {
  const names = options.targets.split(',');
  const seed = Number(options.seed);
  const seconds = Number(options.seconds);
  const executionsMax = Number(options.executions);
  say(`npm run fuzz -- --seconds ${seconds} --seed ${seed}`);
  const endsAtMs = performance.now() + seconds * 1000;
  const lanes = Math.min(Number(options.workers), names.length);
  const waiting = names.map((name, index) => ({ name, seed: seed + index }));
  const reports: Report[] = [];
  const work = async (): Promise<void> => {
    await using lane = new Lane(Number(options['hang-ms']));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const rounds = Math.ceil((waiting.length + 1) / lanes);
      const share = Math.max(1, (endsAtMs - performance.now()) / 1000 / rounds);
      const report = await fuzzOne(lane, next.name, next.seed, share, executionsMax);
      reports.push(report);
      tell(report);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  const sum = (field: 'executions' | 'crashes' | 'hangs'): number =>
    reports.reduce((total, report) => total + report[field], 0);
  const growths = reports.filter(({ heapGrowthBytes }) => heapGrowthBytes > GROWTH_MAX_BYTES).length;
  const summary = {
    type: 'summary',
    version: 1,
    seed,
    executions: sum('executions'),
    crashes: sum('crashes'),
    hangs: sum('hangs'),
    growths,
    targets: reports,
  };
  console.log(
    options.json
      ? JSON.stringify(summary)
      : `${summary.executions} executions, ${summary.crashes} crashes, ${summary.hangs} hangs, ${growths} that grow`,
  );
  return summary.crashes + summary.hangs + growths === 0;
}

async function fuzzOne(
  lane: Lane,
  name: string,
  seed: number,
  seconds: number,
  executionsMax: number,
): Promise<Report> {
  const shared = new SharedState();
  const untilUnixMs = Date.now() + seconds * 1000;
  const ending = await lane.run(
    { target: name, seed, untilUnixMs, executionsMax, shared: shared.buffer },
    shared,
  );
  const failures =
    'result' in ending ? ending.result.failures : [{ input: shared.input, error: ending.error }];
  for (const { input, error } of failures) {
    const path = options.forget ? failurePath(name, input) : writeFailure(name, input);
    console.error(`${name}: ${error}\n  replay: npm run fuzz -- --replay ${path}`);
  }
  const result = 'result' in ending ? ending.result : undefined;
  if (options.save && result !== undefined) writeFound(name, result.corpus);
  const { edgesHit = 0, edgesTotal = 0, elapsedMs = seconds * 1000 } = result ?? {};
  const executions = result?.executions ?? shared.executions;
  return {
    name,
    seed,
    executions,
    elapsedMs: Math.round(elapsedMs),
    executionsPerSecond: Math.round(executions / (elapsedMs / 1000)),
    coverage: edgesTotal === 0 ? 0 : Math.round((1000 * edgesHit) / edgesTotal) / 1000,
    edgesHit,
    edgesTotal,
    corpus: result?.corpus.length ?? 0,
    found: result?.found ?? 0,
    heapGrowthBytes: result?.heapGrowthBytes ?? 0,
    crashes: 'hangs' in ending ? 0 : failures.length,
    hangs: 'hangs' in ending ? 1 : 0,
  };
}

function tell(report: Report): void {
  const { name, executions, executionsPerSecond, coverage, edgesHit, edgesTotal, corpus, found } = report;
  const growthKiB = Math.round(report.heapGrowthBytes / 1024);
  say(
    `${name.padEnd(12)} ${String(executions).padStart(9)} executions, ${executionsPerSecond}/s; ` +
      `coverage ${(100 * coverage).toFixed(1)} % (${edgesHit} of ${edgesTotal}); corpus ${corpus} (${found} found); ` +
      `heap ${growthKiB} KiB; seed ${report.seed}`,
  );
}

/** For people, in the way of nobody who reads the last line. */
function say(line: string): void {
  if (options.json) console.error(line);
  else console.log(line);
}
