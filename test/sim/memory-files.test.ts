import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../src/sim/memory-files.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const SEEDS = Array.from({ length: 60 }, (_, index) => index);

function makeDisk(seed: number, capacityBytes?: number): MemoryFiles {
  return new MemoryFiles({ random: new SeededRandom(seed), capacityBytes });
}

async function writeFile(disk: MemoryFiles, path: string, text: string, sync = false): Promise<void> {
  const file = await disk.open(path, 'create');
  await file.write(Buffer.from(text), 0);
  if (sync) await file.sync();
  await file.close();
}

async function textOf(disk: MemoryFiles, path: string): Promise<string> {
  const file = await disk.open(path, 'read');
  const bytes = Buffer.alloc(await file.sizeBytes());
  expect(await file.read(bytes, 0)).toBe(bytes.length);
  await file.close();
  return bytes.toString();
}

function crash(disk: MemoryFiles): void {
  disk.crash();
  disk.restart();
}

describe('a disk in memory', () => {
  it('does what a file system does', async () => {
    const disk = makeDisk(1);
    expect(await disk.makeFolders('/a/b/c')).toBe('/a');
    expect(await disk.makeFolders('/a/b/d')).toBe('/a/b/d');
    expect(await disk.makeFolders('/a/b')).toBeUndefined();
    await writeFile(disk, '/a/b/c/one', 'hello');
    await disk.rename('/a/b/c/one', '/a/b/d/two');
    expect(await disk.list('/a/b/c')).toEqual([]);
    expect(await textOf(disk, '/a/b/d/two')).toBe('hello');
    const file = await disk.open('/a/b/d/two', 'read-write');
    await file.write(Buffer.from('!'), 7);
    await file.truncate(9);
    expect(await textOf(disk, '/a/b/d/two')).toBe('hello\0\0!\0');
    await file.truncate(2);
    await file.truncate(3);
    expect(await textOf(disk, '/a/b/d/two')).toBe('he\0');
    await file.close();
    await disk.removeFolder('/a/b/c');
    await disk.unlink('/a/b/d/two');
    expect(await disk.list('/a/b')).toEqual(['d']);
    expect(disk.openFiles).toBe(0);
  });

  it.each<[string, string, (disk: MemoryFiles) => Promise<unknown>]>([
    ['a folder that is not there', 'ENOENT', (disk) => disk.list('/none')],
    ['a file that is not there', 'ENOENT', (disk) => disk.open('/none', 'read-write')],
    ['removing a file that is not there', 'ENOENT', (disk) => disk.unlink('/none')],
    ['renaming a file that is not there', 'ENOENT', (disk) => disk.rename('/none', '/file')],
    ['a file used as a folder', 'ENOTDIR', (disk) => disk.makeFolders('/file/below')],
    ['listing a file', 'ENOTDIR', (disk) => disk.list('/file')],
    ['removing a folder with something in it', 'ENOTEMPTY', (disk) => disk.removeFolder('/folder')],
    ['opening a folder', 'EISDIR', (disk) => disk.open('/folder', 'read')],
    [
      'writing to a file opened to be read',
      'EBADF',
      async (disk) => {
        await (await disk.open('/file', 'read')).write(Uint8Array.of(1), 0);
      },
    ],
    [
      'using a closed file',
      'EBADF',
      async (disk) => {
        const file = await disk.open('/file', 'read');
        await file.close();
        await file.sizeBytes();
      },
    ],
    ['a relative path', 'EINVAL', (disk) => disk.list('file')],
  ])('refuses %s with %s', async (_what, code, attempt) => {
    const disk = makeDisk(1);
    await disk.makeFolders('/folder/inner');
    await writeFile(disk, '/file', 'x');
    await expect(attempt(disk)).rejects.toMatchObject({ code });
  });

  it('is full when its capacity is reached, and has room again after a removal', async () => {
    const disk = makeDisk(1, 10);
    await writeFile(disk, '/a', '123456');
    expect(await disk.freeBytes('/')).toBe(4);
    await expect(writeFile(disk, '/b', '12345')).rejects.toMatchObject({ code: 'ENOSPC' });
    await disk.unlink('/a');
    await writeFile(disk, '/b', '12345');
  });
});

