import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { fakeIo, run, testFolder } from './cli-fixture.ts';

const CAP = ['cap', '--convergence', 'YWFh'];

describe('a command line that cannot be understood', () => {
  test.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['putt', 'file'], 'Did you mean put?'],
    [['put'], "missing required argument 'file'"],
    [['put', 'a', 'b'], 'too many arguments'],
    [['get'], "missing required argument 'capability'"],
    [['cap', 'file'], 'give --convergence BASE64'],
    [[...CAP, 'file', '--needed', '0'], 'Give a whole number from 1 to 256.'],
    [[...CAP, 'file', '--total', '257'], 'Give a whole number from 1 to 256.'],
    [[...CAP, 'file', '--segment-size', '1.5'], 'such as 131072 or 128KiB'],
    [['cap', 'file', '--convergence', 'not base64'], 'Give bytes in base64'],
    [[...CAP, 'file', '--needed', '4', '--total', '3'], '--needed 4 is more than --total 3'],
    [['put', 'file', '--grid', 'x', '--happy', '11'], '--happy 11 is more than --total 10'],
    [['node'], "required option '--dir <folder>' not specified"],
    [['node', '--dir', 'd', '--port', '65536'], 'Give a whole number from 0 to 65535.'],
    [['demo', '--nodes', '4'], '4 nodes are too few for 3 silent ones'],
    [['demo', '--nodes', '0'], 'Give a whole number from 1 to 100.'],
    [['--nonsense'], "unknown option '--nonsense'"],
  ])('%j: %s', async (args, complaint) => {
    const { exitCode, stdout, stderr } = await run(args);
    expect(exitCode).toBe(EXIT.usage);
    expect(stderr).toContain(complaint);
    expect(stdout).toBe('');
  });

  test('without a verb gets the help, on standard error', async () => {
    const { exitCode, stdout, stderr } = await run([]);
    expect(exitCode).toBe(EXIT.usage);
    expect(stdout).toBe('');
    expect(stderr).toContain('Usage: nevermind');
  });
});

describe('help and version', () => {
  test.each([['--help'], ['help'], ['put', '--help'], ['node', '--help'], ['demo', '-h']])(
    'are printed on standard output: %s %s',
    async (...args) => {
      const { exitCode, stdout, stderr } = await run(args.filter((arg) => arg !== undefined));
      expect(exitCode).toBe(EXIT.ok);
      expect(stdout).toContain('Usage: nevermind');
      expect(stderr).toBe('');
    },
  );

  test('the version is that of the package', async () => {
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    const { exitCode, stdout } = await run(['--version']);
    expect(exitCode).toBe(EXIT.ok);
    expect(stdout.trim()).toBe((JSON.parse(text) as { version: string }).version);
  });
});

describe('cap', () => {
  // The first is of Tahoe-LAFS's published vectors; the sizes are where a literal ends and a share begins.
  test.each([
    [
      4096,
      [
        '--convergence',
        'YWFhYWFhYWFhYWFhYWFhYQ==',
        '--needed',
        '2',
        '--total',
        '3',
        '--segment-size',
        '131072',
      ],
      'URI:CHK:7wz5dhkyob3gmkydzgbptk5qku:cl6ovq5a3km7rpfhyb3putg656sp57lhnp7aexbocsbbahdxnfia:2:3:4096',
    ],
    [0, ['--convergence', ''], 'URI:LIT:'],
    [1, ['--convergence', ''], 'URI:LIT:mm'],
    [5, ['--convergence', 'YWFh'], 'URI:LIT:mnrwgy3d'],
  ])('prints what a file of %d times "c" would get', async (size, options, capability) => {
    const path = join(await testFolder(), 'sample');
    await writeFile(path, 'c'.repeat(size));
    expect(await run(['cap', path, ...options])).toEqual({
      exitCode: 0,
      stdout: `${capability}\n`,
      stderr: '',
    });
  });

  test('takes the secret from the environment too, where no other user sees it', async () => {
    const path = join(await testFolder(), 'sample');
    await writeFile(path, Buffer.alloc(100, 'x'));
    const byFlag = await run([...CAP, path]);
    const byEnvironment = await run(['cap', path], fakeIo({ env: { NEVERMIND_CONVERGENCE: 'YWFh' } }));
    expect(byEnvironment).toEqual(byFlag);
    const wrong = await run(['cap', path], fakeIo({ env: { NEVERMIND_CONVERGENCE: '!' } }));
    expect(wrong.exitCode).toBe(EXIT.usage);
    expect(wrong.stderr).toContain('NEVERMIND_CONVERGENCE is not base64');
  });

  test('is the same for a file and for standard input', async () => {
    const path = join(await testFolder(), 'sample');
    const content = Buffer.alloc(200_000, 'sample');
    await writeFile(path, content);
    const fromFile = await run([...CAP, path]);
    const chunks = [content.subarray(0, 7), content.subarray(7, 100_000), content.subarray(100_000)];
    const fromStdin = await run([...CAP, '-'], fakeIo({ stdin: chunks }));
    expect(fromFile.stdout).toMatch(/^URI:CHK:/);
    expect(fromStdin).toEqual(fromFile);
  });

  test('names the missing file, what it was doing and what to do', async () => {
    const { exitCode, stdout, stderr } = await run([...CAP, '/nonexistent/file']);
    expect(exitCode).toBe(EXIT.other);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^nevermind cap: no such file or folder: \/nonexistent\/file \(reading, after \d+ ms\)\n {2}next: check the name/,
    );
  });

  test('stops when the user interrupts, and says how to go on', async () => {
    const path = join(await testFolder(), 'sample');
    await writeFile(path, Buffer.alloc(100_000));
    const io = fakeIo();
    io.interrupt();
    const { exitCode, stdout, stderr } = await run([...CAP, path], io);
    expect(exitCode).toBe(EXIT.interrupted);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^nevermind cap: stopped by SIGINT .*\n {2}next: .*run the same command again\n$/);
  });
});

