import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { CliError } from '../../src/cli/failure.ts';
import { loadGrid, parseGrid } from '../../src/cli/grid-file.ts';
import { testFolder } from './cli-fixture.ts';

function refusal(text: string): CliError {
  try {
    parseGrid(text, 'grid.yaml');
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error(`this was read: ${text}`);
}

const KEY = 'A'.repeat(43);

describe('a grid file', () => {
  test('lists addresses', () => {
    const { servers } = parseGrid(
      `servers:\n  - nm://${KEY}@10.0.0.1:4820/s\n  - nm://${KEY}@nas.local:4821/s\n`,
      'grid.yaml',
    );
    expect(servers).toEqual([
      { address: `nm://${KEY}@10.0.0.1:4820/s`, permutationSeed: undefined },
      { address: `nm://${KEY}@nas.local:4821/s`, permutationSeed: undefined },
    ]);
  });

  test('may be JSON, indented with tabs', () => {
    const text = JSON.stringify(
      { servers: [`nm://${KEY}@[::1]:4820/s`, { address: `nm://${KEY}@10.0.0.1:4820/s` }] },
      null,
      '\t',
    );
    expect(parseGrid(text, 'grid.json').servers.map(({ address }) => address)).toEqual([
      `nm://${KEY}@[::1]:4820/s`,
      `nm://${KEY}@10.0.0.1:4820/s`,
    ]);
  });

  test('may give a server its place in the permutation', () => {
    const text = `servers:\n  - address: nm://${KEY}@10.0.0.1:4820/s\n    permutation-seed-base32: MFRGG\n`;
    expect(parseGrid(text, 'grid.yaml').servers[0]!.permutationSeed).toEqual(new Uint8Array([97, 98, 99]));
  });

  test('is as the example in its documentation', async () => {
    const documentation = await readFile(new URL('../../spec/grid-file.md', import.meta.url), 'utf8');
    const examples = [...documentation.matchAll(/```(?:yaml|json)\n([\s\S]*?)```/g)].map(
      (match) => match[1]!,
    );
    expect(examples.length).toBeGreaterThanOrEqual(2);
    for (const example of examples) expect(parseGrid(example, 'spec/grid-file.md').servers).not.toEqual([]);
  });
});

describe('a grid file that cannot be used', () => {
  test.each([
    ['', 'the list "servers" is missing', 1],
    [`- nm://${KEY}@10.0.0.1:1/s\n`, 'the list "servers" is missing', 1],
    ['# none yet\nservers: []\n', 'servers is empty', 2],
    [`servers: nm://${KEY}@10.0.0.1:1/s\n`, `servers is "nm://10.0.0.1:1", not a list`, 1],
    ['servers:\n', 'servers is null, not a list', 1],
    [
      `servers:\n  - nm://${KEY}@10.0.0.1:1/s\n  - 10.0.0.2:4820\n`,
      'servers[1] is "10.0.0.2:4820", not an address',
      3,
    ],
    ['servers:\n  - nm://10.0.0.1:1\n', 'servers[0] is "nm://10.0.0.1:1", not an address', 2],
    [`servers:\n  - nm://${KEY}@10.0.0.1:99999/s\n`, 'servers[0] is "nm://…", not an address', 2],
    ['servers:\n  - 7\n', 'a server is 7', 2],
    ['servers:\n  -\n', 'a server is null', 2],
    [`servers:\n  - adress: nm://${KEY}@10.0.0.1:1/s\n`, 'a server has no "address"', 2],
    ['servers:\n  - address: 4820\n', 'servers[0].address is 4820, not an address', 2],
    [`servers:\n  - address: nm://${KEY}@10.0.0.1:1/s\n    seed: aa\n`, 'unknown field "seed"', 3],
    [`servers:\n  - address: nm://${KEY}@a:1/s\n    permutation-seed-base32: "0"\n`, 'is no base32', 3],
    [`servers:\n  - nm://${KEY}@a:1/s\nnodes: 3\n`, 'unknown field "nodes"', 3],
    [
      `servers:\n  - nm://${KEY}@a:1/s\n  - nm://${KEY}@b:1/s\n  - nm://${KEY}@a:1/s/\n`,
      `nm://a:1 is listed twice, here and on line 2`,
      4,
    ],
  ])('%j: %s, line %d', (text, problem, line) => {
    const error = refusal(text);
    expect(error.message).toContain(problem);
    expect(error.message).toMatch(new RegExp(`^grid\\.yaml, line ${line}: `));
    expect(error.next).toBeTruthy();
    expect(error.exitCode).toBe(EXIT.usage);
  });

  test('tells the column of broken YAML and of broken JSON', () => {
    expect(refusal(`servers: [nm://${KEY}@a:1/s\n`).message).toMatch(/^grid\.yaml, line \d+: .*column \d+/);
    expect(refusal(`{"servers": ["nm://${KEY}@a:1/s"]\n`).message).toMatch(
      /^grid\.yaml, line \d+: .*column \d+/,
    );
  });

  test('says what to write for an address that is nearly right', () => {
    for (const nearly of ['10.0.0.2:4820', 'nm://nas.local', 'nm://nas.local:4820']) {
      expect(refusal(`servers: ["${nearly}"]`).next).toContain('nm://KEY@HOST:PORT/SWISSNUM');
    }
  });

  test('is not blown up by aliases that multiply', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]', ...'bcdefghi'].map((line, index, lines) =>
      index === 0 ? line : `${line}: &${line} [${Array(9).fill(`*${lines[index - 1]![0]}`)}]`,
    );
    expect(() => parseGrid(`${bomb.join('\n')}\nservers: *i\n`, 'grid.yaml')).toThrow(CliError);
  });
});

