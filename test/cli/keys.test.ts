// Keys, lists of allowed clients, and what must never be shown of them.

import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { AllowList, parseAllowedKeys, SETTLED_AFTER_MS } from '../../src/cli/allow-list.ts';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { leaseSecret } from '../../src/cli/lease-secret.ts';
import { keepSecret } from '../../src/cli/secret-file.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { type FakeIo, fakeIo, run, testFolder } from './cli-fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

/** What nodes are reached over. */
const KINDS = ['udp', 'tcp'] as const;

const A_KEY = 'A'.repeat(43);
const KIND = { name: 'secret', remedy: 'make another' };

/** A node in this process; its address, and its complaints in `io.stderr`. */
async function startNode(args: readonly string[]): Promise<{ io: FakeIo; address: string }> {
  const io = fakeIo();
  const ended = run(['node', ...args], io);
  onTestFinished(async () => {
    io.interrupt();
    await ended;
  });
  await vi.waitUntil(() => io.stdout.text.includes('\n'), { timeout: 30_000, interval: 5 });
  return { io, address: io.stdout.text.trimEnd() };
}

async function gridOf(folder: string, address: string): Promise<string> {
  const path = join(folder, 'grid.yaml');
  await writeFile(path, `servers:\n  - ${address}\n`);
  return path;
}

const SMALL = ['--needed', '1', '--happy', '1', '--total', '1'];

