// Secrets that live in files: keys, swissnums, what leases are derived from. Made once, whole or not at all, readable to
// their owner only; a file that others can read is refused, for it is no secret any more. What it says is for
// whoever keeps it there.

import { randomBytes } from 'node:crypto';
import { constants, link, open, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { nodeFiles } from '../storage/node-files.ts';
import { EXIT } from './exit-codes.ts';
import { CliError, fileProblem, isErrnoException } from './failure.ts';
import { quoteName } from './units.ts';

/** What is kept in a file, in words. */
export interface SecretKind {
  /** As in "is no key file". */
  readonly name: string;
  /** What the user may do about one that cannot be used, as a clause. */
  readonly remedy: string;
}

/** Group and others. */
const OTHERS_MODE = 0o077;
/** No secret of ours is longer, a private key with its certificate included; a file that is, is something else. */
const SECRET_FILE_BYTES_MAX = 16_384;
/** A pipe without a writer, or a device, is opened to be looked at, not to be waited for. Windows has no such flag. */
const READ_WITHOUT_WAITING: number = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** How the name of a file ends that is not yet where it belongs. */
const UNFINISHED = '.unfinished';

/**
 * What a file holds, without the blanks around it; `undefined` when there is no such file.
 * @throws CliError KEY_FILE when it cannot be used.
 */
export async function findSecret(path: string, kind: SecretKind): Promise<string | undefined> {
  try {
    return await readSecret(path, kind);
  } catch (error) {
    if (isErrnoException(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw unusable(error, path, kind);
  }
}

/**
 * What a file holds; it is made, with mode 0600, when it is not there: of several processes that come here at
 * once, one makes it and all get the same. @throws CliError KEY_FILE.
 */
export async function keepSecret(path: string, kind: SecretKind, make: () => string): Promise<string> {
  return (await findSecret(path, kind)) ?? (await makeSecret(path, kind, make()));
}

/** Written aside and linked: whoever sees the file sees all of it. */
async function makeSecret(path: string, kind: SecretKind, secret: string): Promise<string> {
  const mine = `${path}.${randomBytes(8).toString('hex')}${UNFINISHED}`;
  try {
    await writeFile(mine, `${secret}\n`, { flag: 'wx', mode: 0o600, flush: true });
    await link(mine, path).catch((error: unknown) => {
      // Somebody else was first, and may have removed ours already.
      if (!isErrnoException(error) || (error.code !== 'EEXIST' && error.code !== 'ENOENT')) throw error;
    });
    await nodeFiles.syncFolder(dirname(path));
    return await readSecret(path, kind);
  } catch (error) {
    throw unusable(error, path, kind);
  } finally {
    await rm(mine, { force: true });
  }
}

/** What a file holds is something else: nothing of it is shown. */
export function noSecret(path: string, kind: SecretKind): CliError {
  return secretError(`${quoteName(path)} is no ${kind.name}`, kind.remedy);
}

async function readSecret(path: string, kind: SecretKind): Promise<string> {
  // What is looked at is what is read, whatever happens to the name meanwhile.
  await using file = await open(path, READ_WITHOUT_WAITING);
  const status = await file.stat();
  if (!status.isFile()) throw noSecret(path, kind);
  // Windows has no such modes.
  if (process.platform !== 'win32' && (status.mode & OTHERS_MODE) !== 0) {
    throw secretError(
      `others than its owner may read ${quoteName(path)} (mode ${(status.mode & 0o777).toString(8)})`,
      `if nobody else has read it: chmod 600 ${quoteName(path)}; otherwise remove it and make a new one`,
    );
  }
  if (status.size > SECRET_FILE_BYTES_MAX) throw noSecret(path, kind);
  const secret = (await file.readFile('utf8')).trim();
  await removeUnfinished(path);
  return secret;
}

/**
 * What processes have left that ended while they made this file: each holds a secret. Only when the file is there: who is
 * making it at this moment does without its own then. Where nothing can be removed, it stays.
 */
async function removeUnfinished(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  const leftOver = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(UNFINISHED));
  await Promise.allSettled(leftOver.map((name) => rm(join(folder, name))));
}

function unusable(error: unknown, path: string, kind: SecretKind): unknown {
  if (!isErrnoException(error)) return error;
  return secretError(`the ${kind.name} cannot be used: ${fileProblem(error, path)}`, undefined, error);
}

function secretError(message: string, next: string | undefined, cause?: unknown): CliError {
  return new CliError(message, { code: 'KEY_FILE', exitCode: EXIT.usage, ...(next && { next }), cause });
}