describe('a crash', () => {
  it('keeps what was synced, names and content', async () => {
    for (const seed of SEEDS) {
      const disk = makeDisk(seed);
      await disk.makeFolders('/a/b');
      await writeFile(disk, '/a/b/file', 'hello', true);
      for (const folder of ['/', '/a', '/a/b']) await disk.syncFolder(folder);
      crash(disk);
      expect(await textOf(disk, '/a/b/file')).toBe('hello');
    }
  });

  it('may lose a name whose folder was not synced, at any level', async () => {
    for (const forgotten of ['/', '/a', '/a/b']) {
      const survived = new Set<boolean>();
      for (const seed of SEEDS) {
        const disk = makeDisk(seed);
        await disk.makeFolders('/a/b');
        await writeFile(disk, '/a/b/file', 'hello', true);
        for (const folder of ['/', '/a', '/a/b']) if (folder !== forgotten) await disk.syncFolder(folder);
        crash(disk);
        survived.add(disk.paths().length === 1);
      }
      expect(survived.size).toBe(2);
    }
  });

  it('keeps of a write after the last sync all, nothing or a first part', async () => {
    const found = new Set<string>();
    for (const seed of SEEDS) {
      const disk = makeDisk(seed);
      await writeFile(disk, '/file', 'aaaa', true);
      await disk.syncFolder('/');
      const file = await disk.open('/file', 'read-write');
      await file.write(Buffer.from('bbbb'), 2);
      crash(disk);
      found.add(await textOf(disk, '/file'));
    }
    expect([...found].sort()).toEqual(['aaaa', 'aabb', 'aabbb', 'aabbbb', 'aaba'].sort());
  });

  it('leaves the old name, the new one, both or none of a rename that was not synced', async () => {
    const found = new Set<string>();
    for (const seed of SEEDS) {
      const disk = makeDisk(seed);
      await disk.makeFolders('/from');
      await disk.makeFolders('/to');
      await writeFile(disk, '/from/file', 'x', true);
      await disk.syncFolder('/from');
      await disk.syncFolder('/');
      await disk.rename('/from/file', '/to/file');
      crash(disk);
      found.add(disk.paths().join(' '));
    }
    expect([...found].sort()).toEqual(['', '/from/file', '/from/file /to/file', '/to/file']);
  });

  it('is the same for the same seed', async () => {
    const outcome = async (seed: number) => {
      const disk = makeDisk(seed);
      for (let index = 0; index < 20; index++) await writeFile(disk, `/${index}`, 'content');
      crash(disk);
      return Promise.all(disk.paths().map((path) => textOf(disk, path)));
    };
    expect(await outcome(5)).toEqual(await outcome(5));
    expect(await outcome(5)).not.toEqual(await outcome(6));
  });

  it('fails everything until the restart, and files opened before it for good', async () => {
    const disk = makeDisk(1);
    await writeFile(disk, '/file', 'x', true);
    await disk.syncFolder('/');
    const file = await disk.open('/file', 'read-write');
    disk.crash();
    await expect(disk.list('/')).rejects.toMatchObject({ code: 'ECRASHED' });
    await expect(file.sync()).rejects.toMatchObject({ code: 'ECRASHED' });
    disk.restart();
    expect(await disk.list('/')).toEqual(['file']);
    await expect(file.write(Uint8Array.of(1), 0)).rejects.toMatchObject({ code: 'EBADF' });
  });

  it('can be asked for in the middle of an operation', async () => {
    const survived = new Set<boolean>();
    for (const seed of SEEDS) {
      const disk = makeDisk(seed);
      disk.fault = ({ kind }) => (kind === 'syncFolder' ? 'crash' : undefined);
      await writeFile(disk, '/file', 'x', true);
      await expect(disk.syncFolder('/')).rejects.toMatchObject({ code: 'ECRASHED' });
      disk.restart();
      survived.add(disk.paths().length === 1);
    }
    expect(survived.size).toBe(2);
  });
});
