// Inputs that are kept: for each target those that found coverage (found.txt, a line of base64 each) and those that
// broke a promise (failure-*, as they are).

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, 'test/fuzz/corpus');
const FAILURE = /^failure-/;

/** All kept inputs of a target, failures first. */
export function readCorpus(target: string): Uint8Array[] {
  const folder = join(FOLDER, target);
  if (!existsSync(folder)) return [];
  const failures = readdirSync(folder)
    .filter((name) => FAILURE.test(name))
    .sort()
    .map((name) => new Uint8Array(readFileSync(join(folder, name))));
  const found = join(folder, 'found.txt');
  const lines = existsSync(found) ? readFileSync(found, 'utf8').split('\n') : [];
  return [
    ...failures,
    ...lines.filter((line) => line !== '').map((line) => new Uint8Array(Buffer.from(line, 'base64'))),
  ];
}

/** Replaces the inputs that found coverage. */
export function writeFound(target: string, inputs: readonly Uint8Array[]): void {
  const folder = join(FOLDER, target);
  mkdirSync(folder, { recursive: true });
  const lines = inputs.map((input) => `${Buffer.from(input).toString('base64')}\n`).sort();
  writeFileSync(join(folder, 'found.txt'), lines.join(''));
}

/** Keeps an input that broke a promise; returns the file's path from the project's folder. */
export function writeFailure(target: string, input: Uint8Array): string {
  const path = failurePath(target, input);
  mkdirSync(join(FOLDER, target), { recursive: true });
  writeFileSync(join(ROOT, path), input);
  return path;
}

/** Where such an input is kept, from the project's folder. */
export function failurePath(target: string, input: Uint8Array): string {
  const name = createHash('sha256').update(input).digest('hex').slice(0, 12);
  return `test/fuzz/corpus/${target}/failure-${name}`;
}
