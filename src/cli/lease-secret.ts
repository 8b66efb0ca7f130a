// The secret that this user's leases are derived from: kept beside the grid file, made when it is first needed, so that
// a lease given today can be renewed tomorrow.

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileProblem, isErrnoException, usageError } from './failure.ts';
import type { CliEnv } from './io.ts';
import { parseBase64, quoteName } from './units.ts';

const SECRET_BYTES = 32;

/**
 * The secret of NEVERMIND_LEASE_SECRET, else of `nevermind/lease-secret` in the XDG configuration folder. Where there is
 * none and none can be kept, one that is good for this run: what it leases stays, and is leased anew the next time.
 * @throws CliError when one is there and cannot be used.
 */
export async function leaseSecret(env: CliEnv): Promise<Uint8Array> {
  if (env.NEVERMIND_LEASE_SECRET) {
    return decode(env.NEVERMIND_LEASE_SECRET, 'NEVERMIND_LEASE_SECRET', 'set it to');
  }
  const home = env.HOME || homedir();
  const folder = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'nevermind');
  const path = join(folder, 'lease-secret');
  const kept = await readIfThere(path);
  if (kept !== undefined) return decode(kept, quoteName(path), 'remove it, or write into it');
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  try {
    // A home that is not there is not made: it is that of a service which has none.
    await stat(env.XDG_CONFIG_HOME || home);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // `wx`: of two that come here at once, one wins; the other's leases are its own for this run.
    await writeFile(path, `${Buffer.from(secret).toString('base64')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!isErrnoException(error)) throw error;
  }
  return secret;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw usageError(
      `the lease secret cannot be read: ${fileProblem(error, path)}`,
      'make it readable, or set NEVERMIND_LEASE_SECRET',
    );
  }
}

function decode(text: string, what: string, remedy: string): Uint8Array {
  const bytes = parseBase64(text.trim());
  if (bytes?.length === SECRET_BYTES) return bytes;
  throw usageError(`${what} is no lease secret`, `${remedy} ${SECRET_BYTES} bytes in base64`);
}
