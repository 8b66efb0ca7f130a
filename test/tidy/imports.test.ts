import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseArchitectureLaw } from './architecture-law.ts';
import {
  barrels,
  cycles,
  deadFiles,
  missingFiles,
  resolveImport,
  roomOf,
  undeclaredPackages,
  unusedPackages,
  worldTouched,
  wrongArrows,
} from './import-rules.ts';
import { type ModuleSource, parseModule, readModules } from './module-source.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

describe('the tree', () => {
  const law = parseArchitectureLaw(readFileSync(`${ROOT}spec/architecture.md`, 'utf8'));
  const modules = readModules(`${ROOT}src`);
  const outside = ['test', 'bench'].flatMap((folder) =>
    readModules(`${ROOT}${folder}`).map((module) => ({ ...module, path: `../${folder}/${module.path}` })),
  );
  const { dependencies, devDependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

  test('imports go the way of the table in spec/architecture.md', () => {
    expect(wrongArrows(modules, law)).toEqual([]);
  });

  test('rooms and files of that table exist', () => {
    const named = [...law].flatMap(([room, { mayImport, worldIn }]) =>
      [room, mayImport, worldIn].flat().filter((name) => name !== 'anything' && name !== 'anywhere'),
    );
    expect(named.filter((name) => !existsSync(`${ROOT}src/${name}`))).toEqual([]);
  });

  test('only the files of that table touch clocks, timers, randomness, sockets, disks and the process', () => {
    expect(worldTouched(modules, law)).toEqual([]);
  });

  test('every import names a file that exists', () => {
    expect(missingFiles(modules)).toEqual([]);
  });

  test('no file imports itself in a circle', () => {
    expect(cycles(modules)).toEqual([]);
  });

  test('an entry point leads to every file', () => {
    const simulated = outside
      .flatMap(({ path, imports }) => imports.map(({ specifier }) => resolveImport(path, specifier)))
      .flatMap((path) => (path?.startsWith('../src/sim/') ? [path.slice('../src/'.length)] : []));
    expect(deadFiles(modules, ['index.ts', 'cli/main.ts', ...simulated])).toEqual([]);
  });

  test('no file only passes on what others export, but the published entry', () => {
    expect(barrels(modules)).toEqual([]);
    expect(modules.find(({ path }) => path === 'index.ts')?.isBarrel).toBe(true);
  });

  test('packages are declared: those of src for users, those of tests and benchmarks for developers', () => {
    const forUsers = Object.keys(dependencies);
    expect(undeclaredPackages(modules, forUsers)).toEqual([]);
    expect(undeclaredPackages(outside, [...forUsers, ...Object.keys(devDependencies)])).toEqual([]);
    expect(unusedPackages(modules, forUsers)).toEqual([]);
  });
});

describe('the rules see', () => {
  const law = parseArchitectureLaw(
    [
      '| room | may import | touches the world in |',
      '|---|---|---|',
      '| `index.ts` | anything | nowhere |',
      '| `base` | nothing | nowhere |',
      '| `grid` | `base`, `storage/storage-server.ts` | nowhere |',
      '| `storage` | `base` | `storage/disk.ts` |',
      '| `cli` | anything | anywhere |',
      '',
      '| `sim` | anything | anywhere |',
    ].join('\n'),
  );
  const arrows = (path: string, text: string): string[] => wrongArrows([parseModule(path, text)], law);
  const world = (path: string, text: string): string[] => worldTouched([parseModule(path, text)], law);

  test.each([
    ['import', "\nimport { x } from '../storage/disk.ts';"],
    ['import over several lines', "\nimport {\n  x,\n} from '../storage/disk.ts';"],
    ['import type', "\nimport type { X } from '../storage/disk.ts';"],
    ['import for its effect', "\nimport '../storage/disk.ts';"],
    ['import of everything', "\nimport * as disk from '../storage/disk.ts';"],
    ['re-export', "\nexport { x } from '../storage/disk.ts';"],
    ['re-export of everything', "\nexport * from '../storage/disk.ts';"],
    ['import()', "\nawait import('../storage/disk.ts');"],
    ['import() in a function', "\nconst load = () => { return import('../storage/disk.ts'); };"],
    ['type of import()', "\nlet x: import('../storage/disk.ts').X;"],
  ])('a wrong arrow by %s', (_kind, text) => {
    expect(arrows('grid/upload.ts', text)).toEqual(['grid/upload.ts:2: grid may not import storage/disk.ts']);
  });

  test('a wrong arrow from a subfolder, to another room and up the table', () => {
    expect(arrows('grid/deep/file.ts', "import '../../cli/main.ts'")).toHaveLength(1);
    expect(arrows('base/heap.ts', "import '../grid/upload.ts'")).toHaveLength(1);
    expect(arrows('grid/upload.ts', "import '../index.ts'")).toHaveLength(1);
  });

  test('no wrong arrow in allowed rooms, allowed files, the own room, comments, strings and packages', () => {
    const text = `
      import { a } from '../base/heap.ts';
      import type { S } from '../storage/storage-server.ts';
      import { b } from './placement.ts';
      import { LRUCache } from 'lru-cache';
      // import { x } from '../storage/disk.ts';
      /* import '../cli/main.ts'; */
      const text = "import '../cli/main.ts'";
      const more = \`import '../cli/main.ts'\`;
      const pattern = /import '..\\/cli\\/main.ts'/;
    `;
    expect(arrows('grid/upload.ts', text)).toEqual([]);
    expect(arrows('cli/main.ts', "import '../grid/upload.ts'; import '../storage/disk.ts'")).toEqual([]);
  });

  test('a file in a room that the table does not have, and the end of the table', () => {
    expect(arrows('sim/clock.ts', '')).toEqual([
      'sim/clock.ts:1: the table of spec/architecture.md has no room "sim"',
    ]);
    expect(arrows('stray.ts', '')).toHaveLength(1);
  });

  test.each([
    ['Date', 'const at = new Date();'],
    ['Date', 'const at = Date.now();'],
    ['performance', 'const at = performance.now();'],
    ['Math.random', 'const chance = Math.random();'],
    ['Math.random', "const chance = Math['random']();"],
    ['setTimeout', 'setTimeout(() => {}, 5);'],
    ['setInterval', 'const arm = setInterval;'],
    ['setImmediate', 'const options = { soon: setImmediate };'],
    ['setImmediate', 'const options = { setImmediate };'],
    ['AbortSignal.timeout', 'const signal = AbortSignal.timeout(5);'],
    ['process', 'const home = process.env.HOME;'],
    ['process', `const home = \`\${process.cwd()}\`;`],
    ['globalThis', "const at = globalThis['Date'].now();"],
    ['crypto', 'crypto.getRandomValues(new Uint8Array(1));'],
    ['console', "console.log('here');"],
    ['fetch', "await fetch('http://example.net');"],
  ])('the use of %s: %s', (name, text) => {
    expect(world('grid/upload.ts', `\n${text}`)).toEqual([
      `grid/upload.ts:2: uses ${name}; it has to be injected`,
    ]);
  });

  test.each([
    ['node:fs', "import { readFileSync } from 'node:fs';"],
    ['node:timers/promises', "import { setTimeout as sleep } from 'node:timers/promises';"],
    ['node:dgram', "const dgram = await import('node:dgram');"],
    ['randomBytes', "import { createHash, randomBytes } from 'node:crypto';"],
    ['randomUUID', "import { randomUUID as fresh } from 'node:crypto';"],
    ['generateKeyPairSync', "import { generateKeyPairSync } from 'node:crypto';"],
  ])('the import of %s', (name, text) => {
    expect(world('grid/upload.ts', text)).toEqual([
      `grid/upload.ts:1: imports ${name}; only files that touch the world may`,
    ]);
  });

  test('no touch of the world in members, keys, comments and strings, nor where the table allows it', () => {
    const text = `
      import { createHash } from 'node:crypto';
      import { posix } from 'node:path';
      // Date, setTimeout(…), process.exit()
      const words = 'Date.now()' + \`setTimeout\` + /process/.source;
      interface Clock { setTimeout(ms: number): void; readonly process: string }
      class Host { performance = 1; Date() { return this.performance; } }
      const record = { process: 1, setTimeout() {} };
      host.process.Date.setTimeout(Math.floor(2.5), AbortSignal.abort());
      for (const fetch of fetches) fetch.start();
      const give = ({ process, ...console }: Host, [crypto = 1]: number[]) => [process, console.x, crypto];
      try { give(); } catch (performance) { throw performance; }
    `;
    expect(world('grid/upload.ts', text)).toEqual([]);
    expect(world('storage/disk.ts', "import 'node:fs'; setTimeout(f, 1); Date.now()")).toEqual([]);
    expect(world('cli/main.ts', "import 'node:fs'; process.exit()")).toEqual([]);
    expect(world('storage/other.ts', "import 'node:fs'")).toHaveLength(1);
    // A name is declared for its own block or function, not for the rest of the file.
    expect(world('grid/upload.ts', 'const f = (process: X) => process.x;\nprocess.exit();')).toHaveLength(1);
    expect(world('grid/upload.ts', '{ const Date = 1; }\nDate.now();')).toHaveLength(1);
  });

  /** Files and what each of them imports. */
  const tree = (files: Readonly<Record<string, readonly string[]>>): ModuleSource[] =>
    Object.entries(files).map(([path, imports]) =>
      parseModule(path, imports.map((specifier) => `import '${specifier}';`).join('\n')),
    );

  test('an import of a file that is not there, and of one whose name is computed', () => {
    expect(missingFiles(tree({ 'base/a.ts': ['./b.ts', './a', 'x'], 'base/c.ts': ['./a.ts'] }))).toEqual([
      'base/a.ts:1: there is no src/base/b.ts',
      'base/a.ts:2: there is no src/base/a',
    ]);
    expect(missingFiles([parseModule('base/a.ts', 'await import(name);')])).toEqual([
      'base/a.ts:1: import() of a computed name',
    ]);
  });

  test('circles of two and more files, and a file that imports itself; no circle in a diamond', () => {
    expect(cycles(tree({ 'a.ts': ['./b.ts'], 'b.ts': ['./a.ts'] }))).toEqual([
      'a.ts:1: imports itself: a.ts → b.ts → a.ts',
    ]);
    expect(cycles(tree({ 'a.ts': ['./c.ts'], 'b.ts': ['./a.ts'], 'c.ts': ['./b.ts'] }))).toEqual([
      'a.ts:1: imports itself: a.ts → c.ts → b.ts → a.ts',
    ]);
    expect(cycles(tree({ 'a.ts': ['./a.ts'] }))).toHaveLength(1);
    expect(
      cycles(tree({ 'a.ts': ['./b.ts', './c.ts'], 'b.ts': ['./d.ts'], 'c.ts': ['./d.ts'], 'd.ts': [] })),
    ).toEqual([]);
  });

  test('files that nothing leads to, even if they import each other', () => {
    const files = tree({
      'main.ts': ['./a.ts'],
      'a.ts': [],
      'b.ts': ['./c.ts', './a.ts'],
      'c.ts': ['./b.ts'],
    });
    expect(deadFiles(files, ['main.ts'])).toEqual([
      'b.ts:1: no entry point leads here',
      'c.ts:1: no entry point leads here',
    ]);
  });

  test('barrels', () => {
    const of = (path: string, text: string): number => barrels([parseModule(path, text)]).length;
    expect(of('base/all.ts', "export { a } from './a.ts';\nexport type { B } from './b.ts';")).toBe(1);
    expect(of('index.ts', "export { a } from './base/a.ts';")).toBe(0);
    expect(of('index.ts', "export * from './base/a.ts';")).toBe(1);
    expect(of('base/a.ts', "export { b } from './b.ts';\nexport const a = 1;")).toBe(0);
  });

  test('packages that are not declared, and declared ones that nothing imports', () => {
    const files = tree({ 'a.ts': ['cbor-x/decode', '@scope/name/deep', 'node:fs', './b.ts'] });
    expect(undeclaredPackages(files, ['cbor-x'])).toEqual(['a.ts:2: @scope/name is not in package.json']);
    expect(undeclaredPackages(files, ['cbor-x', '@scope/name'])).toEqual([]);
    expect(unusedPackages(files, ['cbor-x', 'yaml'])).toEqual(['package.json: nothing imports yaml']);
  });

  test('a table that is missing or says nothing', () => {
    const header = '| room | may import | touches the world in |\n|---|---|---|\n';
    expect(() => parseArchitectureLaw('# Architecture')).toThrow('there is no table');
    expect(() => parseArchitectureLaw(`${header}| base | nothing | nowhere |`)).toThrow('no room is named');
    expect(() => parseArchitectureLaw(`${header}| \`base\` | noting | nowhere |`)).toThrow('"noting"');
    const row = '| `base` | nothing | nowhere |\n';
    expect(() => parseArchitectureLaw(header + row + row)).toThrow('twice');
    expect(roomOf('index.ts')).toBe('index.ts');
  });
});
