// Files on ten storage nodes, of which some freeze: put and get, with nothing wrong, with 1 or 3 nodes silent from the start,
// and with them silent from the middle on; over datagrams and over TCP.
//   npm run bench -- grid [--quick] [--mib 24 …] [--transport udp …] [--rounds 3] [--out FILE] [--json]
// Nodes are processes (SIGSTOP, then SIGCONT), the client is this one; each operation has a transport of its own, which has
// learnt nothing from the ones before.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Fleet } from '../src/cli/demo/fleet.ts';
import { connectGrid, type TransportKind } from '../src/cli/network.ts';
import { download } from '../src/grid/download.ts';
import { sourceOfBytes } from '../src/grid/source.ts';
import { upload } from '../src/grid/upload.ts';
import { median, saveSummary, thisMachine } from './machine.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    mib: { type: 'string', multiple: true },
    transport: { type: 'string', multiple: true, default: ['udp', 'tcp'] },
    rounds: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const MIB = 1024 * 1024;
const NODES = 10;
const CODING = { needed: 3, happy: 7, total: 10, segmentSizeBytes: MIB };
const SCENARIOS = [
  { silent: 0, from: 'start' },
  { silent: 1, from: 'start' },
  { silent: 3, from: 'start' },
  { silent: 1, from: 'middle' },
  { silent: 3, from: 'middle' },
] as const;

type Scenario = (typeof SCENARIOS)[number];

interface GridResult {
  readonly transport: TransportKind;
  readonly mib: number;
  readonly operation: 'put' | 'get';
  readonly silentNodes: number;
  readonly silentFrom: 'start' | 'middle';
  readonly medianMs: number;
  readonly samplesMs: readonly number[];
}

const machine = thisMachine();
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const sizes = (options.mib ?? (options.quick ? ['1', '24'] : ['1', '24', '256'])).map(Number);
const results: GridResult[] = [];

async function measure(transport: TransportKind, mib: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-grid-'));
  try {
    await using fleet = await Fleet.start(NODES, folder, transport, new AbortController().signal);
    for (const scenario of SCENARIOS) {
      const putMs: number[] = [];
      const getMs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        // Another file each time: what the servers have already would not be sent.
        const bytes = randomBytes(mib * MIB);
        // The file that is read was put while all was well; the one that is put is not read.
        const { capability } = await put(fleet, transport, bytes, { silent: 0, from: 'start' });
        getMs.push(await get(fleet, transport, capability, bytes, scenario));
        putMs.push((await put(fleet, transport, randomBytes(mib * MIB), scenario)).elapsedMs);
      }
      report(transport, mib, 'put', scenario, putMs);
      report(transport, mib, 'get', scenario, getMs);
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function put(
  fleet: Fleet,
  transport: TransportKind,
  bytes: Uint8Array,
  scenario: Scenario,
): Promise<{ capability: string; elapsedMs: number }> {
  await using silence = new Silence(fleet, scenario);
  await using grid = await connect(fleet, transport);
  const startMs = performance.now();
  const { capability } = await upload(sourceOfBytes(bytes), grid.servers, {
    ...CODING,
    clock: grid.transport.clock,
    random: grid.random,
    retries: grid.transport.retries,
    onProgress: ({ doneBytes, totalBytes }) => silence.at(doneBytes / Math.max(1, totalBytes ?? 0)),
  });
  return { capability, elapsedMs: performance.now() - startMs };
}

async function get(
  fleet: Fleet,
  transport: TransportKind,
  capability: string,
  bytes: Uint8Array,
  scenario: Scenario,
): Promise<number> {
  await using silence = new Silence(fleet, scenario);
  await using grid = await connect(fleet, transport);
  const startMs = performance.now();
  const { clock, retries } = grid.transport;
  const hash = createHash('sha256');
  let doneBytes = 0;
  for await (const chunk of download(capability, grid.servers, { clock, retries, random: grid.random })) {
    hash.update(chunk);
    doneBytes += chunk.length;
    silence.at(doneBytes / bytes.length);
  }
  const elapsedMs = performance.now() - startMs;
  if (!hash.digest().equals(createHash('sha256').update(bytes).digest())) {
    throw new Error('what came back is not what was put');
  }
  return elapsedMs;
}

function connect(fleet: Fleet, transport: TransportKind): ReturnType<typeof connectGrid> {
  const servers = fleet.nodes.map(({ address }) => ({ address, permutationSeed: undefined }));
  return connectGrid({ servers }, { transport });
}

/** The nodes that say nothing during one operation; afterwards they go on. */
class Silence implements AsyncDisposable {
  readonly #pids: readonly number[];
  readonly #from: number;
  #isOn = false;

  constructor(fleet: Fleet, { silent, from }: Scenario) {
    // Others each time: which ones matter depends on the file.
    const shift = Math.floor(Math.random() * NODES);
    this.#pids = Array.from({ length: silent }, (_, index) => fleet.nodes[(shift + index) % NODES]!.pid);
    this.#from = from === 'start' ? 0 : 0.5;
    this.at(0);
  }

  /** The operation has come so far, from 0 to 1. */
  at(share: number): void {
    if (this.#isOn || share < this.#from) return;
    this.#isOn = true;
    for (const pid of this.#pids) process.kill(pid, 'SIGSTOP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOn) for (const pid of this.#pids) process.kill(pid, 'SIGCONT');
  }
}

function report(
  transport: TransportKind,
  mib: number,
  operation: 'put' | 'get',
  { silent, from }: Scenario,
  samples: readonly number[],
): void {
  const samplesMs = samples.map(Math.round);
  const medianMs = median(samplesMs);
  results.push({ transport, mib, operation, silentNodes: silent, silentFrom: from, medianMs, samplesMs });
  if (options.json) return;
  const when = silent === 0 ? 'all answer' : `${silent} silent from the ${from}`;
  const size = `${String(mib).padStart(4)} MiB`;
  console.log(
    `${transport} ${operation} ${size}   ${when.padEnd(24)} ${String(medianMs).padStart(7)} ms   ${samplesMs}`,
  );
}

for (const transport of options.transport as TransportKind[]) {
  for (const mib of sizes) await measure(transport, mib);
}
const setting = { nodes: NODES, ...CODING, rounds };
await saveSummary({ type: 'summary', version: 1, suite: 'grid', machine, setting, results }, options);
process.exit();
