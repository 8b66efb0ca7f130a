// --trace and --verbose against real nodes, one of which does not answer.

import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { printableAddress } from '../../src/transport/address.ts';
import { addressOfNobody } from '../transport/addresses.ts';
import { firstLineOf, run, spawnCli, testFolder } from './cli-fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

const ENCODING = ['--needed', '1', '--happy', '1', '--total', '2'];
const NODE_TRACE = 'node.sqlog';

async function records(
  path: string,
): Promise<{ name?: string; group_id?: string; data?: { outcome?: string } }[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\u001e')
    .slice(1)
    .map((record) => JSON.parse(record));
}

async function grid(folder: string, addresses: readonly string[]): Promise<string> {
  const path = join(folder, 'grid.yaml');
  await writeFile(path, JSON.stringify({ servers: addresses }));
  return path;
}

describe('a grid of one node', () => {
  let folder: string;
  let node: ChildProcess;
  let address: string;

  test('that is traced, as its client is: both wrote down the same calls', async () => {
    folder = await testFolder();
    node = spawnCli(['node', '--dir', join(folder, 'node'), '--trace', join(folder, NODE_TRACE)]);
    address = await firstLineOf(node);
    const file = join(folder, 'file');
    await writeFile(file, randomBytes(100_000));
    const trace = join(folder, 'put.sqlog');
    const args = ['put', file, '--grid', await grid(folder, [address]), ...ENCODING, '--trace', trace];
    expect(await run(args)).toMatchObject({ exitCode: EXIT.ok, stderr: '' });
    node.kill('SIGTERM');
    await new Promise((resolve) => node.once('close', resolve));

    const ofClient = await records(trace);
    const ofNode = await records(join(folder, NODE_TRACE));
    const answered = ofClient.filter(
      ({ name, data }) => name === 'nevermind:call_ended' && data?.outcome === 'answered',
    );
    expect(answered.length).toBeGreaterThan(2);
    expect(ofNode.filter(({ name }) => name === 'nevermind:request_started').length).toBe(answered.length);
    expect(new Set(ofClient.slice(1).map(({ group_id }) => group_id))).toEqual(
      new Set([printableAddress(address).replace('nm://', 'to ')]),
    );
  });
});

describe('a grid of which one node does not answer', () => {
  let living: ChildProcess;
  let frozen: ChildProcess;
  let addresses: readonly string[];
  let folder: string;
  const kill: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nevermind-test-'));
    const atEnd = (killNode: () => Promise<void>) => void kill.push(killNode);
    living = spawnCli(['node', '--dir', join(folder, 'a')], { atEnd });
    frozen = spawnCli(['node', '--dir', join(folder, 'b')], { atEnd });
    addresses = await Promise.all([living, frozen].map(firstLineOf));
    frozen.kill('SIGSTOP');
  }, 60_000);

  afterAll(async () => {
    await Promise.all(kill.map((killNode) => killNode()));
    await rm(folder, { recursive: true, force: true });
  });

  async function failingPut(
    ...more: string[]
  ): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const file = join(folder, 'file');
    await writeFile(file, randomBytes(50_000));
    return run(['put', file, '--grid', await grid(folder, addresses), ...ENCODING, '--happy', '2', ...more]);
  }

  test('--verbose explains, once, the calls to it', async () => {
    const { exitCode, stderr } = await failingPut('--verbose');
    expect(exitCode).toBe(EXIT.tooFewServers);
    expect(stderr).toContain('The peer counted as silent: it has never been heard');
    expect(stderr.match(new RegExp(`at ${printableAddress(addresses[1]!)} failed after`, 'g'))).toHaveLength(
      1,
    );
    const [failure, advice] = stderr.trimEnd().split('\n').slice(-2);
    expect(failure).toContain('nevermind put: only 1 of the 2 servers');
    expect(advice).toContain('  next: Start more storage servers');
  });

  test('--verbose --json tells of them in lines of their own', async () => {
    const { stdout } = await failingPut('--verbose', '--json');
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.filter(({ type }) => type === 'failedCall')).toEqual([
      expect.objectContaining({
        peer: printableAddress(addresses[1]!),
        code: 'PEER_SILENT',
        explanation: expect.stringContaining('acknowledged 0 bytes'),
        report: expect.objectContaining({ requestAckedBytes: 0 }),
      }),
    ]);
    expect(lines.at(-1)?.type).toBe('summary');
  });
});

test('--trace over TCP, and into a folder that is not there, is refused', async () => {
  const folder = await testFolder();
  const file = join(folder, 'file');
  await writeFile(file, randomBytes(1000));
  const args = ['put', file, '--grid', await grid(folder, [addressOfNobody('127.0.0.1', 1)]), ...ENCODING];
  const overTcp = await run([...args, '--transport', 'tcp', '--trace', join(folder, 'x')]);
  expect(overTcp.exitCode).toBe(EXIT.usage);
  expect(overTcp.stderr).toContain('--transport udp');
  const nowhere = await run([...args, '--trace', join(folder, 'no', 'x')]);
  expect(nowhere.exitCode).toBe(EXIT.other);
  expect(nowhere.stderr).toContain('no such file or folder');
});
