// Every requirement of spec/protocol.md (P-n) is cited where it is implemented and where it is tested, or stands
// under "Gaps" with a reason; what code and tests cite exists.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const SPEC = readFileSync(new URL('spec/protocol.md', ROOT), 'utf8');
const [REQUIREMENTS_TEXT, GAPS_TEXT] = SPEC.split('\n## Gaps\n') as [string, string];

/** `- **P-12** A sentence.` */
const REQUIREMENT = /^- \*\*(P-\d+)\*\* (.+)$/gm;
const CITATION = /\bP-\d+\b/g;

const requirements = [...REQUIREMENTS_TEXT.matchAll(REQUIREMENT)].map(([, id, sentence]) => {
  return { id: id!, sentence: sentence! };
});
const ids = new Set(requirements.map(({ id }) => id));
const gaps = new Set([...GAPS_TEXT.matchAll(REQUIREMENT)].map(([, id]) => id!));
const inCode = citationsUnder('src/');
const inTests = citationsUnder('test/');

describe('spec/protocol.md', () => {
  test('numbers each requirement once, in ascending order', () => {
    const numbers = requirements.map(({ id }) => Number(id.slice(2)));
    expect(numbers.length).toBeGreaterThan(50);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  test('says each requirement in a whole sentence', () => {
    expect(requirements.filter(({ sentence }) => !/^[A-Z].*\.$/.test(sentence))).toEqual([]);
  });

  test('cites and excuses only requirements that there are', () => {
    const cited = [...SPEC.matchAll(CITATION)].map(([id]) => id);
    expect([...cited, ...gaps].filter((id) => !ids.has(id))).toEqual([]);
  });
});

test('other documents of spec/ number no requirements, and cite those that there are', () => {
  for (const path of readdirSync(new URL('spec/', ROOT), { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.md') || path === 'protocol.md') continue;
    const text = readFileSync(new URL(`spec/${path}`, ROOT), 'utf8');
    expect([path, ...text.matchAll(/^- \*\*[A-Z]+-\d+\*\*/gm)]).toEqual([path]);
    expect([path, ...[...text.matchAll(CITATION)].filter(([id]) => !ids.has(id))]).toEqual([path]);
  }
});

describe('requirements', () => {
  test('are cited in code, or excused', () => {
    expect([...ids].filter((id) => !inCode.has(id) && !gaps.has(id))).toEqual([]);
  });

  test('are cited in tests, or excused', () => {
    expect([...ids].filter((id) => !inTests.has(id) && !gaps.has(id))).toEqual([]);
  });

  test('that are cited exist', () => {
    const unknown = [...inCode, ...inTests].filter(([id]) => !ids.has(id));
    expect(unknown).toEqual([]);
  });

  test('that are excused need it', () => {
    expect([...gaps].filter((id) => inCode.has(id) && inTests.has(id))).toEqual([]);
  });
});

/** Which files under a folder cite which requirement. */
function citationsUnder(folder: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })) {
    // This file cites them as examples.
    if (!path.endsWith('.ts') || path.endsWith('requirements.test.ts')) continue;
    const text = readFileSync(new URL(folder + path, ROOT), 'utf8');
    for (const [id] of text.matchAll(CITATION)) found.set(id, [...(found.get(id) ?? []), folder + path]);
  }
  return found;
}
