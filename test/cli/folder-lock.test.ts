import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lockFolder } from '../../src/cli/folder-lock.ts';
import { testFolder } from './cli-fixture.ts';

describe('the lock of a folder', () => {
  test('keeps others out until it is given back', async () => {
    const folder = await testFolder();
    {
      await using _lock = await lockFolder(folder);
      await expect(lockFolder(folder)).rejects.toMatchObject({
        code: 'FOLDER_IN_USE',
        message: expect.stringContaining(`process ${process.pid} holds it`),
      });
    }
    expect(await readdir(folder)).toEqual([]);
    await using _again = await lockFolder(folder);
  });

  test('is given to exactly one of many that ask at once', async () => {
    const folder = await testFolder();
    const asked = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    const given = asked.filter((outcome) => outcome.status === 'fulfilled');
    expect(given).toHaveLength(1);
    await given[0]!.value[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
  });

  test('of a dead process is taken over, by exactly one of many', async () => {
    const folder = await testFolder();
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    await writeFile(join(folder, 'node.lock'), JSON.stringify({ pid: child.pid, startedAt: 'then' }));
    const asked = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    const given = asked.filter((outcome) => outcome.status === 'fulfilled');
    expect(given).toHaveLength(1);
    expect(JSON.parse(await readFile(join(folder, 'node.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    await given[0]!.value[Symbol.asyncDispose]();
  });

  test.skipIf(process.platform !== 'linux')(
    'of an earlier process with the pid of a living one is taken over',
    async () => {
      const folder = await testFolder();
      for (const pid of [process.pid, process.ppid]) {
        await writeFile(join(folder, 'node.lock'), JSON.stringify({ pid, startedAt: 'another boot 1' }));
        await using _lock = await lockFolder(folder);
      }
    },
  );

  test.each(['', '{', '{"pid":"7"}', 'null', '\u0000\u0000\u0000'])(
    'that holds %j after a power cut is taken over',
    async (content) => {
      const folder = await testFolder();
      await writeFile(join(folder, 'node.lock'), content);
      await using _lock = await lockFolder(folder);
    },
  );

  test('of a process that is stopped stays its own', async () => {
    const folder = await testFolder();
    const child = spawn('sleep', ['60']);
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    child.kill('SIGSTOP');
    await writeFile(join(folder, 'node.lock'), JSON.stringify({ pid: child.pid, startedAt: null }));
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'FOLDER_IN_USE' });
  });
});
