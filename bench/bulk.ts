// Bulk transfer beside the kernel's TCP, over a link that loses: one message of 16 MB, and messages of 1 MiB one behind the
// other; and the share of a bottleneck that our flow takes beside one TCP flow.
//   npm run bench:net -- bulk [--quick | --full] [--loss 2 …] [--rtt 50 …] [--mbit 100 …] [--load stream …] [--share]
//       [--system NAME …] [--seconds 8] [--rounds 1] [--out FILE] [--json]                  (root, Linux, iperf3)
//   npm run bench -- bulk --sim [--loss 2 …] [--rtt 50 …] [--mbit 100 …] [--seconds 4]      (ours alone, seeded, anywhere)
// Loss is that of each way. `--mbit 0`: as fast as this machine carries the link. Systems take turns over links of their own.
// --quick takes under a minute, the default some minutes, --full (all rates, round trips and losses) half an hour.

import { parseArgs } from 'node:util';
import type { BulkResult, Path } from './bulk/figures.ts';
import { type BulkSystem, flow, SYSTEMS } from './bulk/flows.ts';
import { type Load, WARM_UP_SECONDS } from './bulk/loads.ts';
import { simulate } from './bulk/simulated.ts';
import { type LossyLink, openLossyLink, whyNoLink } from './lossy-link.ts';
import { median, saveSummary, thisMachine } from './machine.ts';

