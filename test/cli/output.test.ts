import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { writeFully } from '../../src/cli/io.ts';
import { openOutput } from '../../src/cli/output.ts';
import { fakeIo, testFolder } from './cli-fixture.ts';

const BYTES = new TextEncoder().encode('the whole file');

describe('a file as output', () => {
  test('appears under its name only when it is complete', async () => {
    const folder = await testFolder();
    const target = join(folder, 'file');
    {
      await using output = await openOutput(target, fakeIo());
      await output.write(BYTES);
      expect(await readdir(folder)).not.toContain('file');
      await output.commit();
    }
    expect(await readFile(target)).toEqual(Buffer.from(BYTES));
    expect(await readdir(folder)).toEqual(['file']);
  });

  test('that is given up leaves what was there before, and nothing else', async () => {
    const folder = await testFolder();
    const target = join(folder, 'file');
    await writeFile(target, 'old');
    {
      await using output = await openOutput(target, fakeIo());
      await output.write(BYTES);
    }
    expect(await readFile(target, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['file']);
  });

  test.each([
    'two words',
    'Grüße ☃',
    '-o',
    '--',
    'line\nbreak',
    '.hidden',
    'n'.repeat(255),
    "quote's",
    '$HOME',
    '*',
  ])('may be called %j', async (name) => {
    const folder = await testFolder();
    {
      await using output = await openOutput(join(folder, name), fakeIo());
      await output.write(BYTES);
      await output.commit();
    }
    expect(await readdir(folder)).toEqual([name]);
  });

  test('keeps the permissions of what it replaces', async () => {
    const target = join(await testFolder(), 'file');
    await writeFile(target, 'old');
    await chmod(target, 0o640);
    {
      await using output = await openOutput(target, fakeIo());
      await output.write(BYTES);
      await output.commit();
    }
    expect((await stat(target)).mode & 0o777).toBe(0o640);
  });

  test('does not replace a file that nobody may write', async () => {
    const target = join(await testFolder(), 'file');
    await writeFile(target, 'old');
    await chmod(target, 0o444);
    await expect(openOutput(target, fakeIo())).rejects.toThrow(/is there already and is read-only/);
    expect(await readFile(target, 'utf8')).toBe('old');
  });

  test.skipIf(process.platform !== 'linux')('says so where no file can be made', async () => {
    await expect(openOutput('/proc/nevermind', fakeIo())).rejects.toMatchObject({
      message: 'cannot write the output: no file can be made in /proc',
      next: 'write somewhere else with -o FILE',
    });
  });

  test('goes where a symbolic link points', async () => {
    const folder = await testFolder();
    await writeFile(join(folder, 'real'), 'old');
    await symlink('real', join(folder, 'link'));
    {
      await using output = await openOutput(join(folder, 'link'), fakeIo());
      await output.write(BYTES);
      await output.commit();
    }
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(folder, 'real'))).toEqual(Buffer.from(BYTES));
  });

  test('may be a device', async () => {
    await using output = await openOutput('/dev/null', fakeIo());
    await output.write(BYTES);
    await output.commit();
    expect((await stat('/dev/null')).isFile()).toBe(false);
  });

  test('is refused before anything is fetched when it cannot be written', async () => {
    const folder = await testFolder();
    await mkdir(join(folder, 'folder'));
    await expect(openOutput(join(folder, 'folder'), fakeIo())).rejects.toMatchObject({
      exitCode: EXIT.usage,
    });
    await expect(openOutput(join(folder, 'new/'), fakeIo())).rejects.toMatchObject({ exitCode: EXIT.usage });
    await expect(openOutput(join(folder, 'missing', 'file'), fakeIo())).rejects.toMatchObject({
      exitCode: EXIT.other,
      next: 'make the folder first',
    });
    await expect(openOutput(`${folder}/file/below`, fakeIo())).rejects.toMatchObject({
      exitCode: EXIT.other,
    });
    await expect(openOutput('/proc/nevermind', fakeIo())).rejects.toMatchObject({ exitCode: EXIT.other });
  });
});

describe('standard output', () => {
  test.each([undefined, '-'])('is meant by %j', async (target) => {
    const io = fakeIo();
    await using output = await openOutput(target, io);
    await output.write(BYTES);
    await output.commit();
    expect(io.stdout.bytes).toEqual(Buffer.from(BYTES));
  });

  test('holds the writer back until the reader has taken the bytes', async () => {
    let release = (): void => {};
    const slow = new Writable({
      write(_chunk, _encoding, done) {
        release = done;
      },
    });
    let isDone = false;
    const writing = writeFully(slow, BYTES).then(() => {
      isDone = true;
    });
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    release();
    await writing;
    expect(slow.listenerCount('error')).toBe(0);
  });

  test('that nobody reads any more ends the command without a complaint of its own', async () => {
    const broken = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      },
    });
    broken.on('error', () => {});
    await expect(writeFully(broken, BYTES)).rejects.toMatchObject({ exitCode: EXIT.outputClosed });
  });

  test('that is stuck lets go when the user interrupts', async () => {
    const stuck = new PassThrough({ highWaterMark: 1 });
    const io = fakeIo();
    const writing = writeFully(stuck, new Uint8Array(1_000_000), io.interrupted);
    io.interrupt();
    await expect(writing).rejects.toMatchObject({ code: 'SIGINT' });
  });
});
