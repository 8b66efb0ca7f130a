// One TypeScript module as the tidy tests see it: what it imports, which globals it names, what it exports and
// what stands above each export. Made with the parser that vitest brings along; judges nothing.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'vitest/node';

export interface Import {
  /** As written: `./a.ts`, `node:fs`, `cbor-x`. */
  readonly specifier: string;
  /** The imported names; empty for `import()`, `import * as x` and imports for their effect. */
  readonly names: readonly string[];
  readonly line: number;
}

export interface NamedUse {
  /** `setTimeout`, or with its member, `Math.random`. */
  readonly name: string;
  readonly line: number;
}

export interface Export {
  readonly name: string;
  readonly kind: 'function' | 'class' | 'interface' | 'type' | 'const';
  /** Whether a docstring stands directly above it. */
  readonly documented: boolean;
  readonly line: number;
}

export interface ModuleSource {
  /** Relative to the folder it was read from, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Names that the module does not declare itself, and their `object.member`; nothing in comments or strings. */
  readonly uses: readonly NamedUse[];
  readonly exports: readonly Export[];
  /** True when it does nothing but pass on what other modules export. */
  readonly isBarrel: boolean;
  /** Lines of `export * from`. */
  readonly starExportLines: readonly number[];
}

/** All modules under `folder`, without what another compiler reads (`*.as.ts`). */
export function readModules(folder: string): ModuleSource[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.as.ts'))
    .sort()
    .map((path) => parseModule(path, readFileSync(join(folder, path), 'utf8')));
}

/** @throws SyntaxError when `text` is no TypeScript. */
export function parseModule(path: string, text: string): ModuleSource {
  const program = parseAst(text, { lang: 'ts' }, path) as unknown as Node;
  const lineOf = (node: Node): number => text.slice(0, node.start).split('\n').length;
  const imports: Import[] = [];
  const uses: NamedUse[] = [];
  const visit = (node: Node, bound: ReadonlySet<string>): void => {
    const imported = importOf(node);
    if (imported !== undefined) imports.push({ ...imported, line: lineOf(node) });
    const declared = declaredBy(node);
    const inside = declared.length === 0 ? bound : new Set([...bound, ...declared]);
    const name = node.type === 'MemberExpression' ? memberName(node) : identifierName(node);
    if (name !== undefined && !inside.has(name.split('.')[0]!)) uses.push({ name, line: lineOf(node) });
    for (const child of children(node)) visit(child, inside);
  };
  visit(program, new Set());

  const statements = nodesIn(program.body);
  return {
    path,
    text,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    uses,
    exports: statements.flatMap((node) => exportsOf(node, text, lineOf)),
    isBarrel: statements.length > 0 && statements.every((node) => isReExport(node)),
    starExportLines: statements.filter((node) => node.type === 'ExportAllDeclaration').map(lineOf),
  };
}

/** An ESTree node, with the fields of all kinds that are looked at here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly argument?: unknown;
  readonly body?: unknown;
  readonly computed?: unknown;
  readonly declaration?: unknown;
  readonly declarations?: unknown;
  readonly elements?: unknown;
  readonly id?: unknown;
  readonly imported?: unknown;
  readonly init?: unknown;
  readonly left?: unknown;
  readonly local?: unknown;
  readonly name?: unknown;
  readonly object?: unknown;
  readonly param?: unknown;
  readonly params?: unknown;
  readonly properties?: unknown;
  readonly property?: unknown;
  readonly source?: unknown;
  readonly specifiers?: unknown;
  readonly value?: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

function nodesIn(value: unknown): Node[] {
  if (Array.isArray(value)) return value.filter(isNode);
  return isNode(value) ? [value] : [];
}

/** Everything below a node that may name a variable: not member names, keys, or what others call an import. */
function children(node: Node): Node[] {
  return Object.entries(node).flatMap(([field, value]) => {
    const isName =
      ((field === 'property' || field === 'key') && node.computed !== true) ||
      (field === 'imported' && node.type === 'ImportSpecifier') ||
      (field === 'exported' && node.type.startsWith('Export')) ||
      (field === 'right' && node.type === 'TSQualifiedName') ||
      (field === 'label' && node.type !== 'TSNamedTupleMember');
    return isName ? [] : nodesIn(value);
  });
}

