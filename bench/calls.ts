// Small calls over loopback: how many a second, and what one costs on each side. Every system runs in the same way: one
// client process, one server process, so many calls under way at once, each next one when one ends. The systems take turns
// in each round, because machines are shared; a figure is the median of its rounds.
//   npm run bench -- calls [--quick] [--system NAME …] [--out FILE] [--json]

import { setImmediate, setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Machine, median, saveSummary, thisMachine } from './machine.ts';
import { type ServerProcess, startServer } from './peers/server-process.ts';
import type { EchoClient, System } from './peers/system.ts';
import { SYSTEMS, systemNamed } from './peers/systems.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    system: { type: 'string', multiple: true },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const SIZES = [64, 1024, 16 * 1024];
const CONCURRENCIES = [16, 128, 1024, 1];

/**
 * Before anything is measured, every system makes calls for so many milliseconds with so many at once: what is measured is a server
 * that runs, not how long Node takes to compile it. With one call at a time that takes seconds by itself, so these come last.
 * A quick run has no time for more.
 */
const WARM_UP = [
  { concurrency: 1024, forMs: 800 },
  { concurrency: 128, forMs: 400 },
  { concurrency: 1, forMs: 800 },
] as const;
const WARM_UP_TIMES = 4;

/**
 * So much longer than planned a sample may take to have as many answers as calls at once; and so long the last answers are
 * waited for once it is over, which for some of the others would be minutes at 1,024 at once: those count as failed, and the
 * client is replaced, so that what it repeats disturbs nobody after it.
 */
const LATE_MAX_MS = 600;

/** One cell of the table. */
interface CallsResult {
  readonly system: string;
  readonly sizeBytes: number;
  readonly concurrency: number;
  readonly callsPerSecond: number;
  readonly clientCpuUsPerCall: number;
  readonly serverCpuUsPerCall: number;
  /** Calls that ended in an error or had no answer in time, in all rounds. */
  readonly failures: number;
  readonly rounds: number;
}

/** The suite's last line. */
interface CallsSummary {
  readonly type: 'summary';
  readonly version: 1;
  readonly suite: 'calls';
  readonly machine: Machine;
  readonly results: readonly CallsResult[];
}

interface Pair {
  readonly system: System;
  readonly server: ServerProcess;
  client: EchoClient;
}

interface Sample {
  readonly callsPerSecond: number;
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
  readonly failures: number;
}

const machine = thisMachine();
const summary = await calls(options.system?.map(systemNamed) ?? SYSTEMS, options.quick);
await saveSummary(summary, options);
process.exit();

async function calls(systems: readonly System[], isQuick: boolean): Promise<CallsSummary> {
  const rounds = isQuick ? 3 : 7;
  const roundMs = isQuick ? 150 : 700;
  const warmUpTimes = isQuick ? 1 : WARM_UP_TIMES;
  const sizes = isQuick ? [SIZES[0]!] : SIZES;
  const results: CallsResult[] = [];
  for (const sizeBytes of sizes) {
    const able = systems.filter(({ bodyBytesMax }) => bodyBytesMax >= sizeBytes);
    const pairs = await Promise.all(able.map(start));
    try {
      for (const pair of pairs) {
        for (const { concurrency, forMs } of WARM_UP)
          await measure(pair, sizeBytes, concurrency, warmUpTimes * forMs);
      }
      for (const concurrency of CONCURRENCIES) {
        const samples = new Map<System, Sample[]>(pairs.map(({ system }) => [system, []]));
        for (let round = -1; round < rounds; round++) {
          for (const pair of pairs) {
            const sample = await measure(pair, sizeBytes, concurrency, roundMs);
            // The first one gets used to this many at once.
            if (round >= 0) samples.get(pair.system)!.push(sample);
          }
        }
        for (const [{ name }, of] of samples) {
          results.push({
            system: name,
            sizeBytes,
            concurrency,
            callsPerSecond: Math.round(median(of.map((one) => one.callsPerSecond))),
            clientCpuUsPerCall: rounded(median(of.map((one) => one.clientCpuUs))),
            serverCpuUsPerCall: rounded(median(of.map((one) => one.serverCpuUs))),
            failures: of.reduce((sum, one) => sum + one.failures, 0),
            rounds,
          });
          if (!options.json) console.log(cellLine(results.at(-1)!));
        }
        // Who ends a long run early keeps what it has measured.
        await saveSummary(summaryOf(results), { json: false, out: options.out });
      }
    } finally {
      for (const { client, server } of pairs) {
        await client.close();
        await server[Symbol.asyncDispose]();
      }
    }
  }
  return summaryOf(results);
}

function summaryOf(results: readonly CallsResult[]): CallsSummary {
  return { type: 'summary', version: 1, suite: 'calls', machine, results };
}

async function start(system: System): Promise<Pair> {
  const server = await startServer(system.name);
  return { system, server, client: await system.connect(server.address) };
}

async function measure(pair: Pair, sizeBytes: number, concurrency: number, forMs: number): Promise<Sample> {
  const { client, server } = pair;
  const body = Buffer.alloc(sizeBytes, 0x5a);
  const serverBefore = await server.cpuUs();
  const before = process.cpuUsage();
  const startedAtMs = performance.now();
  let outstanding = 0;
  let count = 0;
  let failures = 0;
  let isOver = false;
  const lane = async (enough: () => void): Promise<void> => {
    while (!isOver) {
      outstanding++;
      const answer = await client.echo(body).catch(() => undefined);
      outstanding--;
      if (answer === undefined) {
        failures++;
        // Who fails without a turn of the event loop would never let this end.
        await setImmediate();
        continue;
      }
      if (answer.length !== sizeBytes) {
        throw new Error(`${pair.system.name} gave back ${answer.length} of ${sizeBytes} bytes`);
      }
      count++;
      if (count >= concurrency && performance.now() - startedAtMs >= forMs) enough();
    }
  };
  let lanes: Promise<unknown> = Promise.resolve();
  const isEnough = new Promise<void>((enough, failed) => {
    lanes = Promise.all(Array.from({ length: concurrency }, () => lane(enough).catch(failed)));
  });
  await Promise.race([isEnough, setTimeout(forMs + LATE_MAX_MS)]);
  // What comes later is waited for, and does not count: who is slow with some shall not seem slow with all.
  isOver = true;
  const elapsedMs = performance.now() - startedAtMs;
  const { user, system } = process.cpuUsage(before);
  const answered = Math.max(1, count);
  const sample = { callsPerSecond: (1000 * count) / elapsedMs, clientCpuUs: (user + system) / answered };
  const serverCpuUs = ((await server.cpuUs()) - serverBefore) / answered;
  await Promise.race([lanes, setTimeout(LATE_MAX_MS)]);
  failures += outstanding;
  if (outstanding > 0) {
    await client.close();
    pair.client = await pair.system.connect(server.address);
  }
  return { ...sample, serverCpuUs, failures };
}

function cellLine(cell: CallsResult): string {
  const what = `${cell.system.padEnd(12)} ${String(cell.sizeBytes).padStart(6)} B × ${String(cell.concurrency).padEnd(4)}`;
  const cpu = `${cell.clientCpuUsPerCall} + ${cell.serverCpuUsPerCall} µs`;
  const failed = cell.failures === 0 ? '' : `   ${cell.failures} failed`;
  return `${what} ${String(cell.callsPerSecond).padStart(8)} calls/s   ${cpu}${failed}`;
}

function rounded(value: number): number {
  return Number(value.toFixed(1));
}