const { values: options } = parseArgs({
  options: {
    net: { type: 'boolean', default: false },
    sim: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    share: { type: 'boolean', default: false },
    loss: { type: 'string', multiple: true },
    rtt: { type: 'string', multiple: true },
    mbit: { type: 'string', multiple: true },
    load: { type: 'string', multiple: true },
    system: { type: 'string', multiple: true },
    seconds: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

/** A link, and what goes over it. */
interface Cell extends Path {
  readonly load: Load;
}

const LOSSES = [0, 1, 2, 5, 10];
const ROUND_TRIPS_MS = [10, 50, 150];
const LINKS_MBIT_PER_S = [0, 100];
const LOADS: readonly Load[] = ['message', 'stream'];
/** The shared bottleneck: slow enough that this machine's processor is none, with a queue of one product. */
const SHARED = { lossPercent: 0, roundTripMs: 50, linkMbitPerS: 20 };

/** Two flows take their time to find their shares; and two processes of Node begin later than iperf3: both are measured together. */
const SHARED_TIMES = 2;
const NODE_STARTS_IN_SECONDS = 2;
const MESSAGE_LIMIT_SECONDS = 30;

function cell(load: Load, lossPercent: number, roundTripMs = 50, linkMbitPerS = 0): Cell {
  return { load, lossPercent, roundTripMs, linkMbitPerS };
}
const QUICK: readonly Cell[] = [cell('stream', 2), cell('stream', 10)];
const USUAL: readonly Cell[] = [
  ...LOSSES.map((loss) => cell('stream', loss)),
  ...[10, 150].map((roundTripMs) => cell('stream', 2, roundTripMs)),
  ...[0, 2].map((loss) => cell('stream', loss, 50, 100)),
  ...[0, 2, 10].map((loss) => cell('message', loss)),
];
const SIMULATED: readonly Cell[] = [
  ...LOSSES.map((loss) => cell('stream', loss, 50, 100)),
  ...[10, 150].map((roundTripMs) => cell('stream', 2, roundTripMs, 100)),
  ...[0, 2, 10].map((loss) => cell('message', loss, 50, 100)),
];

const machine = thisMachine();
const seconds = Number(options.seconds ?? (options.quick || options.sim ? 4 : 8));
const results: BulkResult[] = [];
if (options.sim) await inTheSimulator();
else await onTheLink();
await saveSummary(
  {
    type: 'summary',
    version: 1,
    suite: 'bulk',
    machine,
    setting: { where: options.sim ? 'simulator' : 'link', seconds, rounds: Number(options.rounds) },
    results,
  },
  options,
);

async function inTheSimulator(): Promise<void> {
  for (const cell of cells()) {
    // Without a bottleneck nothing but the processor would end it.
    if (cell.linkMbitPerS === 0) continue;
    const { lossPercent, roundTripMs, linkMbitPerS: mbitPerS } = cell;
    add({
      ...cell,
      system: 'nevermind',
      mbitPerS: await simulate({ lossPercent, roundTripMs, mbitPerS }, cell.load, seconds),
    });
  }
}

async function onTheLink(): Promise<void> {
  const missing = await whyNoLink();
  if (missing !== undefined) {
    console.error(
      `There can be no lossy link here: ${missing}. "npm run bench -- bulk --sim" runs anywhere.`,
    );
    process.exit(1);
  }
  const systems = (options.system ?? (options.quick ? ['nevermind', 'tcp-bbr'] : SYSTEMS)) as BulkSystem[];
  if (!options.share) for (const cell of cells()) await compare(cell, systems);
  for (const beside of ['tcp-cubic', 'tcp-bbr'] as const) await share(beside);
}

/** What was asked for; without a word, what tells most: each of loss, round trip and rate varied by itself. */
function cells(): readonly Cell[] {
  const asked = options.loss ?? options.rtt ?? options.mbit ?? options.load;
  if (asked === undefined && !options.full) return options.sim ? SIMULATED : options.quick ? QUICK : USUAL;
  const all: Cell[] = [];
  for (const load of (options.load as Load[] | undefined) ?? (options.full ? LOADS : (['stream'] as const)))
    for (const linkMbitPerS of numbers(options.mbit, options.sim ? [100] : LINKS_MBIT_PER_S, [0]))
      for (const roundTripMs of numbers(options.rtt, ROUND_TRIPS_MS, [50]))
        for (const lossPercent of numbers(options.loss, LOSSES, [2]))
          all.push({ load, lossPercent, roundTripMs, linkMbitPerS });
  return all;
}

function numbers(
  asked: string[] | undefined,
  all: readonly number[],
  one: readonly number[],
): readonly number[] {
  if (asked !== undefined) return asked.map(Number);
  return options.full || options.sim ? all : one;
}

async function compare(cell: Cell, systems: readonly BulkSystem[]): Promise<void> {
  const rates = new Map<BulkSystem, number[]>(systems.map((system) => [system, []]));
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const system of systems) {
      // A link each, so that none inherits what another one has left in its queue.
      await using link = await open(cell);
      const limitSeconds = cell.load === 'message' ? MESSAGE_LIMIT_SECONDS : seconds;
      const mbitPerS = await flow(link, system, cell.load, limitSeconds);
      if (mbitPerS !== undefined) rates.get(system)!.push(mbitPerS);
    }
  }
  for (const [system, samples] of rates) {
    add({ ...cell, system, ...(samples.length > 0 && { mbitPerS: median(samples) }) });
  }
}

async function share(beside: BulkSystem): Promise<void> {
  const samples: { ours: number; theirs: number }[] = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    await using link = await open(SHARED);
    const [ours, theirs] = await Promise.all([
      flow(link, 'nevermind', 'stream', SHARED_TIMES * seconds),
      flow(link, beside, 'stream', SHARED_TIMES * seconds, NODE_STARTS_IN_SECONDS + WARM_UP_SECONDS),
    ]);
    samples.push({ ours: ours ?? 0, theirs: theirs ?? 0 });
  }
  const ours = median(samples.map((sample) => sample.ours));
  const theirs = median(samples.map((sample) => sample.theirs));
  const sharePercent = Math.round(
    100 * median(samples.map((sample) => sample.ours / (sample.ours + sample.theirs))),
  );
  add({ ...SHARED, load: 'shared', system: 'nevermind', beside, mbitPerS: ours, sharePercent });
  add({ ...SHARED, load: 'shared', system: beside, beside: 'nevermind', mbitPerS: theirs });
}

function open({ lossPercent, roundTripMs, linkMbitPerS }: Path): Promise<LossyLink> {
  const bandwidthBytesPerS = 125_000 * linkMbitPerS;
  return openLossyLink({
    delayMs: roundTripMs / 2,
    lossPercent,
    ...(linkMbitPerS > 0 && { bandwidthBytesPerS, queueBytes: (bandwidthBytesPerS * roundTripMs) / 1000 }),
  });
}

function add(result: BulkResult): void {
  const { load, lossPercent, roundTripMs, linkMbitPerS, system, mbitPerS, sharePercent } = result;
  results.push({ ...result, ...(mbitPerS !== undefined && { mbitPerS: Number(mbitPerS.toFixed(2)) }) });
  if (options.json) return;
  const where = `${roundTripMs} ms, ${lossPercent} %, ${linkMbitPerS === 0 ? 'no bottleneck' : `${linkMbitPerS} Mbit/s`}`;
  const what = mbitPerS === undefined ? 'not in time' : `${mbitPerS.toFixed(1)} Mbit/s`;
  const part = sharePercent === undefined ? '' : `   ${sharePercent} % of both`;
  console.log(`${load.padEnd(8)} ${where.padEnd(30)} ${system.padEnd(10)} ${what}${part}`);
}
