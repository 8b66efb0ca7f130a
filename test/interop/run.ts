// `npm run interop`: ours and Tahoe-LAFS's clients and servers, each with each, on one machine. A line for each step;
// `--json`: a line of JSON for each, and a summary. A machine on which Tahoe-LAFS cannot be had skips all of it, and says
// so; with `--require` that is a failure. Needs Python 3 with venv, and PyPI the first time.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { base32Decode } from '../../src/base/base32.ts';
import { removeAtExit } from '../../src/cli/cleanup.ts';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { assertHealthy, assertSame } from './assertions.ts';
import * as corners from './corners.ts';
import { get, gridFileOf, nevermind, OurProcess, put, serversFileOf, succeed } from './ours.ts';
import { corruptShare, createClient, ENCODING, findTahoe, freePort, NoTahoe, TahoeGrid } from './tahoe.ts';

const { values: flags } = parseArgs({
  options: { json: { type: 'boolean', default: false }, require: { type: 'boolean', default: false } },
});

const SERVERS = 5;
const { total } = ENCODING;
/** Ends in the middle of its fourth segment. */
const FILE_BYTES = 3_500_000;

const cleanUp: (() => Promise<void>)[] = [];
let steps = 0;

async function main(): Promise<void> {
  const startedAtMs = performance.now();
  const tahoe = await findTahoe((text) => flags.json || console.log(text));
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-interop-'));
  const kept = removeAtExit(folder);
  cleanUp.push(() => kept.removeNow());

  const grid = await step(`a grid of Tahoe-LAFS: an introducer, ${SERVERS} servers, a client`, async () => {
    const started = await TahoeGrid.start(tahoe, join(folder, ''), SERVERS);
    cleanUp.push(() => started.stop());
    return started;
  });
  const gridFile = await grid.gridFile();
  const ourFile = randomBytes(FILE_BYTES);
  const theirFile = randomBytes(FILE_BYTES);

  const ours = await step('put by us, got by Tahoe-LAFS', async () => {
    const capability = await put(ourFile, gridFile);
    assertSame(await grid.client.get(capability), ourFile);
    return capability;
  });
  const theirs = await step('put by Tahoe-LAFS, got by us', async () => {
    const capability = await grid.client.put(theirFile);
    assertSame(await get(capability, gridFile), theirFile);
    return capability;
  });
  await step('the same capability for the same file and secret', async () => {
    const secret = Buffer.from(base32Decode(await grid.client.text('private', 'convergence'))!);
    const convergence = ['--convergence', secret.toString('base64')];
    const computed = await succeed(['cap', '-', '--needed', '3', '--total', '5', ...convergence], theirFile);
    assert.equal(String(computed).trim(), theirs);
    // Every share is there already.
    assert.equal(await put(theirFile, gridFile, convergence), theirs);
  });
  await step('our shares are healthy by Tahoe-LAFS’s check with verification', async () => {
    assertHealthy(await grid.client.check(ours, true));
  });
  await step(
    'Tahoe-LAFS’s shares are healthy by our check, with leases, and by our verification',
    async () => {
      await succeed(['check', theirs, '--add-lease', '--grid', gridFile]);
      await succeed(['verify', theirs, '--grid', gridFile]);
    },
  );
  await step('files of awkward sizes: put by each, got by the other, with one capability', () =>
    corners.sizes(grid.client, gridFile),
  );
  await step('1 of 1, 2 of 3 and 20 of 30 shares, put by us: got and verified by Tahoe-LAFS', () =>
    corners.encodings(grid.client, gridFile),
  );
  await step('the verifier of a file of Tahoe-LAFS’s is enough for our check, verify and repair', () =>
    corners.verifier(theirs, gridFile),
  );
  await step(
    'a share that “tahoe debug corrupt-share” damaged is found, and the file read all the same',
    async () => {
      const [damaged] = await shareFiles(grid, theirs, gridFile);
      await corruptShare(tahoe, damaged!);
      const verified = await nevermind(['verify', theirs, '--grid', gridFile]);
      assert.equal(verified.exitCode, EXIT.partial, `${verified.stdout}`);
      assert.match(String(verified.stdout), /corrupt: share \d at pb:/);
      const health = await grid.client.check(theirs, true);
      assert.deepEqual([health['count-shares-good'], health['count-corrupt-shares']], [total - 1, 1]);
      assertSame(await get(theirs, gridFile), theirFile);
      await corners.advised(damaged!);
    },
  );
  await step('it is repaired by us, and Tahoe-LAFS counts every share as good', async () => {
    await succeed(['repair', theirs, '--grid', gridFile]);
    assert.equal((await grid.client.check(theirs, true))['count-shares-good'], total);
    assertSame(await grid.client.get(theirs), theirFile);
  });
  await step(
    'shares that are gone are made again by us, and healthy by Tahoe-LAFS’s verification',
    async () => {
      const files = await shareFiles(grid, ours, gridFile);
      for (const file of files.slice(0, 2)) await rm(file);
      assert.equal((await grid.client.check(ours, true))['count-shares-good'], total - 2);
      await succeed(['repair', ours, '--grid', gridFile]);
      assertHealthy(await grid.client.check(ours, true));
    },
  );
  await step(
    'shares of ours that are gone are made again by Tahoe-LAFS, and healthy by our verification',
    async () => {
      const [gone] = await shareFiles(grid, ours, gridFile);
      await rm(gone!);
      await grid.client.repair(ours);
      await succeed(['verify', ours, '--grid', gridFile]);
    },
  );

  const nodes = await step(`${SERVERS} of our nodes, with ports for Tahoe-LAFS`, async () =>
    startNodes(join(folder, 'nodes')),
  );
  const ourGridFile = join(folder, 'nodes.yaml');
  await writeFile(ourGridFile, gridFileOf(nodes.map(({ running }) => running.addresses[0]!)));
  const bob = await createClient(tahoe, join(folder, 'bob'));
  const serversFile = join(bob.folder, 'private', 'servers.yaml');
  await writeFile(serversFile, serversFileOf(nodes.map(({ running }) => running.addresses[1]!)));
  const bobs = await step('our nodes, used by a client of Tahoe-LAFS: put, got, verified', async () => {
    cleanUp.push(() => bob.stop());
    bob.start();
    await bob.connected(SERVERS);
    const capability = await bob.put(theirFile);
    assertSame(await bob.get(capability), theirFile);
    assertHealthy(await bob.check(capability, true));
    return capability;
  });
  await step('the same file, got and verified by us: over datagrams, and over HTTP', async () => {
    for (const file of [ourGridFile, serversFile]) {
      assertSame(await get(bobs, file), theirFile);
      await succeed(['verify', bobs, '--grid', file]);
    }
  });
  await step('put by us over datagrams to our nodes, got by Tahoe-LAFS over HTTP', async () => {
    const capability = await put(ourFile, ourGridFile);
    assertSame(await bob.get(capability), ourFile);
    assertHealthy(await bob.check(capability, true));
  });
  await step(
    'leases that each of them gave to one share of our nodes, read by “tahoe debug dump-share”',
    () =>
      corners.leases(tahoe, bob, bobs, {
        gridFile: ourGridFile,
        folders: nodes.map(({ dir }) => join(dir, 'storage')),
      }),
  );
  await step('Tahoe-LAFS’s servers behind gateways: put and got by us, got by Tahoe-LAFS', async () => {
    const { servers } = await readGrid(gridFile);
    const gateways = await Promise.all(
      servers.map(({ address }) => started(['gateway', '--server', address], 1)),
    );
    const gatewayFile = join(folder, 'gateways.yaml');
    await writeFile(gatewayFile, gridFileOf(gateways.map(({ addresses }) => addresses[0]!)));
    const capability = await put(ourFile, gatewayFile);
    assertSame(await get(capability, gatewayFile), ourFile);
    await succeed(['verify', capability, '--grid', gatewayFile]);
    assertSame(await grid.client.get(capability), ourFile);
    assertHealthy(await grid.client.check(capability, true));
    await corners.whileStopped(grid.servers[0]!.daemon, async () => {
      assertSame(await get(capability, gatewayFile), ourFile);
    });
  });
  await step('folders swapped: their servers serve our nodes’ shares, our nodes theirs', async () => {
    await Promise.all([
      ...grid.servers.map((server) => server.stop()),
      ...nodes.map((node) => node.running.daemon.stop()),
    ]);
    for (const [i, node] of nodes.entries()) {
      const [one, other] = [join(node.dir, 'storage'), join(grid.servers[i]!.folder, 'storage')];
      await rename(one, `${one}.aside`);
      await rename(other, one);
      await rename(`${one}.aside`, other);
    }
    await corners.makeReadOnly(grid.servers[0]!);
    for (const server of grid.servers) server.start();
    const again = await Promise.all(
      nodes.map((node, i) => started(i === 0 ? [...node.args, '--read-only'] : node.args, 2)),
    );
    await writeFile(ourGridFile, gridFileOf(again.map(({ addresses }) => addresses[0]!)));
    await grid.client.connected(SERVERS);
    await bob.connected(SERVERS);
    assertSame(await grid.client.get(bobs), theirFile);
    assertHealthy(await grid.client.check(bobs, true));
    assertSame(await get(ours, ourGridFile), ourFile);
    await succeed(['verify', ours, '--grid', ourGridFile]);
    assertSame(await bob.get(ours), ourFile);
    assertHealthy(await bob.check(ours, true));
  });
  await step('one server of each is read-only: the others take the shares', () =>
    corners.readOnly(
      [
        { client: grid.client, gridFile },
        { client: bob, gridFile: ourGridFile },
      ],
      [grid.servers[0]!.folder, nodes[0]!.dir].map((folder) => join(folder, 'storage')),
    ),
  );

  const elapsedMs = Math.round(performance.now() - startedAtMs);
  if (flags.json) console.log(JSON.stringify({ type: 'summary', version: 1, ok: true, steps, elapsedMs }));
  else console.log(`\n${steps} steps, all as they should be, in ${(elapsedMs / 1000).toFixed(0)} s`);
}

