// The command line against real nodes: each a process of its own, reached over UDP.

import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { fakeIo, finished, firstLineOf, killed, run, spawnCli, testFolder } from './cli-fixture.ts';

const NODES = 3;
const ENCODING = ['--needed', '2', '--happy', '3', '--total', '3'];
const SEGMENT_SIZE_BYTES = 1024;

let folder: string;
let gridFile: string;
let nodes: readonly ChildProcess[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nevermind-test-'));
  const numbers = Array.from({ length: NODES }, (_, index) => index);
  nodes = numbers.map((number) =>
    spawnCli(['node', '--dir', join(folder, `node-${number}`)], { atEnd: () => {} }),
  );
  const addresses = await Promise.all(nodes.map(firstLineOf));
  gridFile = await writeGrid('grid.yaml', addresses);
}, 60_000);

afterAll(async () => {
  await Promise.all(nodes.map(killed));
  await rm(folder, { recursive: true });
});

async function writeGrid(name: string, addresses: readonly string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify({ servers: addresses }));
  return path;
}

/** Puts what is in a file, or standard input; gives the capability. */
async function put(file: string, stdin: Iterable<Uint8Array> = []): Promise<string> {
  const args = [
    'put',
    '--grid',
    gridFile,
    ...ENCODING,
    '--segment-size',
    String(SEGMENT_SIZE_BYTES),
    '--',
    file,
  ];
  const { exitCode, stdout, stderr } = await run(args, fakeIo({ stdin }));
  expect(stderr).toBe('');
  expect(exitCode).toBe(EXIT.ok);
  expect(stdout).toMatch(/^URI:(CHK|LIT):[^\n]*\n$/);
  return stdout.trimEnd();
}

async function getBytes(capability: string): Promise<Buffer> {
  const io = fakeIo();
  const { exitCode, stderr } = await run(['get', capability, '--grid', gridFile], io);
  expect(stderr).toBe('');
  expect(exitCode).toBe(EXIT.ok);
  return io.stdout.bytes;
}

/** Stops nodes for the length of a test. */
function freeze(count: number): void {
  const frozen = nodes.slice(0, count);
  for (const node of frozen) node.kill('SIGSTOP');
  onTestFinished(() => {
    for (const node of frozen) node.kill('SIGCONT');
  });
}

/** Processes are started, on a machine that may be busy with others. */
vi.setConfig({ testTimeout: 60_000 });

describe('a file that is put comes back', () => {
  test.each([0, 1, 55, 56, SEGMENT_SIZE_BYTES - 1, SEGMENT_SIZE_BYTES, SEGMENT_SIZE_BYTES + 2, 20_000])(
    'with %d bytes',
    async (size) => {
      const path = join(await testFolder(), 'file');
      const content = randomBytes(size);
      await writeFile(path, content);
      const capability = await put(path);
      expect(capability.startsWith('URI:LIT:')).toBe(size <= 55);
      expect((await getBytes(capability)).equals(content)).toBe(true);
    },
  );

  test.each(['two words', 'Grüße ☃', '-rf', '--', '-', 'line\nbreak', "it's", '$(date)', '*'])(
    'when it is called %j, from and to the current folder',
    async (name) => {
      const from = await testFolder();
      const to = await testFolder();
      const content = randomBytes(100);
      await writeFile(join(from, name), content);
      const before = process.cwd();
      onTestFinished(() => process.chdir(before));
      process.chdir(from);
      // A file that is really called "-" is reached as "./-"; without the path it is standard input or output.
      const argument = name === '-' ? './-' : name;
      const capability = await put(argument);
      process.chdir(to);
      const { exitCode } = await run(['get', '--grid', gridFile, '-o', argument, capability]);
      expect(exitCode).toBe(EXIT.ok);
      expect(await readdir(to)).toEqual([name]);
      expect((await readFile(join(to, name))).equals(content)).toBe(true);
    },
  );

  test('from standard input of unknown length', async () => {
    const chunks = Array.from({ length: 20 }, (_, index) => randomBytes(index * 100));
    const capability = await put('-', chunks);
    expect((await getBytes(capability)).equals(Buffer.concat(chunks))).toBe(true);
  });

  test('through real pipes, from process to process', async () => {
    const content = randomBytes(300_000);
    const putting = spawnCli(['put', '-', '--grid', gridFile, ...ENCODING]);
    putting.stdin!.end(content);
    const { exitCode, stdout } = await finished(putting);
    expect(exitCode).toBe(EXIT.ok);

    const getting = spawnCli(['get', stdout.trimEnd()], { env: { NEVERMIND_GRID: gridFile } });
    const received: Buffer[] = [];
    for await (const chunk of getting.stdout!) received.push(chunk as Buffer);
    expect(Buffer.concat(received).equals(content)).toBe(true);
  });

  test('while one of its nodes is silent', async () => {
    const path = join(await testFolder(), 'file');
    const content = randomBytes(50_000);
    await writeFile(path, content);
    const capability = await put(path);
    freeze(1);
    expect((await getBytes(capability)).equals(content)).toBe(true);
  });
});

