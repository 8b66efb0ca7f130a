// What a reader may rely on in every file: that it opens with what it is for, ends before it tells two stories, names
// nothing of the machine it was written on, and points only to what exists.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { resolveImport } from './import-rules.ts';
import { type ModuleSource, parseModule, readModules } from './module-source.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const LINES_MAX = 500;

/** What is written on one machine for that machine, and hosts that packages come from. */
const MACHINE_TEXT = /(?<![\w.])\/(home|root|work|Users)\/[\w.]|[A-Z]:\\Users\\|registry\.npmjs|"resolved":/;

const FOLDERS = ['src', 'test', 'bench', 'spec', '.ci'];

/** A line that is wrong, as `FILE:LINE: the line`. */
function machineText(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => (MACHINE_TEXT.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}

function opensWithComment({ text }: ModuleSource): boolean {
  return /^(#!.*\n)?\/\/ \S/.test(text);
}

/** Names of documents in comments (`spec/protocol.md`) and targets of links in Markdown, relative to `ROOT`. */
function documentsNamed(path: string, text: string): string[] {
  if (!path.endsWith('.md')) return text.match(/\bspec\/[\w./-]+\.(md|cddl|json)\b/g) ?? [];
  const targets = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)|src="([^"]+)"/g)].map(
    (link) => link[1] ?? link[2]!,
  );
  return targets.filter((target) => !/^\w+:/.test(target)).map((target) => join(dirname(path), target));
}

describe('every file', () => {
  const modules = readModules(`${ROOT}src`);
  const texts = textFiles();

  test('opens with a comment that says what it is for', () => {
    expect(modules.filter((module) => !opensWithComment(module)).map(({ path }) => path)).toEqual([]);
  });

  test(`has at most ${LINES_MAX} lines`, () => {
    const long = modules.filter(({ lines }) => lines > LINES_MAX);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  test('names no path of the machine it was written on, and no host of a registry', () => {
    expect(texts.flatMap(({ path, text }) => machineText(path, text))).toEqual([]);
  });

  test('points only to documents that exist', () => {
    const missing = texts.flatMap(({ path, text }) =>
      documentsNamed(path, text)
        .filter((target) => !existsSync(join(ROOT, target)))
        .map((target) => `${path}: there is no ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test('that is published has its docstrings', () => {
    const index = modules.find(({ path }) => path === 'index.ts')!;
    const published = index.imports.flatMap(({ specifier, names }) =>
      names.map((name) => `${resolveImport(index.path, specifier)}: ${name}`),
    );
    const undocumented = modules.flatMap(({ path, exports }) =>
      exports.filter(({ documented }) => !documented).map(({ name }) => `${path}: ${name}`),
    );
    expect(published.length).toBeGreaterThan(0);
    expect(undocumented.filter((name) => published.includes(name))).toEqual([]);
  });
});

describe('the rules see', () => {
  test('a file that does not open with a comment', () => {
    const opens = (text: string): boolean => opensWithComment(parseModule('a.ts', text));
    expect(opens('// What this is for.\n')).toBe(true);
    expect(opens('#!/usr/bin/env node\n// What this is for.\n')).toBe(true);
    expect(opens('export const a = 1; // late\n')).toBe(false);
    expect(opens('#!/usr/bin/env node\nexport const a = 1;\n')).toBe(false);
    expect(opens('//\n')).toBe(false);
  });

  test('paths of a machine and hosts of registries, but not paths like them', () => {
    const slash = '/';
    expect(machineText('a.md', `see ${slash}home/me/x\nand C:\\Users\\me`)).toHaveLength(2);
    expect(machineText('a.ts', `cd(' ${slash}work/main')`)).toEqual([`a.ts:1: cd(' ${slash}work/main')`]);
    expect(machineText('package-lock.json', `{ "resolved${'"'}: "x" }`)).toHaveLength(1);
    expect(machineText('a.ts', './home/x ../work/y src/root/z /shares/incoming')).toEqual([]);
  });

  test('documents named in comments, and links', () => {
    expect(
      documentsNamed('src/a.ts', '// see spec/protocol.md, "Frames"; spec/vectors/frames.json.'),
    ).toEqual(['spec/protocol.md', 'spec/vectors/frames.json']);
    const markdown = '[a](a.md) [b](../b.md#c) [d](https://example.net/d) [e](#e) <img src="f.svg">';
    expect(documentsNamed('spec/x/y.md', markdown)).toEqual(['spec/x/a.md', 'spec/b.md', 'spec/x/f.svg']);
  });

  test('exports with and without a docstring', () => {
    const text =
      '/** A. */\nexport class A {}\nexport const B = 1;\n/** C. */\nexport type C = 1;\ntype D = 1;\n';
    const found = parseModule('a.ts', text).exports.map(({ name, documented }) => [name, documented]);
    expect(found).toEqual([
      ['A', true],
      ['B', false],
      ['C', true],
    ]);
  });
});

/** All files with text in them that belong to the project, but the examples of what is wrong. */
function textFiles(): { readonly path: string; readonly text: string }[] {
  const top = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(md|json|ts)$/.test(entry.name))
    .map(({ name }) => name);
  const below = FOLDERS.flatMap((folder) =>
    existsSync(join(ROOT, folder))
      ? readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && /\.(md|json|ts|cddl|svg)$|^run$/.test(entry.name))
          .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
      : [],
  );
  return [...top, ...below]
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !path.startsWith('test/tidy/'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}
