// How long calls take when datagrams are lost: so many small calls a second, whether the last ones are answered or not, over
// a round trip of 50 ms at several rates of loss, each way.
//   npm run bench -- latency --sim [--loss 2 …] [--seconds 60] [--seeds 5] [--out FILE] [--json]
//   npm run bench:net -- latency [--loss 2 …] [--seconds 15] [--system NAME …] [--out FILE] [--json]     (root, Linux)
// In the simulator (virtual time, seeded) it is ours alone; on the emulated link (lossy-link.ts) the others run too, one
// after the other over the same link. Ours runs as it is by default, with a datagram more for every small message while
// datagrams are lost (`earlyDuplicates: 2`), and with nothing sent twice (`false`).

import { parseArgs } from 'node:util';
import { DEFAULT_CONFIG } from '../src/protocol/config.ts';
import { VirtualClock } from '../src/sim/clock.ts';
import { SimNetwork } from '../src/sim/network.ts';
import { SeededRandom } from '../src/sim/random.ts';
import { openSimTransport } from '../src/sim/transport.ts';
import { openLossyLink, whyNoLink } from './lossy-link.ts';
import { quantile, saveSummary, thisMachine } from './machine.ts';
import { EARLY_DUPLICATES, nevermindDuplicates, withDuplicates } from './peers/nevermind.ts';
import type { OpenLoopResult } from './peers/open-loop.ts';
import { startClient, startServer } from './peers/server-process.ts';
import { SYSTEMS, systemNamed } from './peers/systems.ts';

