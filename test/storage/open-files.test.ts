import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/sim/random.ts';
import { OpenFiles } from '../../src/storage/open-files.ts';
import { memoryDisk } from './helpers.ts';

describe('files kept open', () => {
  it('are never more than the limit, whatever is used at once, and all uses come through', async () => {
    const random = new SeededRandom(3);
    const files = memoryDisk();
    let most = 0;
    files.fault = async () => {
      for (let turns = random.int(0, 4); turns > 0; turns--) await Promise.resolve();
      most = Math.max(most, files.openFiles);
      return undefined;
    };
    const open = new OpenFiles(files, 4);
    const paths = Array.from({ length: 30 }, (_, index) => `/file${index}`);
    await Promise.all(
      paths.map(async (path, index) => {
        await open.use(path, 'create', (file) => file.write(Uint8Array.of(index), 0));
        for (let position = 1; position < 5; position++) {
          await open.use(path, 'read-write', (file) => file.write(Uint8Array.of(index), position));
        }
        if (index % 2 === 0) await open.release(path);
      }),
    );
    expect(most).toBeLessThanOrEqual(4);
    await Promise.all(paths.map((path) => open.release(path)));
    expect(files.openFiles).toBe(0);
    expect(open.openCount).toBe(0);
    for (const path of paths) expect((await files.stat(path)).sizeBytes).toBe(5);
  });

  it('stay open between uses, the least recently used making room', async () => {
    const files = memoryDisk();
    const opened: string[] = [];
    files.fault = ({ kind, path }) => {
      if (kind === 'open') opened.push(path);
      return undefined;
    };
    const open = new OpenFiles(files, 2);
    for (const path of ['/a', '/b', '/a', '/c', '/a', '/b']) await open.use(path, 'create', async () => {});
    expect(opened).toEqual(['/a', '/b', '/c', '/b']);
  });

  it('are synced before they make room; when that fails their next use fails with it', async () => {
    const files = memoryDisk();
    const open = new OpenFiles(files, 1);
    files.fault = ({ kind, path }) => (kind === 'file.sync' && path === '/a' ? { code: 'EIO' } : undefined);
    for (const path of ['/a', '/b', '/c']) {
      await open.use(path, 'create', (file) => file.write(Uint8Array.of(1), 0));
    }
    await expect(open.use('/a', 'read-write', async () => {})).rejects.toMatchObject({ code: 'EIO' });
    await open.use('/b', 'read-write', async () => {});
    await open.release('/a');
    await open.use('/a', 'create', async () => {});
  });

  it('leave their place when they cannot be opened', async () => {
    const open = new OpenFiles(memoryDisk(), 1);
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(open.use('/none', 'read', async () => {})).rejects.toMatchObject({ code: 'ENOENT' });
    }
    expect(open.openCount).toBe(0);
    await open.use('/a', 'create', async () => {});
  });
});
