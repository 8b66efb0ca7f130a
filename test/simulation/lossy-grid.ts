// One grid in the simulator for one seed: storage servers on disks in memory, a client, and between them links that
// lose, double and reorder one datagram in five. What a test expects of it is in grid-seeds.test.ts.

import { concatBytes } from '../../src/base/bytes.ts';
import { download } from '../../src/grid/download.ts';
import { sourceOfBytes } from '../../src/grid/source.ts';
import { upload } from '../../src/grid/upload.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { MemoryFiles } from '../../src/sim/memory-files.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { DiskStorageServer } from '../../src/storage/disk-server.ts';
import { RemoteStorageServer } from '../../src/storage/remote-server.ts';
import { serveStorage } from '../../src/storage/rpc-methods.ts';

/** Everything about a run that is drawn from its seed. */
export interface LossyGridPlan {
  readonly seed: number;
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly segmentSizeBytes: number;
  readonly needed: number;
  readonly happy: number;
  readonly total: number;
  readonly waitForAll: boolean;
  readonly convergent: boolean;
  readonly fileSizes: readonly number[];
}

/** What came of one file. */
export interface FileOutcome {
  readonly sizeBytes: number;
  readonly identical: boolean;
  /** What put or get rejected with. */
  readonly error: unknown;
}

/** What came of one run. */
export interface LossyGridOutcome {
  readonly files: readonly FileOutcome[];
  /** How often the network lost, doubled and reordered. */
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly timersLeft: number;
  readonly socketsLeft: number;
  readonly filesLeftOpen: number;
  readonly traceHash: string;
}

const SERVERS = 5;
const FAULT_PROBABILITY = 0.2;

export function planLossyGrid(seed: number): LossyGridPlan {
  const random = new SeededRandom(`lossy-grid ${seed}`);
  const segmentSizeBytes = random.int(500, 4000);
  const needed = random.int(1, 3);
  return {
    seed,
    latencyMs: random.pick([0.2, 2, 15, 60]),
    jitterMs: random.pick([0, 1, 20]),
    segmentSizeBytes,
    needed,
    happy: random.int(needed, 3),
    total: random.int(3, 6),
    waitForAll: random.chance(0.5),
    convergent: random.chance(0.5),
    fileSizes: [
      random.pick([0, 1, 55]),
      random.pick([56, 57, random.int(58, 3000)]),
      random.pick([
        segmentSizeBytes,
        segmentSizeBytes + 1,
        segmentSizeBytes * random.int(2, 4),
        segmentSizeBytes * random.int(2, 4) + random.int(1, segmentSizeBytes - 1),
      ]),
    ],
  };
}

/** Puts each file of the plan and gets it back, all on virtual time, and closes everything. */
export async function runLossyGrid(plan: LossyGridPlan): Promise<LossyGridOutcome> {
  const random = new SeededRandom(plan.seed);
  const clock = new VirtualClock();
  const network = new SimNetwork({
    clock,
    random: random.fork('network'),
    link: {
      latencyMs: plan.latencyMs,
      jitterMs: plan.jitterMs,
      lossProbability: FAULT_PROBABILITY,
      duplicateProbability: FAULT_PROBABILITY,
      reorderProbability: FAULT_PROBABILITY,
      reorderMs: 2 * plan.latencyMs + 1,
    },
  });
  const disks = Array.from(
    { length: SERVERS },
    (_, i) => new MemoryFiles({ random: random.fork(`disk ${i}`) }),
  );
  const servers = await Promise.all(
    disks.map(async (files, i) => {
      const host = `10.0.0.${i + 1}`;
      const server = await DiskStorageServer.open({
        folder: '/node/storage',
        files,
        clock: network.clockOf(host),
        unixSeconds: () => 1_700_000_000 + clock.now() / 1000,
        name: `server ${i}`,
      });
      const transport = openSimTransport({ network, host, port: 4820, random: random.fork(host) });
      serveStorage(transport, server);
      return { server, transport };
    }),
  );
  const client = openSimTransport({ network, host: '10.0.1.1', random: random.fork('client') });
  const remotes = servers.map(({ transport }) => new RemoteStorageServer(client.peer(transport.address)));

  const files: FileOutcome[] = [];
  for (const [index, sizeBytes] of plan.fileSizes.entries()) {
    const bytes = random.fork(`file ${index}`).bytes(sizeBytes);
    files.push(await clock.runUntil(putAndGet(bytes, `${index}`), LIMIT_MS));
  }
  await clock.runUntil(Promise.all([client.close(), ...servers.map(({ transport }) => transport.close())]));
  await clock.runUntil(Promise.all(servers.map(({ server }) => server.stop())));
  // What is still on its way arrives nowhere.
  await clock.run();
  const { lost, duplicated, reordered } = network.counters;
  return {
    files,
    lost,
    duplicated,
    reordered,
    timersLeft: clock.armedTimers,
    socketsLeft: network.openSockets,
    filesLeftOpen: disks.reduce((sum, { openFiles }) => sum + openFiles, 0),
    traceHash: network.traceHash,
  };

  async function putAndGet(bytes: Uint8Array, label: string): Promise<FileOutcome> {
    const { needed, happy, total, segmentSizeBytes, waitForAll } = plan;
    try {
      const { capability } = await upload(sourceOfBytes(bytes), remotes, {
        clock: client.clock,
        random: random.fork(`upload ${label}`),
        needed,
        happy,
        total,
        segmentSizeBytes,
        waitForAll,
        convergence: plan.convergent ? new Uint8Array(32) : undefined,
      });
      const parts: Uint8Array[] = [];
      const options = { clock: client.clock, random: random.fork(`download ${label}`) };
      for await (const part of download(capability, remotes, options)) parts.push(part);
      const identical = Buffer.compare(concatBytes(parts), bytes) === 0;
      return { sizeBytes: bytes.length, identical, error: undefined };
    } catch (error) {
      return { sizeBytes: bytes.length, identical: false, error };
    }
  }
}

/** Longer than any of it takes; more is a hang. */
const LIMIT_MS = 3_600_000;
