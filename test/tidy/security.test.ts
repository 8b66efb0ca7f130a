// The table of attacks in spec/security.md names tests that there are.

import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const SPEC = readFileSync(new URL('spec/security.md', ROOT), 'utf8');

/** The last cell of each row: files, and behind the colon what a test in each of them is called. */
const ROWS = SPEC.split('\n')
  .filter((line) => /^\| [^-]/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .slice(1);

test.each(ROWS.map((cells) => [cells[1]!, cells[3]!]))('%s', (_attack, cell) => {
  let named = 0;
  for (const part of cell.split(';')) {
    const files = [...part.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => new URL(path!, ROOT));
    const names = [...part.matchAll(/\*([^*]+)\*/g)].map(([, name]) => name!);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
    for (const name of names) {
      for (const file of files) expect(readFileSync(file, 'utf8')).toContain(name);
      named += files.length;
    }
  }
  expect(named).toBeGreaterThan(0);
});
