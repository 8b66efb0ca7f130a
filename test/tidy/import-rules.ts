// The rules on imports: pure functions from modules and the law to sentences about what is wrong. What they catch is
// shown by planted examples in imports.test.ts.

import { posix } from 'node:path';
import type { ArchitectureLaw, RoomLaw } from './architecture-law.ts';
import type { ModuleSource } from './module-source.ts';

/** `FILE:LINE: what is wrong`. */
export type Violation = string;

/** Node's modules that compute and nothing else; every room may import them. */
const PURE_NODE_MODULES = ['node:crypto', 'node:path'];

/** What node:crypto draws from the operating system. */
const RANDOM_EXPORTS = /^(random|getRandomValues|webcrypto|generate|create(DiffieHellman|ECDH))/;

/** Clocks, timers, randomness, input and output, and the ways to get at them under another name. */
const WORLD_GLOBALS: ReadonlySet<string> = new Set([
  ...['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'AbortSignal.timeout'],
  ...['Math.random', 'crypto', 'process', 'console', 'fetch', 'WebSocket', 'Worker'],
  ...['globalThis', 'global', 'require', 'eval', 'Function'],
]);

/** The folder of src that a module is in; for one directly in src, its own name. */
export function roomOf(path: string): string {
  return path.split('/')[0]!;
}

/** Imports of our own files against the table, and files outside of every room. */
export function wrongArrows(modules: readonly ModuleSource[], law: ArchitectureLaw): Violation[] {
  return modules.flatMap(({ path, imports }) => {
    const room = roomOf(path);
    const rule = law.get(room);
    if (rule === undefined) return [`${path}:1: the table of spec/architecture.md has no room "${room}"`];
    return imports.flatMap(({ specifier, line }) => {
      const target = resolveImport(path, specifier);
      if (target === undefined || allows(rule, room, target)) return [];
      return [`${path}:${line}: ${room} may not import ${target}`];
    });
  });
}

/** Imports of our own that name no file of the tree, or none at all. */
export function missingFiles(modules: readonly ModuleSource[]): Violation[] {
  const known = new Set(modules.map(({ path }) => path));
  return modules.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, line }) => {
      if (specifier === '(computed)') return [`${path}:${line}: import() of a computed name`];
      const target = resolveImport(path, specifier);
      if (target === undefined || known.has(target)) return [];
      return [`${path}:${line}: there is no src/${target}`];
    }),
  );
}

/** Clocks, timers, randomness and Node's modules, in files that the table does not give them to. */
export function worldTouched(modules: readonly ModuleSource[], law: ArchitectureLaw): Violation[] {
  return modules.flatMap(({ path, imports, uses }) => {
    const worldIn = law.get(roomOf(path))?.worldIn ?? [];
    if (worldIn === 'anywhere' || worldIn.includes(path)) return [];
    const imported = imports.flatMap(({ specifier, names, line }) => {
      if (!specifier.startsWith('node:')) return [];
      const drawn = specifier === 'node:crypto' ? names.filter((name) => RANDOM_EXPORTS.test(name)) : [];
      const wrong = PURE_NODE_MODULES.includes(specifier) ? drawn : [specifier];
      return wrong.map((name) => `${path}:${line}: imports ${name}; only files that touch the world may`);
    });
    const used = uses.flatMap(({ name, line }) =>
      WORLD_GLOBALS.has(name) ? [`${path}:${line}: uses ${name}; it has to be injected`] : [],
    );
    return [...imported, ...used];
  });
}

/** Packages that package.json does not promise to who installs us. */
export function undeclaredPackages(
  modules: readonly ModuleSource[],
  declared: readonly string[],
): Violation[] {
  return modules.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, line }) => {
      if (specifier.startsWith('.') || specifier.startsWith('node:') || specifier === '(computed)') return [];
      const name = packageOf(specifier);
      return declared.includes(name) ? [] : [`${path}:${line}: ${name} is not in package.json`];
    }),
  );
}

/** Packages that are installed for users and that nothing imports. */
export function unusedPackages(
  modules: readonly ModuleSource[],
  dependencies: readonly string[],
): Violation[] {
  const used = new Set(modules.flatMap(({ imports }) => imports.map((one) => packageOf(one.specifier))));
  return dependencies
    .filter((name) => !used.has(name))
    .map((name) => `package.json: nothing imports ${name}`);
}

/** Files that import each other in a circle; each circle once, beginning with its first file by name. */
export function cycles(modules: readonly ModuleSource[]): Violation[] {
  const targets = importGraph(modules);
  const found = new Map<string, Violation>();
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      const circle = trail.slice(at);
      const first = circle.indexOf([...circle].sort()[0]!);
      const turned = [...circle.slice(first), ...circle.slice(0, first)];
      found.set(turned.join(), `${turned[0]}:1: imports itself: ${[...turned, turned[0]].join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of modules) visit(path, []);
  return [...found.values()];
}

/** Files that no entry point leads to. */
export function deadFiles(modules: readonly ModuleSource[], entryPoints: readonly string[]): Violation[] {
  const targets = importGraph(modules);
  const reached = new Set<string>();
  const queue = [...entryPoints];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    queue.push(...(targets.get(path) ?? []));
  }
  return (
    modules
      // Declarations of packages without types are read by the compiler, imported by nobody.
      .filter(({ path }) => !reached.has(path) && !path.endsWith('.d.ts'))
      .map(({ path }) => `${path}:1: no entry point leads here`)
  );
}

/** Modules that only pass on what others export; the published entry is the one that may. */
export function barrels(modules: readonly ModuleSource[]): Violation[] {
  return modules.flatMap(({ path, isBarrel, starExportLines }) => {
    const stars = starExportLines.map((line) => `${path}:${line}: export * hides what is exported`);
    return isBarrel && path !== 'index.ts' ? [...stars, `${path}:1: only re-exports`] : stars;
  });
}

/** Path in src of an import of our own; undefined for packages and Node's modules. */
export function resolveImport(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined;
}

function allows(rule: RoomLaw, room: string, target: string): boolean {
  if (rule.mayImport === 'anything' || roomOf(target) === room) return true;
  return rule.mayImport.includes(roomOf(target)) || rule.mayImport.includes(target);
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function importGraph(modules: readonly ModuleSource[]): Map<string, string[]> {
  return new Map(
    modules.map(({ path, imports }) => [
      path,
      imports.flatMap(({ specifier }) => resolveImport(path, specifier) ?? []),
    ]),
  );
}
