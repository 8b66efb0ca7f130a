import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/cli/file-source.ts';
import { openOutput } from '../../src/cli/output.ts';
import { fakeIo, testFolder } from './cli-fixture.ts';

async function namedPipe(): Promise<string> {
  const path = join(await testFolder(), 'pipe');
  await promisify(execFile)('mkfifo', [path]);
  return path;
}

describe.runIf(process.platform !== 'win32')('a named pipe', () => {
  test('is written through to its reader', async () => {
    const path = await namedPipe();
    const arrived = text(createReadStream(path));
    {
      await using output = await openOutput(path, fakeIo());
      await output.write(Buffer.from('through '));
      await output.write(Buffer.from('the pipe'));
      await output.commit();
    }
    expect(await arrived).toBe('through the pipe');
  });

  test('that nobody writes to is let go when the user interrupts', async () => {
    const io = fakeIo();
    const opening = openSource(await namedPipe(), io);
    setImmediate(() => io.interrupt());
    await expect(opening).rejects.toMatchObject({ code: 'SIGINT' });
  });

  test('whose writer says nothing is let go when the user interrupts', async () => {
    const path = await namedPipe();
    const io = fakeIo();
    const opening = openSource(path, io, () => io.interrupt());
    const writer = await open(path, 'w');
    await writer.write('something');
    await expect(opening).rejects.toMatchObject({ code: 'SIGINT' });
    await writer.close();
  });

  test('that nobody reads from is let go when the user interrupts', async () => {
    const io = fakeIo();
    const opening = openOutput(await namedPipe(), io);
    setImmediate(() => io.interrupt());
    await expect(opening).rejects.toMatchObject({ code: 'SIGINT' });
  });

  test('whose reader takes nothing is let go when the user interrupts', async () => {
    const path = await namedPipe();
    const io = fakeIo();
    const opening = openOutput(path, io);
    const reader = await open(path, 'r');
    await using output = await opening;
    const writing = output.write(Buffer.alloc(1024 * 1024));
    setImmediate(() => io.interrupt());
    await expect(writing).rejects.toMatchObject({ code: 'SIGINT' });
    await reader.close();
  });
});
