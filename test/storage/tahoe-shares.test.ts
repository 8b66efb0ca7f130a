// Share files that a Tahoe-LAFS 1.20 server wrote, put into a folder in its layout, are served by ours.

import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { base32Decode, base32Encode } from '../../src/base/base32.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import { storageIndexForKey } from '../../src/tahoe/convergence.ts';
import { openServer, temporaryFolder } from './helpers.ts';

const VECTORS = fileURLToPath(new URL('../../../shared/vectors/tahoe-shares/chk', import.meta.url));
const KEY = base32Decode('msrcnq7xtn44dxswlvkvyjffoq')!;
const WHY_SKIPPED = existsSync(VECTORS) ? '' : ' (skipped: shared/vectors is not beside this checkout)';

describe.skipIf(WHY_SKIPPED !== '')(`shares written by Tahoe-LAFS${WHY_SKIPPED}`, () => {
  it('are listed and read, without their leases', async () => {
    const storageIndex = storageIndexForKey(KEY);
    const name = base32Encode(storageIndex);
    const folder = await temporaryFolder();
    const shareFolder = join(folder, 'shares', name.slice(0, 2), name);
    await mkdir(shareFolder, { recursive: true });
    const shareFiles = new Map<number, Buffer>();
    for (const file of await readdir(VECTORS)) {
      const shareNumber = file.split('.')[1]!;
      await copyFile(join(VECTORS, file), join(shareFolder, shareNumber));
      shareFiles.set(Number(shareNumber), await readFile(join(VECTORS, file)));
    }
    expect(shareFiles.size).toBeGreaterThan(0);

    for (const readOnly of [true, false]) {
      const server = await openServer({ files: nodeFiles, folder }, { readOnly });
      expect(await server.list(storageIndex)).toEqual([...shareFiles.keys()].sort());
      for (const [shareNumber, file] of shareFiles) {
        const data = await server.read(storageIndex, shareNumber, 0, 2 ** 23);
        expect(Buffer.compare(data, file.subarray(12, file.length - 72))).toBe(0);
        const tail = await server.read(storageIndex, shareNumber, data.length - 10, 100);
        expect(tail).toEqual(data.subarray(data.length - 10));
      }
    }
  });
});