describe('the grid file that is used', () => {
  test('is that of the flag, else of the environment, else of the XDG folder', async () => {
    const folder = await testFolder();
    await mkdir(join(folder, 'nevermind'));
    for (const [name, host] of [
      ['flag.yaml', 'flag'],
      ['environment.yaml', 'environment'],
      ['nevermind/grid.yaml', 'xdg'],
    ] as const) {
      await writeFile(join(folder, name), `servers: [nm://${KEY}@${host}:1/s]`);
    }
    const env = { XDG_CONFIG_HOME: folder, NEVERMIND_GRID: join(folder, 'environment.yaml') };
    const used = async (...args: Parameters<typeof loadGrid>): Promise<string> =>
      (await loadGrid(...args)).servers[0]!.address;
    expect(await used(join(folder, 'flag.yaml'), env)).toBe(`nm://${KEY}@flag:1/s`);
    expect(await used(undefined, env)).toBe(`nm://${KEY}@environment:1/s`);
    expect(await used(undefined, { XDG_CONFIG_HOME: folder })).toBe(`nm://${KEY}@xdg:1/s`);
  });

  test('is missed with a word on all the places where it may be', async () => {
    const error = await loadGrid(undefined, { HOME: await testFolder() }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).next).toMatch(/--grid FILE.*NEVERMIND_GRID.*\.config\/nevermind\/grid\.yaml/);
  });

  test('that is named but not there is an error, not a reason to look elsewhere', async () => {
    const named = loadGrid(undefined, { NEVERMIND_GRID: '/nonexistent/grid.yaml' });
    await expect(named).rejects.toThrow('no such file or folder: /nonexistent/grid.yaml');
  });
});

test.skipIf(process.platform === 'win32')('a file that never ends is no grid file', async () => {
  await expect(loadGrid('/dev/zero', {})).rejects.toThrow('/dev/zero is no grid file: it has more than');
});

describe('a preferred server', () => {
  test('says so with true or false', () => {
    const text = (value: string) =>
      `servers:\n  - address: nm://${KEY}@10.0.0.1:4820/s\n    preferred: ${value}\n`;
    expect(parseGrid(text('true'), 'grid.yaml').servers[0]?.isPreferred).toBe(true);
    expect(parseGrid(text('false'), 'grid.yaml').servers[0]?.isPreferred).toBeUndefined();
    expect(() => parseGrid(text('1'), 'grid.yaml')).toThrow(/line 3: servers\[0\]\.preferred is neither/);
  });
});
