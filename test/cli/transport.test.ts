import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { type FakeIo, fakeIo, run, testFolder } from './cli-fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

const ENCODING = ['--needed', '2', '--happy', '3', '--total', '3'];

describe.each(['udp', 'tcp'])('--transport %s', (kind) => {
  test('carries a put and a get between nodes and client', async () => {
    const { folder, gridFile } = await startGrid(kind);
    const content = randomBytes(300_000);
    const file = join(folder, 'file');
    await writeFile(file, content);
    const put = await run(['put', file, '--grid', gridFile, '--transport', kind, ...ENCODING]);
    expect(put).toMatchObject({ exitCode: EXIT.ok, stderr: '' });
    const io = fakeIo();
    const get = await run(['get', put.stdout.trim(), '--grid', gridFile, '--transport', kind], io);
    expect(get).toMatchObject({ exitCode: EXIT.ok, stderr: '' });
    expect(Buffer.compare(io.stdout.bytes, content)).toBe(0);
  });

  test('does not reach nodes of the other one, and says so', async () => {
    const { folder, gridFile } = await startGrid(kind);
    const file = join(folder, 'file');
    await writeFile(file, randomBytes(1000));
    const other = kind === 'tcp' ? 'udp' : 'tcp';
    const put = await run(['put', file, '--grid', gridFile, '--transport', other, ...ENCODING]);
    expect(put.exitCode).toBe(EXIT.tooFewServers);
    expect(put.stderr).toContain('does not run: nobody listens at its port');
  });
});

test('any other --transport is refused', async () => {
  const { exitCode, stderr } = await run(['get', 'URI:LIT:', '--transport', 'carrier-pigeon']);
  expect(exitCode).toBe(EXIT.usage);
  expect(stderr).toContain('Allowed choices are udp, tcp.');
});

/** Three nodes in this process, and the file that names them; they stop with the test. */
async function startGrid(kind: string): Promise<{ folder: string; gridFile: string }> {
  const folder = await testFolder();
  const addresses = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const io = fakeIo();
      const stopped = run(['node', '--dir', join(folder, name), '--transport', kind], io);
      onTestFinished(async () => {
        io.interrupt();
        expect((await stopped).exitCode).toBe(EXIT.ok);
      });
      return firstLine(io);
    }),
  );
  const gridFile = join(folder, 'grid.yaml');
  await writeFile(gridFile, JSON.stringify({ servers: addresses }));
  return { folder, gridFile };
}

async function firstLine(io: FakeIo): Promise<string> {
  await vi.waitFor(() => expect(io.stdout.text).toContain('\n'), { timeout: 30_000, interval: 10 });
  return io.stdout.text.trimEnd();
}
