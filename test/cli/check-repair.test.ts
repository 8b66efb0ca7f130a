// check, verify and repair on the command line, over nodes in this process: words, JSON and exit codes.

import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { createEndpoint } from '../../src/datagram/create-endpoint.ts';
import { DiskStorageServer } from '../../src/storage/disk-server.ts';
import { serveStorage } from '../../src/storage/rpc-methods.ts';
import { fakeIo, run, testFolder } from './cli-fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Servers on folders of their own, a grid file, and a file on them. */
async function gridWithFile(servers = 5) {
  const folder = await testFolder();
  const addresses: string[] = [];
  for (let i = 0; i < servers; i++) {
    const transport = await createEndpoint();
    onTestFinished(() => transport.close());
    const { clock } = transport;
    const storage = join(folder, `node-${i}`);
    const server = await DiskStorageServer.open({ folder: storage, clock, unixSeconds: () => 1_700_000_000 });
    onTestFinished(() => server.stop());
    serveStorage(transport, server);
    addresses.push(transport.address);
  }
  const grid = join(folder, 'grid.yaml');
  await writeFile(grid, JSON.stringify({ servers: addresses }));
  const path = join(folder, 'file');
  await writeFile(path, randomBytes(50_000));
  const io = fakeIo();
  const put = await run(['put', path, '--grid', grid, '--happy', '3', '--needed', '2', '--total', '5'], io);
  expect(put.stderr).toBe('');
  return { folder, grid, capability: put.stdout.trimEnd(), addresses };
}

/** Paths of the files of shares. */
async function shareFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const shares = names.filter((name) => /shares\/\w\w\/\w{26}\/\d+$/.test(name));
  return shares.map((name) => join(folder, name)).sort();
}

async function damage(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[500]! ^= 1;
  await writeFile(path, bytes);
}

function summaryOf(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
}

describe('a file that is looked after', () => {
  test('is healthy, then damaged and short of a share, then repaired', async () => {
    const { folder, grid, capability } = await gridWithFile();
    const look = (verb: string, ...more: string[]) => run([verb, capability, '--grid', grid, ...more]);
    expect(await look('check')).toEqual({
      exitCode: EXIT.ok,
      stdout: 'healthy: 5 of 5 shares (2 needed) on 5 servers, happiness 5\n',
      stderr: '',
    });
    const files = await shareFiles(folder);
    expect(files).toHaveLength(5);
    await rm(files[0]!);
    await damage(files[1]!);

    const checked = await look('check', '--json');
    expect(checked.exitCode).toBe(EXIT.partial);
    expect(summaryOf(checked.stdout)).toMatchObject({ ok: false, exitCode: 7, sharesFound: 4, corrupt: [] });

    const verified = await look('verify');
    expect(verified.exitCode).toBe(EXIT.partial);
    expect(verified.stdout).toMatch(/^not healthy, can be read and repaired: 3 of 5 shares \(2 needed\)/);
    expect(verified.stdout).toMatch(
      /\n {2}missing: \d, \d\n {2}corrupt: share \d at nm:\S+: its block of segment 0/,
    );
    const advisories = (await readdir(folder, { recursive: true })).filter((name) =>
      /--\w{26}-\d$/.test(name),
    );
    expect(advisories).toHaveLength(1);

    const repaired = await look('repair', '--json');
    expect(repaired.exitCode).toBe(EXIT.ok);
    expect(summaryOf(repaired.stdout)).toMatchObject({
      ok: true,
      before: { sharesFound: 3, corrupt: [{}] },
      after: { healthy: true, sharesFound: 5 },
      written: [{}, {}],
    });
    // The damaged share stays where it was, and is named; the file is whole without it.
    const after = await look('verify');
    expect(after.exitCode).toBe(EXIT.ok);
    expect(after.stdout).toMatch(/^healthy: 5 of 5 shares/);
    expect((await look('repair')).stdout).toMatch(/^nothing to repair; healthy/);
  });

  test('and cannot be read any more ends with the code that get would give', async () => {
    const { folder, grid, capability } = await gridWithFile();
    const files = await shareFiles(folder);
    for (const file of files.slice(0, 4)) await damage(file);
    const look = (verb: string) => run([verb, capability, '--grid', grid]);
    expect((await look('verify')).exitCode).toBe(EXIT.corrupt);
    expect((await look('repair')).exitCode).toBe(EXIT.corrupt);
    for (const file of files.slice(0, 4)) await rm(file);
    expect((await look('check')).exitCode).toBe(EXIT.notEnoughShares);
    await rm(files[4]!);
    expect((await look('check')).exitCode).toBe(EXIT.notFound);
    expect((await look('repair')).exitCode).toBe(EXIT.notFound);
  });

  test('gets leases from put, and with --add-lease from a secret that is kept', async () => {
    const { folder, grid, capability } = await gridWithFile();
    const [share] = await shareFiles(folder);
    const size = (await stat(share!)).size;
    const home = await testFolder();
    const again = async () =>
      run(['check', capability, '--grid', grid, '--add-lease', '--json'], fakeIo({ env: { HOME: home } }));
    expect(summaryOf((await again()).stdout)).toMatchObject({ leases: [{}, {}, {}, {}, {}] });
    expect((await stat(join(home, '.config/nevermind/lease-secret'))).mode & 0o777).toBe(0o600);
    // The lease of the put is one, and that of both checks, which share a secret, another.
    await again();
    expect((await stat(share!)).size).toBe(size + 72);
    expect((await readFile(share!)).readUInt32BE(8)).toBe(2);
  });

  test('is nowhere but in its capability', async () => {
    for (const verb of ['check', 'verify', 'repair']) {
      const { exitCode, stdout } = await run([verb, 'URI:LIT:mfrgg']);
      expect(exitCode).toBe(EXIT.ok);
      expect(stdout).toContain('healthy: the file is in its capability');
    }
    expect((await run(['check', 'URI:SSK:a:b'])).exitCode).toBe(EXIT.usage);
  });
});
