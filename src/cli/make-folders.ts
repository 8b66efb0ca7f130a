// A folder and those above it. Node's own `recursive` never ends where a name can neither be made nor found, as below
// /proc.

import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes what is missing of a path, readable to its owner only. @throws what the file system says */
export async function makeFolders(path: string): Promise<void> {
  if (await isFolder(path)) return;
  if (dirname(path) !== path) await makeFolders(dirname(path));
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!(await isFolder(path))) throw error;
  }
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