const { values: options } = parseArgs({
  options: {
    sim: { type: 'boolean', default: false },
    net: { type: 'boolean', default: false },
    loss: { type: 'string', multiple: true, default: ['0', '1', '2', '5', '10', '20'] },
    seconds: { type: 'string' },
    seeds: { type: 'string', default: '5' },
    system: { type: 'string', multiple: true },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const CALLS_PER_SECOND = 100;
const ONE_WAY_MS = 25;
const BODY_BYTES = 64;

/** Calls of one system at one rate of loss; times in milliseconds. */
interface LatencyResult {
  readonly system: string;
  readonly lossPercent: number;
  readonly calls: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly failures: number;
  /** Of both ends; in the simulator. */
  readonly datagramsPerCall?: number;
  readonly bytesPerCall?: number;
}

interface SimulatedResult extends OpenLoopResult {
  readonly datagrams: number;
  readonly bytes: number;
}

const machine = thisMachine();
const losses = options.loss.map(Number);
const results: LatencyResult[] = [];
if (options.net) await onTheLink();
else await inTheSimulator();
const where = options.net ? 'link' : 'simulator';
const setting = {
  where,
  callsPerSecond: CALLS_PER_SECOND,
  roundTripMs: 2 * ONE_WAY_MS,
  bodyBytes: BODY_BYTES,
};
await saveSummary({ type: 'summary', version: 1, suite: 'latency', machine, setting, results }, options);

async function inTheSimulator(): Promise<void> {
  for (const lossPercent of losses) {
    for (const earlyDuplicates of [DEFAULT_CONFIG.earlyDuplicates, ...EARLY_DUPLICATES]) {
      const isDefault = earlyDuplicates === DEFAULT_CONFIG.earlyDuplicates;
      const system = isDefault ? 'nevermind' : withDuplicates(earlyDuplicates);
      if (options.system !== undefined && !options.system.includes(system)) continue;
      const timesMs: number[] = [];
      const sum = { failures: 0, datagrams: 0, bytes: 0 };
      for (let seed = 1; seed <= Number(options.seeds); seed++) {
        const run = await simulate(seed, lossPercent, earlyDuplicates, Number(options.seconds ?? 60));
        timesMs.push(...run.timesMs);
        sum.failures += run.failures;
        sum.datagrams += run.datagrams;
        sum.bytes += run.bytes;
      }
      const calls = timesMs.length + sum.failures;
      add(system, lossPercent, { timesMs, failures: sum.failures }, [
        sum.datagrams / calls,
        sum.bytes / calls,
      ]);
    }
  }
}

async function simulate(
  seed: number,
  lossPercent: number,
  earlyDuplicates: number | false,
  seconds: number,
): Promise<SimulatedResult> {
  const random = new SeededRandom(`latency ${seed}`);
  const clock = new VirtualClock();
  const network = new SimNetwork({
    clock,
    random: random.fork('network'),
    link: { latencyMs: ONE_WAY_MS, lossProbability: lossPercent / 100 },
  });
  const [server, client] = ['10.0.0.1', '10.0.0.2'].map((host) =>
    openSimTransport({ network, host, random: random.fork(host), config: { earlyDuplicates } }),
  );
  server!.handle('echo', (body) => body, { early: 'safe' });
  const peer = client!.peer(server!.address);
  const body = new Uint8Array(BODY_BYTES);
  const timesMs: number[] = [];
  let failures = 0;
  const call = async (): Promise<void> => {
    const startMs = clock.now();
    try {
      await peer.call('echo', body);
      timesMs.push(clock.now() - startMs);
    } catch {
      failures++;
    }
  };
  // As on the link, a first call goes before and is not counted.
  await clock.runUntil(peer.call('echo', body), 60_000);
  const calls: Promise<void>[] = [];
  for (let i = 0; i < seconds * CALLS_PER_SECOND; i++) {
    calls.push(call());
    await clock.run({ forMs: 1000 / CALLS_PER_SECOND });
  }
  await clock.runUntil(Promise.all(calls), 60_000);
  await clock.runUntil(Promise.all([client!.close(), server!.close()]), 60_000);
  const [datagrams, bytes] = (['datagramsSent', 'bytesSent'] as const).map(
    (counter) => client!.stats[counter] + server!.stats[counter],
  ) as [number, number];
  return { timesMs, failures, datagrams, bytes };
}

async function onTheLink(): Promise<void> {
  const missing = await whyNoLink();
  if (missing !== undefined) {
    console.error(
      `There can be no lossy link here: ${missing}. "npm run bench -- latency --sim" runs anywhere.`,
    );
    process.exit(1);
  }
  const systems =
    options.system?.map(systemNamed) ??
    [...SYSTEMS, ...nevermindDuplicates].filter(({ recovers }) => recovers);
  for (const lossPercent of losses) {
    for (const { name } of systems) {
      // A link each, so that none inherits what another one has left in its queue.
      await using link = await openLossyLink({ delayMs: ONE_WAY_MS, lossPercent });
      await using server = await startServer(name, link.b.address, link.b);
      await using client = startClient(name, server.address, link.a);
      const seconds = Number(options.seconds ?? 15);
      const load = { callsPerSecond: CALLS_PER_SECOND, seconds, bodyBytes: BODY_BYTES };
      add(name, lossPercent, (await client.ask({ type: 'open loop', ...load })) as OpenLoopResult);
    }
  }
}

function add(
  system: string,
  lossPercent: number,
  { timesMs, failures }: OpenLoopResult,
  perCall?: readonly [datagrams: number, bytes: number],
): void {
  const at = (share: number) => Number(quantile(timesMs, share).toFixed(1));
  const calls = timesMs.length + failures;
  const result = { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), failures };
  const cost = perCall && {
    datagramsPerCall: Number(perCall[0].toFixed(3)),
    bytesPerCall: Math.round(perCall[1]),
  };
  results.push({ system, lossPercent, calls, ...result, ...cost });
  if (options.json) return;
  const times = [result.p50, result.p90, result.p99, result.p999]
    .map((ms) => String(ms).padStart(8))
    .join('');
  console.log(
    `${system.padEnd(33)} ${String(lossPercent).padStart(2)} % ${times} ms   ${failures} of ${calls} failed${cost === undefined ? '' : `, ${cost.datagramsPerCall} datagrams and ${cost.bytesPerCall} bytes a call`}`,
  );
}