describe('nevermind key', () => {
  test('makes a file for its owner only, and prints the public key, the same each time', async () => {
    const path = join(await testFolder(), 'my.key');
    const first = await run(['key', path]);
    expect(first).toMatchObject({ exitCode: EXIT.ok, stderr: '' });
    expect(first.stdout).toMatch(/^[\w-]{43}\n$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await run(['key', path])).stdout).toBe(first.stdout);
    expect(await readFile(path, 'utf8')).not.toContain(first.stdout.trim());
  });

  test('made by many at once is one key', async () => {
    const folder = await testFolder();
    let count = 0;
    const path = join(folder, 'secret');
    const all = await Promise.all(
      Array.from({ length: 20 }, () => keepSecret(path, KIND, () => `secret ${count++}`)),
    );
    expect(new Set(all).size).toBe(1);
    expect(await readdir(folder)).toEqual(['secret']);
  });

  test('removes what was left by who ended while making it, and nothing else', async () => {
    const folder = await testFolder();
    const path = join(folder, 'my.key');
    const leftOver = `${path}.0123456789abcdef.unfinished`;
    for (const _ of ['made', 'found']) {
      await writeFile(leftOver, 'half a key', { mode: 0o600 });
      await writeFile(join(folder, 'other.key.unfinished'), 'not ours');
      expect((await run(['key', path])).exitCode).toBe(EXIT.ok);
      expect((await readdir(folder)).sort()).toEqual(['my.key', 'other.key.unfinished']);
    }
  });

  test('that is made is on the disk, its name too', async () => {
    const path = join(await testFolder(), 'secret');
    const synced = vi.spyOn(nodeFiles, 'syncFolder').mockImplementation(async (folder) => {
      expect(await readdir(folder)).toContain('secret');
    });
    onTestFinished(() => synced.mockRestore());
    await keepSecret(path, KIND, () => 'secret');
    await keepSecret(path, KIND, () => 'another');
    expect(synced.mock.calls).toEqual([[dirname(path)]]);
  });

  test('that is no regular file is refused, and not waited for', async () => {
    const folder = await testFolder();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    for (const path of [pipe, folder, '/dev/zero']) {
      const { exitCode, stderr } = await run(['key', path]);
      expect(exitCode).toBe(EXIT.usage);
      expect(stderr).toContain('is no key file');
    }
  });

  test('that cannot be made leaves nothing behind', async () => {
    const folder = await testFolder();
    const path = join(folder, 'none', 'my.key');
    const { exitCode, stderr } = await run(['key', path]);
    expect(exitCode).toBe(EXIT.usage);
    expect(stderr).toContain('the key file cannot be used');
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([0o644, 0o640, 0o604])('refuses a file of mode %o, and says what to do', async (mode) => {
    const path = join(await testFolder(), 'my.key');
    await run(['key', path]);
    await chmod(path, mode);
    const { exitCode, stdout, stderr } = await run(['key', path]);
    expect({ exitCode, stdout }).toEqual({ exitCode: EXIT.usage, stdout: '' });
    expect(stderr).toContain(`mode ${mode.toString(8)}`);
    expect(stderr).toContain(`chmod 600 `);
  });

  test.each([
    ['nothing', ''],
    ['a public key', A_KEY],
    ['half a key', 'nevermind-secret-key-1:AAAA'],
    ['something long', 'x'.repeat(2000)],
  ])('refuses a file with %s in it, and shows nothing of it', async (_name, content) => {
    const path = join(await testFolder(), 'my.key');
    await writeFile(path, content, { mode: 0o600 });
    const { exitCode, stderr } = await run(['key', path]);
    expect(exitCode).toBe(EXIT.usage);
    expect(stderr).toContain('is no key file');
    expect(content === '' || !stderr.includes(content)).toBe(true);
  });
});

describe('the secret of leases', () => {
  const SECRET = Buffer.alloc(32, 7).toString('base64');

  test('made by many at once is one, for its owner only', async () => {
    const home = await testFolder();
    const all = await Promise.all(Array.from({ length: 20 }, () => leaseSecret({ HOME: home })));
    expect(new Set(all.map((secret) => Buffer.from(secret).toString('hex'))).size).toBe(1);
    const folder = join(home, '.config', 'nevermind');
    expect(await readdir(folder)).toEqual(['lease-secret']);
    expect((await stat(join(folder, 'lease-secret'))).mode & 0o777).toBe(0o600);
  });

  test('is as good as none where none can be kept', async () => {
    const home = await testFolder();
    const gone = { HOME: join(home, 'gone') };
    expect(await leaseSecret(gone)).toHaveLength(32);
    expect(await leaseSecret(gone)).not.toEqual(await leaseSecret(gone));
    await writeFile(join(home, '.config'), 'no folder');
    expect(await leaseSecret({ HOME: home })).toHaveLength(32);
    expect(await readdir(home)).toEqual(['.config']);
  });

  test('that is there is used as it is, or refused', async () => {
    const home = await testFolder();
    const path = join(home, 'nevermind', 'lease-secret');
    await mkdir(join(home, 'nevermind'));
    const env = { XDG_CONFIG_HOME: home };
    await writeFile(path, `${SECRET}\n`, { mode: 0o600 });
    expect(await leaseSecret(env)).toEqual(new Uint8Array(32).fill(7));
    await writeFile(path, SECRET.slice(4));
    await expect(leaseSecret(env)).rejects.toMatchObject({
      message: expect.stringContaining('is no lease secret'),
    });
    await writeFile(path, SECRET);
    await chmod(path, 0o644);
    await expect(leaseSecret(env)).rejects.toMatchObject({ next: expect.stringContaining('chmod 600') });
    expect(await leaseSecret({ ...env, NEVERMIND_LEASE_SECRET: SECRET })).toEqual(new Uint8Array(32).fill(7));
    await expect(leaseSecret({ NEVERMIND_LEASE_SECRET: 'x' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('a list of allowed clients', () => {
  test('has a key a line, notes behind it, comments and empty lines', () => {
    const { keys, badLines } = parseAllowedKeys(`# friends\n\n${A_KEY} Alice, since May\r\n  ${A_KEY}\n`);
    expect([...keys]).toEqual([A_KEY]);
    expect(badLines).toEqual([]);
  });

  test('counts the lines that let nobody in, and does not repeat them', () => {
    const { keys, badLines } = parseAllowedKeys(`${A_KEY}x\n${A_KEY}\n*\nall\n\0\n${A_KEY.slice(1)}\n`);
    expect([...keys]).toEqual([A_KEY]);
    expect(badLines.map((line) => /^line (\d+)/.exec(line)?.[1])).toEqual(['1', '3', '4', '5', '6']);
    expect(badLines.join()).not.toContain('AAAA');
  });

  test.each(['', '\n\n', '# nobody', '*', 'everybody'])('that says %j lets nobody in', (text) => {
    expect(parseAllowedKeys(text).keys.size).toBe(0);
  });
});

describe('a list that is written in place', () => {
  const ANOTHER_KEY = `${'B'.repeat(42)}A`;

  async function followed(
    text: string,
  ): Promise<{ path: string; io: FakeIo; clock: VirtualClock; list: AllowList }> {
    const path = join(await testFolder(), 'allowed');
    await writeFile(path, text);
    const io = fakeIo();
    const clock = new VirtualClock();
    const list = await AllowList.open(path, io, clock);
    onTestFinished(() => list[Symbol.dispose]());
    return { path, io, clock, list };
  }

  /** It was looked at, and is to be looked at once more. */
  const isSeen = (clock: VirtualClock): Promise<boolean> =>
    vi.waitUntil(() => clock.armedTimers === 1, { timeout: 30_000, interval: 5 });

  test.each(['', '# friends\n', `${A_KEY}\n${ANOTHER_KEY.slice(9)}`, `${A_KEY}\n`])(
    'and says %j for a moment locks out nobody who was in and is in again',
    async (halfway) => {
      const whole = `# friends\n${A_KEY}\n${ANOTHER_KEY}\n`;
      const { path, io, clock, list } = await followed(whole);
      await writeFile(path, halfway);
      await isSeen(clock);
      await writeFile(path, `${whole}# and more\n`);
      await clock.run({ forMs: SETTLED_AFTER_MS });
      await isSeen(clock);
      expect([A_KEY, ANOTHER_KEY].map(list.allows)).toEqual([true, true]);
      await clock.run({ forMs: SETTLED_AFTER_MS });
      expect([A_KEY, ANOTHER_KEY].map(list.allows)).toEqual([true, true]);
      expect(io.stderr.text).toBe('');
    },
  );

  test('and stays empty lets nobody in, and says so; a hangup makes that at once', async () => {
    const { path, io, clock, list } = await followed(`${A_KEY}\n`);
    await writeFile(path, '');
    await isSeen(clock);
    expect(list.allows(A_KEY)).toBe(true);
    await clock.run({ forMs: SETTLED_AFTER_MS });
    await vi.waitUntil(() => !list.allows(A_KEY), { interval: 5 });
    expect(io.stderr.text).toContain('nobody may use this node');
    await writeFile(path, A_KEY);
    io.hangUp();
    await vi.waitUntil(() => list.allows(A_KEY), { interval: 5 });
  });
});

describe.each(KINDS)('a node over %s', (kind) => {
  test('keeps its address over restarts, with key and swissnum for its owner only', async () => {
    const dir = await testFolder();
    const first = await startNode(['--dir', dir, '--transport', kind]);
    first.io.interrupt();
    await vi.waitUntil(async () => !(await readdir(dir)).includes('node.lock'), { interval: 5 });
    const second = await startNode(['--dir', dir, '--transport', kind]);
    const [before, after] = [parseAddress(first.address), parseAddress(second.address)];
    expect(after.key).toEqual(before.key);
    expect(after.swissnum).toBe(before.swissnum);
    for (const name of ['node.key', 'node.swissnum']) {
      expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
    }
  });

  test('does not start with a key that others can read', async () => {
    const dir = await testFolder();
    await run(['key', join(dir, 'node.key')]);
    await chmod(join(dir, 'node.key'), 0o644);
    const { exitCode, stdout, stderr } = await run(['node', '--dir', dir, '--transport', kind]);
    expect({ exitCode, stdout }).toEqual({ exitCode: EXIT.usage, stdout: '' });
    expect(stderr).toContain('chmod 600');
  });

  test('lets in whom its list names, and nobody else, as the list is now', async () => {
    const folder = await testFolder();
    const list = join(folder, 'allowed');
    const keyFile = join(folder, 'my.key');
    const { stdout: publicKey } = await run(['key', keyFile]);
    await writeFile(list, '# nobody yet\n');
    const args = ['--dir', join(folder, 'node'), '--transport', kind, '--allow', list];
    const { io, address } = await startNode(args);
    expect(io.stderr.text).toContain('nobody may use this node');
    const file = join(folder, 'file');
    await writeFile(file, 'x'.repeat(1000));
    const grid = await gridOf(folder, address);
    const put = (...more: string[]): ReturnType<typeof run> =>
      run(['put', file, '--grid', grid, '--transport', kind, ...SMALL, ...more]);
    const refused = await put('--key', keyFile);
    expect(refused.exitCode).not.toBe(EXIT.ok);
    expect(refused.stderr).toContain('does not allow it');

    await writeFile(`${list}.new`, `not a key\n${publicKey}`);
    await rename(`${list}.new`, list);
    io.hangUp();
    await vi.waitUntil(() => io.stderr.text.includes('line 1 '), { interval: 5 });
    expect(await put('--key', keyFile)).toMatchObject({ exitCode: EXIT.ok });
    expect((await put()).exitCode).not.toBe(EXIT.ok);

    // By itself, without a signal.
    await writeFile(list, '# nobody again\n');
    const complaints = (): number => io.stderr.text.split('nobody may use').length;
    await vi.waitUntil(() => complaints() === 3, { timeout: 30_000, interval: 5 });
    expect((await put('--key', keyFile)).exitCode).not.toBe(EXIT.ok);
  });

  test('whose list goes away stays as closed as it was', async () => {
    const folder = await testFolder();
    const list = join(folder, 'allowed');
    await writeFile(list, `${A_KEY}\n`);
    const args = ['--dir', join(folder, 'node'), '--transport', kind, '--allow', list];
    const { io, address } = await startNode(args);
    await rename(list, `${list}.gone`);
    io.hangUp();
    await vi.waitUntil(() => io.stderr.text.includes('stays as it was'), { interval: 5 });
    const file = join(folder, 'file');
    await writeFile(file, 'x'.repeat(1000));
    const grid = await gridOf(folder, address);
    const put = await run(['put', file, '--grid', grid, '--transport', kind, ...SMALL]);
    expect(put.exitCode).not.toBe(EXIT.ok);
    const missing = await run([...['node', ...args].slice(0, -1), join(folder, 'none')]);
    expect(missing.exitCode).not.toBe(EXIT.ok);
  });

  test('shows no secret in what its clients print, whatever goes wrong', async () => {
    const folder = await testFolder();
    const { io, address } = await startNode(['--dir', join(folder, 'node'), '--transport', kind]);
    const keyFile = join(folder, 'my.key');
    await run(['key', keyFile]);
    const file = join(folder, 'file');
    await writeFile(file, 'x'.repeat(1000));
    const grid = await gridOf(folder, address);
    const common = ['--grid', grid, '--transport', kind, '--key', keyFile, '--json', '--verbose'];
    const trace = kind === 'udp' ? ['--trace', join(folder, 'trace')] : [];
    const good = await run(['put', file, ...common, ...SMALL, ...trace]);
    expect(good).toMatchObject({ exitCode: EXIT.ok });
    const { swissnum } = parseAddress(address);
    await writeFile(grid, `servers:\n  - ${address.replace(swissnum, 'wrongwrong')}\n`);
    const refused = await run(['put', file, ...common, ...SMALL]);
    expect(refused.exitCode).not.toBe(EXIT.ok);
    await writeFile(grid, `servers:\n  - ${address.replace(/:\d+/, ':99999')}\n`);
    const malformed = await run(['put', file, ...common, ...SMALL]);
    expect(malformed.exitCode).toBe(EXIT.usage);

    const secrets = [
      swissnum,
      'wrongwrong',
      (await readFile(keyFile, 'utf8')).trim().split(':')[1]!,
      (await readFile(join(folder, 'node', 'node.key'), 'utf8')).trim().split(':')[1]!,
    ];
    const shown = [good, refused, malformed].flatMap(({ stdout, stderr }) => [stdout, stderr]);
    if (trace.length > 0) shown.push(await readFile(trace[1]!, 'utf8'));
    shown.push(io.stderr.text, process.title);
    for (const secret of secrets) {
      expect(shown.filter((text) => text.includes(secret))).toEqual([]);
    }
  });
});
