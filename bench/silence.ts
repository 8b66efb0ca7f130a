// A peer vanishes with 102 calls outstanding, as in Tahoe-LAFS's ticket 502: until when does a system let them wait, and how
// many turns does it take over saying so? On a link that is cut (lossy-link.ts):
//   npm run bench:net -- silence [--delay 25] [--bound 60] [--system NAME …] [--out FILE] [--json]     (root, Linux)
// What is still outstanding after the bound (seconds) is reported as that. Foolscap over TCP, which Tahoe-LAFS uses, needed
// 939.5 s for its 102 (measured once, by hand).

import { parseArgs } from 'node:util';
import { openLossyLink, whyNoLink } from './lossy-link.ts';
import { saveSummary, thisMachine } from './machine.ts';
import type { OutlastResult } from './peers/outlast.ts';
import { startClient, startServer } from './peers/server-process.ts';
import { ALL_SYSTEMS, systemNamed } from './peers/systems.ts';

const { values: options } = parseArgs({
  options: {
    net: { type: 'boolean', default: false },
    delay: { type: 'string', default: '25' },
    bound: { type: 'string', default: '60' },
    system: { type: 'string', multiple: true },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const CALLS = 102;
const WARM_UP_CALLS = 20;

/** What one system did; times in milliseconds from the calls, which are made right after the cut. */
interface SilenceResult {
  readonly system: string;
  readonly firstMs: number | undefined;
  /** Undefined: some were still outstanding at the end of the run. */
  readonly lastMs: number | undefined;
  readonly outstanding: number;
  /** Groups of calls that settled within 5 ms of each other. */
  readonly batches: number;
  readonly error: string | undefined;
}

const missing = await whyNoLink();
if (missing !== undefined) {
  console.error(`There can be no link to cut here: ${missing}.`);
  process.exit(1);
}
const machine = thisMachine();
const boundMs = 1000 * Number(options.bound);
const results: SilenceResult[] = [];
const systems = options.system?.map(systemNamed) ?? ALL_SYSTEMS.filter(({ recovers }) => recovers);
for (const { name } of systems) {
  await using link = await openLossyLink({ delayMs: Number(options.delay), lossPercent: 0 });
  await using server = await startServer(name, link.b.address, link.b);
  await using client = startClient(name, server.address, link.a);
  await client.ask({ type: 'warm up', calls: WARM_UP_CALLS });
  await link.cut();
  report(name, (await client.ask({ type: 'outlast', calls: CALLS, boundMs })) as OutlastResult);
}
const setting = { calls: CALLS, roundTripMs: 2 * Number(options.delay), boundMs };
await saveSummary({ type: 'summary', version: 1, suite: 'silence', machine, setting, results }, options);

function report(system: string, { settledMs, outstanding, error }: OutlastResult): void {
  const batches = settledMs.filter((ms, index) => index === 0 || ms - settledMs[index - 1]! > 5).length;
  const lastMs = outstanding > 0 ? undefined : settledMs.at(-1);
  results.push({ system, firstMs: settledMs[0], lastMs, outstanding, batches, error });
  if (options.json) return;
  const when =
    lastMs === undefined
      ? `${outstanding} of ${CALLS} still outstanding after ${options.bound} s`
      : `last after ${(lastMs / 1000).toFixed(2)} s, in ${batches} ${batches === 1 ? 'batch' : 'batches'}`;
  console.log(`${system.padEnd(24)} ${when}${error === undefined ? '' : `   ${error}`}`);
}
