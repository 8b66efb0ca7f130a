import { once } from 'node:events';
import { existsSync } from 'node:fs';
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

  test.runIf(existsSync('/proc/self'))('ends where no folder can be made or found', async () => {
    const { exitCode, stderr } = await run(['node', '--dir', '/proc/nevermind/node']);
    expect(exitCode).toBe(EXIT.other);
    expect(stderr).toContain('/proc');
  });

  test('gives out shares and takes none, as its owner says; or takes no more than the owner leaves it', async () => {
    const folder = await testFolder();
    const dir = join(folder, 'node');
    const file = join(folder, 'file');
    await writeFile(file, 'some sixty bytes, so that they do not go into the capability');
    const shares = ['--needed', '1', '--happy', '1', '--total', '1'];
    const served = async <T>(options: readonly string[], use: (grid: string) => Promise<T>): Promise<T> => {
      const io = fakeIo();
      const node = run(['node', '--dir', dir, ...options], io);
      while (!io.stdout.text.includes('\n')) await new Promise(setImmediate);
      const grid = join(folder, 'grid.yaml');
      await writeFile(grid, `servers: ["${io.stdout.text.trim()}"]`);
      const result = await use(grid);
      io.interrupt();
      expect((await node).exitCode).toBe(EXIT.ok);
      return result;
    };
    const put = (grid: string) => run(['put', file, ...shares, '--grid', grid]);
    const stored = await served([], put);
    expect(stored.exitCode).toBe(EXIT.ok);
    const elsewhere = await run(['node', '--dir', join(folder, 'other'), '--read-only']);
    expect(elsewhere.exitCode).toBe(EXIT.other);
    expect(elsewhere.stderr).toContain('There are no shares: choose another folder');
    await served(['--read-only'], async (grid) => {
      expect((await run(['get', stored.stdout.trim(), '--grid', grid])).stdout).toContain('some sixty');
      const refused = await put(grid);
      expect(refused.exitCode).toBe(EXIT.tooFewServers);
      expect(refused.stderr).toContain('takes no new shares (read-only)');
    });
    const full = await served(['--reserve', '1000T'], put);
    expect(full.exitCode).toBe(EXIT.tooFewServers);
    expect(full.stderr).toContain('has no space left');
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