test('JSON lines end with a summary that has the capability', async () => {
  const path = join(await testFolder(), 'file');
  await writeFile(path, randomBytes(5000));
  const { stdout } = await run(['put', path, '--grid', gridFile, ...ENCODING, '--json']);
  const lines = stdout.trimEnd().split('\n');
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ type: expect.any(String), version: 1 });
  const summary = JSON.parse(lines.at(-1)!) as { capability: string };
  expect(summary).toMatchObject({ type: 'summary', ok: true, fileBytes: 5000, happiness: 3 });
  const got = await run(['get', summary.capability, '--grid', gridFile, '--json', '-o', `${path}.back`]);
  expect(JSON.parse(got.stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({
    type: 'summary',
    ok: true,
    fileBytes: 5000,
    corruptShares: [],
  });
});

test('a convergence secret makes the capability that "cap" foretells', async () => {
  const path = join(await testFolder(), 'file');
  await writeFile(path, randomBytes(5000));
  const secret = ['--convergence', 'c2VjcmV0'];
  const encoding = ['--needed', '2', '--total', '3'];
  const foretold = await run(['cap', path, ...encoding, ...secret]);
  const given = await run(['put', path, '--grid', gridFile, ...ENCODING, ...secret]);
  expect(given.stdout).toBe(foretold.stdout);
  const again = await run(['put', path, '--grid', gridFile, ...ENCODING, ...secret]);
  expect(again.stdout).toBe(foretold.stdout);
});

describe('what cannot be done is told apart by the exit code', () => {
  test('no server has the file: 3', async () => {
    const unknown = `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:2:3:1000`;
    const { exitCode, stdout, stderr } = await run(['get', unknown, '--grid', gridFile]);
    expect(exitCode).toBe(EXIT.notFound);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^nevermind get: .*after \d/);
  });

  test('too few shares can be read: 4, naming the silent nodes, and no file appears', async () => {
    const out = await testFolder();
    const source = join(await testFolder(), 'file');
    await writeFile(source, randomBytes(5000));
    const capability = await put(source);
    freeze(2);
    const { exitCode, stderr } = await run(['get', capability, '--grid', gridFile, '-o', join(out, 'file')]);
    expect(exitCode).toBe(EXIT.notEnoughShares);
    expect(stderr).toContain('nm://127.0.0.1:');
    expect(await readdir(out)).toEqual([]);
  });

  test('too few servers take shares: 5', async () => {
    const source = join(await testFolder(), 'file');
    await writeFile(source, randomBytes(5000));
    const { exitCode, stdout, stderr } = await run(['put', source, '--grid', gridFile]);
    expect(exitCode).toBe(EXIT.tooFewServers);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/3 of the 7 servers/);
  });

  test('every share is damaged: 6', async () => {
    const source = join(await testFolder(), 'file');
    await writeFile(source, randomBytes(5000));
    const capability = await put(source);
    for (const share of await shareFiles()) await damage(share);
    const { exitCode, stderr } = await run(['get', capability, '--grid', gridFile]);
    expect(exitCode).toBe(EXIT.corrupt);
    expect(stderr).not.toBe('');
  });
});

/** The share files of all nodes, those of the newest file last. */
async function shareFiles(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.parentPath.includes('shares') && /^\d+$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Turns a bit in each byte of the blocks, behind the container's header and the share's own. */
async function damage(share: string): Promise<void> {
  const bytes = await readFile(share);
  for (let at = 12 + 0x24; at < Math.min(bytes.length, 12 + 0x24 + 64); at++) bytes[at]! ^= 1;
  await writeFile(share, bytes);
}

test('an output that nobody reads to its end is no drama', async () => {
  const source = join(await testFolder(), 'file');
  await writeFile(source, randomBytes(2_000_000));
  const { stdout } = await run(['put', source, '--grid', gridFile, ...ENCODING]);
  const getting = spawnCli(['get', stdout.trimEnd(), '--grid', gridFile]);
  getting.stdout!.once('data', () => getting.stdout!.destroy());
  const [complaints] = await Promise.all([text(getting.stderr!), once(getting, 'exit')]);
  expect(getting.exitCode).toBe(EXIT.outputClosed);
  expect(complaints).toBe('');
});

test('an interrupted get leaves with 130 also when nobody takes what it has written', async () => {
  const source = join(await testFolder(), 'file');
  await writeFile(source, randomBytes(4_000_000));
  const { stdout } = await run(['put', source, '--grid', gridFile, ...ENCODING]);
  const getting = spawnCli(['get', stdout.trimEnd(), '--grid', gridFile, '--json']);
  for await (const line of getting.stderr!) if (String(line).includes('"reading"')) break;
  const gone = once(getting, 'exit');
  getting.kill('SIGINT');
  await gone;
  expect(getting.exitCode).toBe(EXIT.interrupted);
});

test('an interrupted put leaves with 130, says how to go on, and leaves no temporary file', async () => {
  const temporary = join(await testFolder(), 'tmp');
  await mkdir(temporary);
  const putting = spawnCli(['put', '-', '--grid', gridFile, ...ENCODING, '--json'], {
    env: { TMPDIR: temporary },
  });
  putting.stdin!.write('the beginning of something long');
  // The first line of JSON tells that it has begun to read.
  expect(JSON.parse(await firstLineOf(putting))).toMatchObject({ stage: 'reading' });
  putting.kill('SIGINT');
  const { exitCode, stdout, stderr } = await finished(putting);
  expect(exitCode).toBe(EXIT.interrupted);
  expect(stderr).toMatch(/stopped by SIGINT[\s\S]*next: .*run the same command again/);
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ type: 'summary', ok: false });
  expect((await readdir(temporary)).filter((name) => name.startsWith('nevermind'))).toEqual([]);
});
