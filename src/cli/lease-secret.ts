// The secret that this user's leases are derived from: kept beside the grid file, made when it is first needed, so that
// a lease given today can be renewed tomorrow.

import { randomBytes } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CliError, isErrnoException, usageError } from './failure.ts';
import type { CliEnv } from './io.ts';
import { findSecret, keepSecret, noSecret, type SecretKind } from './secret-file.ts';
import { parseBase64 } from './units.ts';

const SECRET_BYTES = 32;

const LEASE_SECRET: SecretKind = {
  name: 'lease secret',
  remedy: `write ${SECRET_BYTES} bytes in base64 into it, or remove it: what is leased then is leased anew`,
};

/**
 * The secret of NEVERMIND_LEASE_SECRET, else of `nevermind/lease-secret` in the XDG configuration folder. Where there is
 * none and none can be kept, one that is good for this run: what it leases stays, and is leased anew the next time.
 * @throws CliError when one is there and cannot be used.
 */
export async function leaseSecret(env: CliEnv): Promise<Uint8Array> {
  if (env.NEVERMIND_LEASE_SECRET) {
    const given = decode(env.NEVERMIND_LEASE_SECRET);
    if (given !== undefined) return given;
    throw usageError(
      'NEVERMIND_LEASE_SECRET is no lease secret',
      `set it to ${SECRET_BYTES} bytes in base64`,
    );
  }
  const home = env.HOME || homedir();
  const path = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'nevermind', 'lease-secret');
  const text = (await findSecret(path, LEASE_SECRET)) ?? (await made(path, env.XDG_CONFIG_HOME || home));
  const secret = decode(text);
  if (secret === undefined) throw noSecret(path, LEASE_SECRET);
  return secret;
}

/** A new one, kept if it can be. A `home` that is not there is not made: it is that of a service which has none. */
async function made(path: string, home: string): Promise<string> {
  const secret = randomBytes(SECRET_BYTES).toString('base64');
  try {
    await stat(home);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return await keepSecret(path, LEASE_SECRET, () => secret);
  } catch (error) {
    if (isErrnoException(error) || (error instanceof CliError && isErrnoException(error.cause)))
      return secret;
    throw error;
  }
}

function decode(text: string): Uint8Array | undefined {
  const bytes = parseBase64(text.trim());
  return bytes?.length === SECRET_BYTES ? bytes : undefined;
}