describe('get', () => {
  test('of a literal needs no grid', async () => {
    const { exitCode, stdout } = await run(['get', 'URI:LIT:nbswy3dpbi']);
    expect(exitCode).toBe(EXIT.ok);
    expect(stdout).toBe('hello\n');
  });

  test.each([
    ['nonsense', 'give the whole capability'],
    ['URI:CHK:abc', 'give the whole capability'],
    ['URI:LIT:1', 'give the whole capability'],
    ['URI:DIR2:a:b', 'use a client of Tahoe-LAFS for mutable files and directories'],
    ['URI:MDMF-RO:a:b', 'use a client of Tahoe-LAFS for mutable files and directories'],
  ])('refuses %s without asking anybody, and never shows a secret', async (capability, next) => {
    const { exitCode, stderr } = await run(['get', capability]);
    expect(exitCode).toBe(EXIT.usage);
    expect(stderr).toContain(`next: ${next}`);
  });

  test('tells in JSON what went wrong, with the summary as the last line', async () => {
    const io = fakeIo();
    const { exitCode } = await run(['get', 'nonsense', '--json', '-o', '/nonexistent/file'], io);
    const last = io.stdout.text.trimEnd().split('\n').at(-1)!;
    expect(JSON.parse(last)).toMatchObject({
      type: 'summary',
      version: 1,
      ok: false,
      exitCode,
      error: { code: 'NOT_A_CAPABILITY' },
    });
  });

  test('keeps JSON lines away from the file on standard output', async () => {
    const io = fakeIo();
    await run(['get', 'URI:LIT:nbswy3dpbi', '--json'], io);
    expect(io.stdout.text).toBe('hello\n');
    const last = io.stderr.text.trimEnd().split('\n').at(-1)!;
    expect(JSON.parse(last)).toMatchObject({ type: 'summary', version: 1, ok: true, fileBytes: 6 });
  });
});

test('every exit code is documented as it is', async () => {
  const documentation = await readFile(new URL('../../spec/exit-codes.md', import.meta.url), 'utf8');
  const documented = [...documentation.matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
  expect(documented).toEqual(Object.values(EXIT).toSorted((a, b) => a - b));
});

test.each([
  ['EPIPE', EXIT.outputClosed],
  ['ENOSPC', EXIT.other],
])('a result that standard output does not take (%s) is not lost without a word', async (code, exitCode) => {
  const file = join(await testFolder(), 'file');
  await writeFile(file, 'content');
  const io = fakeIo();
  io.stdout._write = (_chunk, _encoding, done) => done(Object.assign(new Error(`write ${code}`), { code }));
  io.stdout.on('error', () => {});
  const outcome = await run([...CAP, file], io);
  expect(outcome.exitCode).toBe(exitCode);
  expect(outcome.stderr).toContain('all was done, but the result could not be shown');
  expect(outcome.stderr).toContain('run the same command again');
});