interface OurNode {
  readonly dir: string;
  readonly args: readonly string[];
  readonly running: OurProcess;
}

function startNodes(folder: string): Promise<OurNode[]> {
  const starts = Array.from({ length: SERVERS }, async (_, i): Promise<OurNode> => {
    const dir = join(folder, `n${i + 1}`);
    // The port is part of the address that Tahoe-LAFS's client keeps.
    const args = ['node', '--dir', dir, '--http', String(await freePort())];
    return { dir, args, running: await started(args, 2) };
  });
  return Promise.all(starts);
}

async function started(args: readonly string[], lines: number): Promise<OurProcess> {
  const running = await OurProcess.start(args, lines);
  cleanUp.push(() => running.daemon.stop());
  return running;
}

async function readGrid(
  path: string,
): Promise<{ readonly servers: readonly { readonly address: string }[] }> {
  const { loadGrid } = await import('../../src/cli/grid-file.ts');
  return loadGrid(path, {});
}

/** Where the servers keep the shares of a file. */
async function shareFiles(grid: TahoeGrid, capability: string, gridFile: string): Promise<string[]> {
  const lines = String(await succeed(['check', capability, '--json', '--grid', gridFile]))
    .trim()
    .split('\n');
  const { storageIndex } = JSON.parse(lines.at(-1)!) as { storageIndex: string };
  const files: string[] = [];
  for (const server of grid.servers) {
    const shares = join(server.folder, 'storage', 'shares', storageIndex.slice(0, 2), storageIndex);
    for (const name of await readdir(shares).catch(() => [])) files.push(join(shares, name));
  }
  assert.equal(files.length, total, 'every share is at one server');
  return files;
}

async function step<T>(name: string, body: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const tell = (ok: boolean): void => {
    const elapsedMs = Math.round(performance.now() - startedAtMs);
    if (flags.json) console.log(JSON.stringify({ type: 'step', version: 1, name, ok, elapsedMs }));
    else console.log(`${ok ? 'ok  ' : 'FAIL'} ${(elapsedMs / 1000).toFixed(1).padStart(5)} s  ${name}`);
  };
  try {
    const result = await body();
    steps++;
    tell(true);
    return result;
  } catch (error) {
    tell(false);
    throw error;
  }
}

try {
  await main();
} catch (error) {
  if (error instanceof NoTahoe && !flags.require) {
    const reason = `${error.message}. Nothing was tested against Tahoe-LAFS.`;
    if (flags.json) console.log(JSON.stringify({ type: 'summary', version: 1, ok: true, skipped: reason }));
    else console.log(`skipped: ${reason}`);
  } else {
    console.error(error);
    const message = error instanceof Error ? error.message : String(error);
    if (flags.json)
      console.log(JSON.stringify({ type: 'summary', version: 1, ok: false, steps, error: message }));
    process.exitCode = 1;
  }
} finally {
  for (const undo of cleanUp.reverse()) await undo().catch(console.error);
}
