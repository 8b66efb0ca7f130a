// Five storage servers, 3 of 5 shares, and one of them stopped (SIGSTOP: it vanishes without a word): what each operation
// takes then, beside what it takes when all answer. Ours over datagrams (our nodes), ours over HTTP (Tahoe-LAFS's own
// servers), and Tahoe-LAFS's own client (the same servers), in one run.
//
//   npm run bench -- silent-server [--runs 5] [--tahoe-runs 1] [--json] [--out FILE]
//
// Each operation of ours is made by a client that knows nothing yet: it opens its connections, and has learnt no times.
// Tahoe-LAFS's client keeps running, and is connected to every server when the operation begins.

import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { removeAtExit } from '../src/cli/cleanup.ts';
import { loadGrid } from '../src/cli/grid-file.ts';
import { connectGrid, type GridConnection } from '../src/cli/network.ts';
import { check } from '../src/grid/check.ts';
import { download } from '../src/grid/download.ts';
import { sourceOfBytes } from '../src/grid/source.ts';
import { upload } from '../src/grid/upload.ts';
import { verify } from '../src/grid/verify.ts';
import { gridFileOf, OurProcess } from '../test/interop/ours.ts';
import { type Daemon, ENCODING, findTahoe, type TahoeClient, TahoeGrid } from '../test/interop/tahoe.ts';
import { median, saveSummary, thisMachine } from './machine.ts';
import {
  inSeconds,
  type Operation,
  type Row,
  silentServerLabel,
  silentServerTable,
  silentWords,
} from './silent-server-figures.ts';

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    'tahoe-runs': { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});

const SERVERS = 5;
const SMALL_BYTES = 1_000_000;
const LARGE_BYTES = 24_000_000;
/** Tahoe-LAFS's own limits end before. */
const GIVE_UP_MS = 100_000;

const OPERATIONS: readonly Operation[] = ['upload 1 MB', 'read 1 MB', 'check', 'verify', 'read 24 MB'];

/** A client and its servers. */
interface System {
  readonly name: string;
  readonly runs: number;
  readonly servers: readonly Daemon[];
  /** Which server has share 0 of a file: the stopped one. */
  readonly holderOf: (capability: string) => Promise<number>;
  readonly upload: (bytes: Uint8Array) => Promise<string>;
  readonly read: (capability: string, onBytes?: (count: number) => void) => Promise<number>;
  readonly check: (capability: string) => Promise<void>;
  readonly verify: (capability: string) => Promise<void>;
  /** After a server was let go on: waits until it is there for this client. */
  readonly settle: () => Promise<void>;
}

const cleanUp: (() => Promise<unknown>)[] = [];

async function main(): Promise<void> {
  const machine = thisMachine();
  const say = (text: string): void => console.error(text);
  const tahoe = await findTahoe(say);
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-silent-'));
  const kept = removeAtExit(folder);
  cleanUp.push(() => kept.removeNow());
  say('starting Tahoe-LAFS and our nodes');
  const grid = await TahoeGrid.start(tahoe, folder, SERVERS);
  cleanUp.push(() => grid.stop());
  const nodes = await Promise.all(
    Array.from({ length: SERVERS }, (_, i) => OurProcess.start(['node', '--dir', join(folder, `n${i}`)], 1)),
  );
  cleanUp.push(() => Promise.all(nodes.map(({ daemon }) => daemon.stop())));
  const nodesFile = join(folder, 'nodes.yaml');
  await writeFile(nodesFile, gridFileOf(nodes.map(({ addresses }) => addresses[0]!)));
  const tahoeFile = await grid.gridFile();

  const tahoeServers = await inOrderOf(tahoeFile, grid);
  const runs = Number(flags.runs);
  const overHttp = ours('ours, over HTTP', tahoeFile, tahoeServers, runs);
  const systems = [
    ours(
      'ours, over datagrams',
      nodesFile,
      nodes.map(({ daemon }) => daemon),
      runs,
    ),
    overHttp,
    theirs(grid.client, tahoeServers, overHttp.holderOf, Number(flags['tahoe-runs'])),
  ];
  const results: Row[] = [];
  for (const system of systems) {
    if (system.runs === 0) continue;
    for await (const row of measure(system)) {
      results.push(row);
      say(
        `${row.system.padEnd(22)} ${silentServerLabel(row).padEnd(30)} ${inSeconds(row.healthyMs)} → ${silentWords(row)}`,
      );
    }
  }
  const summary = {
    type: 'summary',
    version: 1,
    suite: 'silent-server',
    machine,
    results,
  };
  if (!flags.json) console.log(silentServerTable(results));
  await saveSummary(summary, flags);
}

