// The demonstration itself, with as few nodes as it takes and a small file.

import { type ChildProcess, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { finished, spawnCli, testFolder } from './cli-fixture.ts';

/** Five processes are started for each test, on a machine that may be busy with others. */
vi.setConfig({ testTimeout: 120_000 });

/** A folder for the demonstration's own files: what is left in it was left behind. */
async function temporaryFolder(): Promise<string> {
  const folder = join(await testFolder(), 'tmp');
  await mkdir(folder);
  return folder;
}

async function startDemo(temporary: string, content: Buffer = Buffer.alloc(300_000)): Promise<ChildProcess> {
  const file = join(await testFolder(), 'file');
  await writeFile(file, content);
  return spawnCli(['demo', '--nodes', '5', '--silent', '0', '--file', file, '--json'], {
    env: { TMPDIR: temporary },
  });
}

/** Command lines of processes that name a folder. */
async function processesNaming(folder: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'stat=,args=', '-ww'], { maxBuffer: 2 ** 24 });
  return stdout.split('\n').filter((line) => line.includes(folder) && !line.startsWith('Z'));
}

async function leftBehind(folder: string): Promise<{ files: string[]; processes: string[] }> {
  const files = (await readdir(folder)).filter((name) => name.startsWith('nevermind'));
  return { files, processes: await processesNaming(folder) };
}

test('every byte comes back, the summary says how long it took, and nothing is left behind', async () => {
  const temporary = await temporaryFolder();
  const content = Buffer.alloc(300_000, 'demonstration');
  const demo = await startDemo(temporary, content);
  const { exitCode, stdout, stderr } = await finished(demo);
  expect(stderr).toBe('');
  expect(exitCode).toBe(EXIT.ok);
  const lines = stdout.trimEnd().split('\n');
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ version: 1 });
  const ms = expect.any(Number) as number;
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({
    type: 'summary',
    version: 1,
    ok: true,
    fileBytes: content.length,
    putMs: ms,
    healthyGetMs: ms,
    silentGetMs: ms,
    lostMidwayGetMs: ms,
    putWithLossMs: ms,
    sha256: createHash('sha256').update(content).digest('hex'),
  });
  const lost = lines.map((line) => (JSON.parse(line) as { lost?: string[] }).lost ?? []);
  expect(lost.flat()).toHaveLength(2);
  expect(await leftBehind(temporary)).toEqual({ files: [], processes: [] });
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  'stopped by %s in the middle, it takes its nodes and its files with it',
  async (signal) => {
    const temporary = await temporaryFolder();
    const demo = await startDemo(temporary);
    // One node is stopped already, and does not hear any signal but SIGKILL.
    for await (const chunk of demo.stdout!.iterator({ destroyOnReturn: false })) {
      if (String(chunk).includes('put with 2 silent')) break;
    }
    expect((await processesNaming(temporary)).length).toBeGreaterThan(0);
    demo.kill(signal);
    demo.stdout!.resume();
    await once(demo, 'exit');
    expect(demo.exitCode).toBe(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated);
    expect(await leftBehind(temporary)).toEqual({ files: [], processes: [] });
  },
);

test('a second signal ends it at once, and still nothing is left behind', async () => {
  const temporary = await temporaryFolder();
  const demo = await startDemo(temporary);
  for await (const chunk of demo.stdout!.iterator({ destroyOnReturn: false })) {
    if (String(chunk).includes('"stage":"put"')) break;
  }
  demo.stdout!.resume();
  demo.kill('SIGINT');
  demo.kill('SIGTERM');
  await once(demo, 'exit');
  // Which of the two arrives first is the system's business; both are a stop.
  expect([EXIT.interrupted, EXIT.terminated]).toContain(demo.exitCode);
  // Killed it has them; it does not wait for them to be gone.
  await expect.poll(() => leftBehind(temporary), { timeout: 30_000 }).toEqual({ files: [], processes: [] });
});
