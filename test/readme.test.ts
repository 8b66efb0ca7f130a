// The README's example of the library, run as it stands there, prints what stands below it.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

test('the example of the library prints what the README says', { timeout: 60_000 }, async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [, code, output] = /```ts\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/.exec(readme)!;
  const source = new URL('../src/index.ts', import.meta.url).href;
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-readme-'));
  try {
    const file = join(folder, 'example.mts');
    await writeFile(file, code!.replace("'nevermind'", `'${source}'`));
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', file], { cwd: ROOT });
    await expect(run).resolves.toEqual({ stdout: output, stderr: '' });
  } finally {
    await rm(folder, { recursive: true });
  }
});