async function* measure(system: System): AsyncGenerator<Row, void, undefined> {
  const small = await system.upload(randomBytes(SMALL_BYTES));
  const large = await system.upload(randomBytes(LARGE_BYTES));
  const [smallHolder, largeHolder] = [await system.holderOf(small), await system.holderOf(large)];
  const bodies: Readonly<Record<Operation, () => Promise<unknown>>> = {
    'upload 1 MB': () => system.upload(randomBytes(SMALL_BYTES)),
    'read 1 MB': () => system.read(small),
    check: () => system.check(small),
    verify: () => system.verify(small),
    'read 24 MB': () => system.read(large),
  };
  for (const operation of OPERATIONS) {
    const healthyMs = median(await repeated(Math.max(3, system.runs), () => timed(bodies[operation]!)));
    const stopped = system.servers[operation === 'read 24 MB' ? largeHolder : smallHolder]!;
    const common = { system: system.name, operation, healthyMs };
    const before = await repeated(system.runs, async () => {
      stopped.freeze();
      return timed(bodies[operation]!).finally(() => thaw(system, stopped));
    });
    yield { ...common, stopped: 'before', ...outcomeOf(before) };
    if (operation !== 'read 24 MB') continue;
    const middle = await repeated(system.runs, () =>
      timed(() =>
        system.read(large, (count) => {
          if (count >= LARGE_BYTES / 8) stopped.freeze();
        }),
      ).finally(() => thaw(system, stopped)),
    );
    yield { ...common, stopped: 'middle', ...outcomeOf(middle) };
  }
}

function outcomeOf(samples: readonly number[]): Pick<Row, 'silentMs' | 'failures'> {
  return {
    silentMs: median(samples),
    failures: samples.filter((sample) => sample === Number.POSITIVE_INFINITY).length,
  };
}

async function thaw(system: System, stopped: Daemon): Promise<void> {
  stopped.thaw();
  await system.settle();
}

async function repeated(times: number, body: () => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < times; i++) samples.push(await body());
  return samples;
}

/** Milliseconds; Infinity for what fails or takes too long. */
async function timed(body: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  const isDone = await Promise.race([
    body().then(
      () => true,
      () => false,
    ),
    new Promise<false>((resolve) => {
      setTimeout(resolve, GIVE_UP_MS, false).unref();
    }),
  ]);
  return isDone ? performance.now() - startedAtMs : Number.POSITIVE_INFINITY;
}

function ours(name: string, gridFile: string, servers: readonly Daemon[], runs: number): System {
  const connected = async <T>(body: (connection: GridConnection) => Promise<T>): Promise<T> => {
    await using connection = await connectGrid(await loadGrid(gridFile, {}), {});
    return await body(connection);
  };
  const optionsOf = ({ transport, random }: GridConnection) => ({
    clock: transport.clock,
    random,
    retries: transport.retries,
  });
  return {
    name,
    servers,
    runs,
    upload: (bytes) =>
      connected(async (connection) => {
        const options = { ...ENCODING, ...optionsOf(connection) };
        return (await upload(sourceOfBytes(bytes), connection.servers, options)).capability;
      }),
    read: (capability, onBytes) =>
      connected(async (connection) => {
        let count = 0;
        for await (const bytes of download(capability, connection.servers, optionsOf(connection))) {
          count += bytes.length;
          onBytes?.(count);
        }
        return count;
      }),
    check: (capability) =>
      connected(async (connection) => {
        const { recoverable } = await check(capability, connection.servers, optionsOf(connection));
        if (!recoverable) throw new Error('not recoverable');
      }),
    verify: (capability) =>
      connected(async (connection) => {
        const { recoverable } = await verify(capability, connection.servers, optionsOf(connection));
        if (!recoverable) throw new Error('not recoverable');
      }),
    holderOf: (capability) =>
      connected(async (connection) => {
        const { shares } = await check(capability, connection.servers, optionsOf(connection));
        const holder = shares.find(({ shareNumber }) => shareNumber === 0)?.serverName;
        return connection.servers.findIndex((server) => server.name === holder);
      }),
    settle: () =>
      connected(async (connection) => {
        await Promise.all(connection.servers.map((server) => server.version()));
      }),
  };
}

function theirs(
  client: TahoeClient,
  servers: readonly Daemon[],
  holderOf: System['holderOf'],
  runs: number,
): System {
  return {
    name: 'Tahoe-LAFS',
    servers,
    runs,
    holderOf,
    upload: (bytes) => client.put(bytes),
    read: async (capability, onBytes) => (await client.get(capability, onBytes)).length,
    check: async (capability) => void (await client.check(capability, false)),
    verify: async (capability) => void (await client.check(capability, true)),
    settle: async () => {
      await client.connected(SERVERS);
      // Whatever it still waits for from before has come by then.
      await client.put(randomBytes(SMALL_BYTES));
    },
  };
}

/** The processes of Tahoe-LAFS's servers, in the order in which the grid file has them. */
async function inOrderOf(gridFile: string, grid: TahoeGrid): Promise<Daemon[]> {
  const { servers } = await loadGrid(gridFile, {});
  const furls = await Promise.all(grid.servers.map((server) => server.text('private', 'storage.furl')));
  return servers.map(({ address }) => {
    const secret = /\/([^/#]+)#v=1$/.exec(address)![1]!;
    return grid.servers[furls.findIndex((furl) => furl.endsWith(`/${secret}`))]!.daemon;
  });
}

try {
  await main();
} finally {
  for (const undo of cleanUp.reverse()) await undo().catch(console.error);
}
// Connections that Tahoe-LAFS's client keeps to us would keep this process.
process.exit();
