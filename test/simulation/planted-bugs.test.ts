import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Edit, PlantedBug } from './planted-bug.ts';
import { PLANTED_BUGS } from './planted-bugs/all.ts';
import { FINISHES, runSeeds } from './pool.ts';
import type { SeedReport } from './run-seed.ts';

function sourceOf({ file }: Edit): string {
  return readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
}

/** What its seeds always have, as the document says it. */
function givenTo({ workload, faults = [], config = {} }: PlantedBug): string {
  const numbers = Object.entries(config).map(([name, value]) => `${name} ${value}`);
  return [workload, ...faults, ...numbers].join(', ');
}

describe('planted bugs', () => {
  test('have names of their own', () => {
    const names = PLANTED_BUGS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('stand in the document, each with what finds it and how soon', () => {
    const text = readFileSync(new URL('../../spec/simulation.md', import.meta.url), 'utf8');
    const rows = text.split('\n').filter((line) => /^\| `[a-z-]+` \| .* \| `[a-z-]+` \| \d+/.test(line));
    const expected = PLANTED_BUGS.map(
      (bug) =>
        `| \`${bug.name}\` | ${bug.story} | \`${bug.foundBy}\` | ${bug.withinSeeds} (${givenTo(bug)}) |`,
    );
    expect(rows).toEqual(expected);
  });

  test.each(PLANTED_BUGS)('$name: what it edits is there, once', ({ edits }) => {
    for (const edit of edits) {
      const times = sourceOf(edit).split(edit.find).length - 1;
      expect(times, `${edit.file}: ${edit.find}`).toBe(1);
    }
  });
});

describe('processes that run seeds', () => {
  async function reportsOf(edits: readonly Edit[], to: number, seedMsMax?: number): Promise<SeedReport[]> {
    const reports: SeedReport[] = [];
    await runSeeds({
      workers: 1,
      from: 1,
      to,
      edits,
      seedMsMax,
      onReport: (report) => {
        reports.push(report);
        return report.violations.length > 0;
      },
    });
    return reports;
  }

  test('find a bug that is planted', async () => {
    const bug = PLANTED_BUGS.find(({ name }) => name === 'answer-kept-for-ever')!;
    const reports = await reportsOf(bug.edits, bug.withinSeeds);
    expect(reports.at(-1)?.violations.map(({ invariant }) => invariant)).toContain(bug.foundBy);
  });

  test('say so when a bug cannot be planted', async () => {
    const edit = { file: 'src/protocol/endpoint.ts', find: 'no such text', replace: '' };
    const [report] = await reportsOf([edit], 1);
    expect(report?.violations[0]?.invariant).toBe(FINISHES);
    expect(report?.violations[0]?.detail).toContain('src/protocol/endpoint.ts has 0 times');
  });

  test('are ended when a seed comes to no end, and the seed is told', async () => {
    const edit = {
      file: 'src/protocol/endpoint.ts',
      find: 'receive(datagram: Uint8Array, from: PathAddress, nowMs: number): void {',
      replace: 'receive(datagram: Uint8Array, from: PathAddress, nowMs: number): void { for (;;) ;',
    };
    const reports = await reportsOf([edit], 1, 2000);
    expect(reports.map(({ seed, violations }) => [seed, violations[0]?.invariant])).toEqual([[1, FINISHES]]);
  });
});