function importOf(node: Node): Omit<Import, 'line'> | undefined {
  const source = node.type === 'TSImportType' ? (node.source ?? node.argument) : node.source;
  if (!isNode(source)) return undefined;
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType': {
      const names = nodesIn(node.specifiers).flatMap((specifier) => {
        const name = specifier.imported ?? specifier.local;
        return isNode(name) && specifier.type !== 'ImportNamespaceSpecifier' ? [name.name as string] : [];
      });
      // A computed `import(x)` has a name that no table can hold.
      const specifier = typeof source.value === 'string' ? source.value : '(computed)';
      return { specifier, names };
    }
    default:
      return undefined;
  }
}

function memberName(node: Node): string | undefined {
  const { object, property } = node;
  const name = isNode(object) ? identifierName(object) : undefined;
  if (name === undefined || !isNode(property)) return undefined;
  return `${name}.${String(node.computed === true ? property.value : property.name)}`;
}

function identifierName(node: Node): string | undefined {
  return node.type === 'Identifier' ? String(node.name) : undefined;
}

/** The names that a program, block, loop, function or catch clause declares for what is inside of it. */
function declaredBy(node: Node): string[] {
  const statements = node.type === 'Program' || node.type === 'BlockStatement' ? nodesIn(node.body) : [];
  return [
    ...statements.flatMap((statement) => namesDeclaredIn(statement)),
    ...[node.params, node.param].flatMap(nodesIn).flatMap(namesBoundBy),
    ...(node.type.startsWith('For') ? [node.init, node.left].flatMap(nodesIn).flatMap(namesDeclaredIn) : []),
  ];
}

function namesDeclaredIn(statement: Node): string[] {
  if (isNode(statement.declaration)) return namesDeclaredIn(statement.declaration);
  if (statement.type === 'VariableDeclaration') {
    return nodesIn(statement.declarations).flatMap(({ id }) => nodesIn(id).flatMap(namesBoundBy));
  }
  if (statement.type === 'ImportDeclaration') {
    return nodesIn(statement.specifiers).flatMap(({ local }) => nodesIn(local).flatMap(namesBoundBy));
  }
  return /Declaration$/.test(statement.type) ? nodesIn(statement.id).flatMap(namesBoundBy) : [];
}

/** The names in a pattern: `{ a, b: [c, ...d], e = 1 }`. */
function namesBoundBy(pattern: Node): string[] {
  const name = identifierName(pattern);
  if (name !== undefined) return [name];
  const { properties, elements, argument, left } = pattern;
  const value = pattern.type === 'Property' ? pattern.value : undefined;
  return [properties, elements, argument, left, value].flatMap(nodesIn).flatMap(namesBoundBy);
}

function isReExport(node: Node): boolean {
  if (node.type === 'ExportAllDeclaration') return true;
  return node.type === 'ExportNamedDeclaration' && isNode(node.source);
}

const KINDS: Readonly<Record<string, Export['kind']>> = {
  FunctionDeclaration: 'function',
  ClassDeclaration: 'class',
  TSInterfaceDeclaration: 'interface',
  TSTypeAliasDeclaration: 'type',
  VariableDeclarator: 'const',
};

function exportsOf(node: Node, text: string, lineOf: (node: Node) => number): Export[] {
  const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : undefined;
  if (!isNode(declaration)) return [];
  const declared =
    declaration.type === 'VariableDeclaration' ? nodesIn(declaration.declarations) : [declaration];
  const documented = /\*\/\s*$/.test(text.slice(0, node.start));
  return declared.flatMap((one) => {
    const kind = KINDS[one.type];
    if (kind === undefined || !isNode(one.id)) return [];
    return [{ name: String(one.id.name), kind, documented, line: lineOf(node) }];
  });
}
