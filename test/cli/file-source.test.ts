import { execFile } from 'node:child_process';
import { appendFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { openSource } from '../../src/cli/file-source.ts';
import { fakeIo, testFolder } from './cli-fixture.ts';

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** A folder for temporary files that belongs to this test alone. */
async function ownTemporaryFolder(): Promise<string> {
  const folder = await testFolder();
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  return folder;
}

describe('a file as a source', () => {
  test.each([0, 1, 1024 * 1024, 1024 * 1024 + 1, 3_000_000])(
    'of %d bytes is read as often as asked, from anywhere',
    async (size) => {
      const path = join(await testFolder(), 'file');
      const content = Buffer.alloc(size, 'nevermind');
      await writeFile(path, content);
      await using source = await openSource(path, fakeIo());
      expect(source.sizeBytes).toBe(size);
      expect((await bytesOf(source.read())).equals(content)).toBe(true);
      for (const fromByte of [0, 1, size >> 1, size]) {
        expect((await bytesOf(source.read(fromByte))).equals(content.subarray(fromByte))).toBe(true);
      }
    },
  );

  test('that changes under way ends the reading', async () => {
    const path = join(await testFolder(), 'log');
    await writeFile(path, 'one line\n');
    await using source = await openSource(path, fakeIo());
    await appendFile(path, 'another\n');
    await expect(bytesOf(source.read())).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('that shrinks under way ends the reading', async () => {
    const path = join(await testFolder(), 'file');
    await writeFile(path, 'long before');
    await using source = await openSource(path, fakeIo());
    await writeFile(path, 'short');
    await expect(bytesOf(source.read())).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('that is none is refused in words', async () => {
    const folder = await testFolder();
    await expect(openSource(join(folder, 'missing'), fakeIo())).rejects.toMatchObject({
      exitCode: EXIT.other,
      message: expect.stringContaining('no such file'),
    });
    await mkdir(join(folder, 'folder'));
    await expect(openSource(join(folder, 'folder'), fakeIo())).rejects.toMatchObject({
      exitCode: EXIT.usage,
    });
  });

  test('that is a pipe with a name is read once and kept', async () => {
    const path = join(await testFolder(), 'pipe');
    const temporary = await ownTemporaryFolder();
    await promisify(execFile)('mkfifo', [path]);
    const writing = writeFile(path, 'through the pipe');
    await using source = await openSource(path, fakeIo());
    await writing;
    expect(source.sizeBytes).toBe(16);
    expect((await bytesOf(source.read())).toString()).toBe('through the pipe');
    expect((await bytesOf(source.read(8))).toString()).toBe('the pipe');
    expect(await readdir(temporary)).toEqual([]);
  });

  test.runIf(process.platform === 'linux')('that says it is empty and is not is kept whole', async () => {
    await using source = await openSource('/proc/version', fakeIo());
    expect((await bytesOf(source.read())).toString()).toMatch(/^Linux version .*\n$/);
    expect(source.sizeBytes).toBeGreaterThan(0);
  });
});

describe('standard input as a source', () => {
  test('of unknown length is kept where nobody finds it', async () => {
    const temporary = await ownTemporaryFolder();
    const counts: number[] = [];
    const stdin = [Buffer.from('one '), Buffer.from('two')];
    await using source = await openSource('-', fakeIo({ stdin }), (bytes) => counts.push(bytes));
    expect(source.sizeBytes).toBe(7);
    expect(counts).toEqual([4, 7]);
    expect((await bytesOf(source.read())).toString()).toBe('one two');
    expect(await readdir(temporary)).toEqual([]);
  });

  test('may be empty', async () => {
    await ownTemporaryFolder();
    await using source = await openSource('-', fakeIo());
    expect(source.sizeBytes).toBe(0);
    expect(await bytesOf(source.read())).toHaveLength(0);
  });

  test('that never ends is let go when the user interrupts, and nothing is left', async () => {
    const temporary = await ownTemporaryFolder();
    const stdin = new Readable({ read() {} });
    const io = fakeIo({ stdin });
    const opening = openSource('-', io, () => io.interrupt());
    stdin.push('some bytes');
    await expect(opening).rejects.toMatchObject({ code: 'SIGINT' });
    expect(stdin.destroyed).toBe(true);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('that fails is an error, and nothing is left', async () => {
    const temporary = await ownTemporaryFolder();
    const stdin = new Readable({
      read() {
        this.destroy(Object.assign(new Error('read EIO'), { code: 'EIO', errno: -5 }));
      },
    });
    await expect(openSource('-', fakeIo({ stdin }))).rejects.toThrow('EIO');
    expect(await readdir(temporary)).toEqual([]);
  });
});
