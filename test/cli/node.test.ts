import { once } from 'node:events';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { fakeIo, finished, firstLineOf, run, spawnCli, testFolder } from './cli-fixture.ts';

/** Processes are started, on a machine that may be busy with others. */
vi.setConfig({ testTimeout: 60_000 });

describe('a storage node', () => {
  test('prints its address first and nothing else, and stops cleanly when asked', async () => {
    const dir = join(await testFolder(), 'new', 'folder');
    const node = spawnCli(['node', '--dir', dir]);
    const address = await firstLineOf(node);
    expect(address).toMatch(/^nm:\/\/[\w-]{43}@127\.0\.0\.1:\d+\/\w+$/);
    expect(await readdir(dir)).toContain('node.lock');
    node.kill('SIGTERM');
    const { exitCode, stdout, stderr } = await finished(node);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: EXIT.ok, stdout: '', stderr: '' });
    expect((await readdir(dir)).sort()).toEqual(['node.key', 'node.swissnum', 'storage']);
  });

  test('keeps a second one out of its folder, but not after it was killed', async () => {
    const dir = await testFolder();
    const first = spawnCli(['node', '--dir', dir]);
    await firstLineOf(first);
    const second = await run(['node', '--dir', dir]);
    expect(second.exitCode).toBe(EXIT.other);
    expect(second.stdout).toBe('');
    expect(second.stderr).toContain(`process ${first.pid} holds it`);
    const gone = once(first, 'exit');
    first.kill('SIGKILL');
    await gone;
    expect(await readdir(dir)).toContain('node.lock');
    const io = fakeIo();
    const third = run(['node', '--dir', dir], io);
    while (!io.stdout.text.includes('\n')) await new Promise(setImmediate);
    io.interrupt();
    expect((await third).exitCode).toBe(EXIT.ok);
  });

  test('says which port is in use', async () => {
    const io = fakeIo();
    const first = run(['node', '--dir', await testFolder()], io);
    while (!io.stdout.text.includes('\n')) await new Promise(setImmediate);
    const port = /:(\d+)\//.exec(io.stdout.text)![1]!;
    const dir = await testFolder();
    const second = await run(['node', '--dir', dir, '--port', port]);
    expect(second.exitCode).toBe(EXIT.other);
    expect(second.stderr).toContain(`127.0.0.1:${port} is in use`);
    expect(second.stderr).toContain('--port');
    expect(await readdir(dir)).not.toContain('node.lock');
    io.interrupt();
    await first;
  });

  test('says which folder it cannot use', async () => {
    const folder = await testFolder();
    await writeFile(join(folder, 'file'), '');
    const { exitCode, stderr } = await run(['node', '--dir', join(folder, 'file')]);
    expect(exitCode).toBe(EXIT.other);
    expect(stderr).toContain(join(folder, 'file'));
    expect(stderr).toContain('--dir');
  });

  // Root may write anywhere.
  test.skipIf(process.getuid?.() === 0)('says that it may not write to its folder', async () => {
    const folder = await testFolder();
    await chmod(folder, 0o500);
    const { exitCode, stderr } = await run(['node', '--dir', join(folder, 'node')]);
    expect(exitCode).toBe(EXIT.other);
    expect(stderr).toContain('permission denied');
  });

  test('ends with the process that started it, when that went without a word', async () => {
    const node = spawnCli(['node', '--dir', await testFolder()], { ipc: true });
    await firstLineOf(node);
    const gone = once(node, 'exit');
    node.disconnect();
    await gone;
    expect(node.exitCode).toBe(EXIT.ok);
  });
});
