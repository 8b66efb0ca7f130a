// What goes wrong first where two programs share a format: sizes around every boundary, other encodings than the usual
// one, verifiers, leases, advice, and servers that take nothing.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { base32Decode } from '../../src/base/base32.ts';
import { formatCapability, parseCapability, verifierOf } from '../../src/tahoe/capability.ts';
import { assertSame } from './assertions.ts';
import { get, put, succeed } from './ours.ts';
import { type Daemon, dumpShare, ENCODING, type TahoeClient, type TahoeNode } from './tahoe.ts';

/** Literals up to 55 bytes; the segments of long ago, 128 KiB; those of today, 1 MiB, which 3 does not divide. */
const SIZES_BYTES = [
  ...[0, 1, 55, 56, 57],
  ...[128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1],
  ...[2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 2 ** 20 + 2, 3 * 2 ** 20],
];

export async function sizes(client: TahoeClient, gridFile: string): Promise<void> {
  const secret = Buffer.from(base32Decode(await client.text('private', 'convergence'))!).toString('base64');
  for (const sizeBytes of SIZES_BYTES) {
    const file = randomBytes(sizeBytes);
    const theirs = await client.put(file);
    assertSame(await get(theirs, gridFile), file);
    assert.equal(await put(file, gridFile, ['--convergence', secret]), theirs, `${sizeBytes} bytes`);
    assertSame(await client.get(await put(file, gridFile)), file);
  }
}

export async function encodings(client: TahoeClient, gridFile: string): Promise<void> {
  const file = randomBytes(1_234_567);
  for (const [needed, total] of [
    [1, 1],
    [2, 3],
    [20, 30],
  ] as const) {
    const shares = ['--needed', `${needed}`, '--happy', '1', '--total', `${total}`];
    const capability = await put(file, gridFile, shares);
    assertSame(await client.get(capability), file);
    const health = await client.check(capability, true);
    assert.deepEqual([health.healthy, health['count-shares-good']], [true, total], `${needed} of ${total}`);
  }
}

/** Tahoe-LAFS's own web API takes none. */
export async function verifier(theirs: string, gridFile: string): Promise<void> {
  const capability = verifierOfText(theirs);
  for (const verb of ['check', 'verify', 'repair']) await succeed([verb, capability, '--grid', gridFile]);
}

function verifierOfText(capability: string): string {
  const parsed = parseCapability(capability);
  assert.equal(parsed.kind, 'chk');
  return formatCapability(verifierOf(parsed as Extract<typeof parsed, { kind: 'chk' }>));
}

/** Its server was told that this share is damaged, and has written that down. */
export async function advised(shareFile: string): Promise<void> {
  const storageIndex = basename(dirname(shareFile));
  const storage = join(dirname(shareFile), '..', '..', '..');
  const advice = await readdir(join(storage, 'corruption-advisories'));
  const name = new RegExp(`--${storageIndex}-${basename(shareFile)}$`);
  assert.ok(
    advice.some((file) => name.test(file)),
    `advice of ${storageIndex}: ${advice}`,
  );
}

/** A share that Tahoe-LAFS's client put on one of our nodes gets a lease of ours beside its own, and each renews its own. */
export async function leases(
  tahoe: string,
  client: TahoeClient,
  capability: string,
  { gridFile, folders }: { readonly gridFile: string; readonly folders: readonly string[] },
): Promise<void> {
  await succeed(['check', capability, '--add-lease', '--grid', gridFile]);
  await client.addLease(capability);
  await succeed(['check', capability, '--add-lease', '--grid', gridFile]);
  const words = await dumpShare(tahoe, await someShareOf(capability, gridFile, folders));
  const found = words.match(/^ *Lease #\d+: .*expire in .*$/gm) ?? [];
  assert.equal(found.length, 2, words);
  for (const lease of found) assert.match(lease, /expire in 26\d\d\d\d\ds|expire in 3[01]\.?\d* ?d/, words);
}

async function someShareOf(
  capability: string,
  gridFile: string,
  folders: readonly string[],
): Promise<string> {
  const lines = String(await succeed(['check', capability, '--json', '--grid', gridFile]));
  const { storageIndex } = JSON.parse(lines.trim().split('\n').at(-1)!) as { storageIndex: string };
  for (const folder of folders) {
    const shares = join(folder, 'shares', storageIndex.slice(0, 2), storageIndex);
    for (const name of await readdir(shares).catch(() => [])) return join(shares, name);
  }
  throw new Error(`nobody has a share of ${storageIndex}`);
}

/** A server that is stopped costs no more than it costs without a gateway. */
export async function whileStopped(server: Daemon, body: () => Promise<void>): Promise<void> {
  server.freeze();
  try {
    await body();
  } finally {
    server.thaw();
  }
}

/** From its next start on. */
export async function makeReadOnly(server: TahoeNode): Promise<void> {
  const path = join(server.folder, 'tahoe.cfg');
  const config = await readFile(path, 'utf8');
  assert.match(config, /^\[storage\]$/m);
  await writeFile(path, config.replace(/^\[storage\]$/m, '[storage]\nreadonly = true'));
}

export async function readOnly(
  grids: readonly { readonly client: TahoeClient; readonly gridFile: string }[],
  folders: readonly string[],
): Promise<void> {
  const before = await Promise.all(folders.map(countShares));
  const file = randomBytes(500_000);
  for (const { client, gridFile } of grids) {
    for (const capability of [await client.put(file), await put(file, gridFile, ['--happy', '4'])]) {
      assertSame(await client.get(capability), file);
      assertSame(await get(capability, gridFile), file);
      // Each of the others has one; the fifth is a second one, which nobody waits for long on a busy machine.
      const good = (await client.check(capability, true))['count-shares-good'];
      assert.ok(good >= ENCODING.total - 1, `${good} shares`);
    }
  }
  assert.deepEqual(await Promise.all(folders.map(countShares)), before);
}

async function countShares(folder: string): Promise<number> {
  const entries = await readdir(join(folder, 'shares'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}
