// Secrets that live in files: the key of a node or a client, the swissnum of an address. Made once, whole or not at all,
// readable to their owner only; a file that others can read is refused, for it is no secret any more.

import { randomBytes } from 'node:crypto';
import { link, open, rm, writeFile } from 'node:fs/promises';
import { base64urlDecode, base64urlEncode } from '../base/base64url.ts';
import { generateIdentity, Identity, KEY_BYTES } from '../session/identity.ts';
import { systemRandom } from '../transport/system-random.ts';
import { EXIT } from './exit-codes.ts';
import { CliError, fileProblem, isErrnoException } from './failure.ts';
import { quoteName } from './units.ts';

/** What stands before the key, so that nobody takes it for a public one. */
const PREFIX = 'nevermind-secret-key-1:';
/** Group and others. */
const OTHERS_MODE = 0o077;
/** No secret of ours is longer; a file that is, is something else. */
const SECRET_FILE_BYTES_MAX = 1000;

/** The key in a file. @throws CliError KEY_FILE, which says what is wrong with it and shows nothing of it. */
export async function readKeyFile(path: string): Promise<Identity> {
  return identityOf(await readSecretFile(path), path);
}

/** The key in a file, which is made when it is not there. @throws CliError KEY_FILE. */
export async function keepKeyFile(path: string): Promise<Identity> {
  return identityOf(
    await keepSecretFile(
      path,
      () => PREFIX + base64urlEncode(generateIdentity(systemRandom).revealSecretKey()),
    ),
    path,
  );
}

/**
 * The one line in a file, which is made, with mode 0600, when it is not there: of several processes that come here at
 * once, one makes it and all get the same. @throws CliError KEY_FILE.
 */
export async function keepSecretFile(path: string, make: () => string): Promise<string> {
  try {
    return await readSecretFile(path);
  } catch (error) {
    if (!(error instanceof CliError) || !isMissing(error.cause)) throw error;
  }
  // Written aside and linked: whoever sees the file sees all of it.
  const mine = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    await writeFile(mine, `${make()}\n`, { flag: 'wx', mode: 0o600, flush: true });
    await link(mine, path).catch((error: unknown) => {
      if (!isErrnoException(error) || error.code !== 'EEXIST') throw error;
    });
  } catch (error) {
    throw unusable(error, path);
  } finally {
    await rm(mine, { force: true });
  }
  return readSecretFile(path);
}

async function readSecretFile(path: string): Promise<string> {
  try {
    // What is looked at is what is read, whatever happens to the name meanwhile.
    await using file = await open(path, 'r');
    const { mode, size } = await file.stat();
    // Windows has no such modes.
    if (process.platform !== 'win32' && (mode & OTHERS_MODE) !== 0) {
      throw keyError(
        `others than its owner may read ${quoteName(path)} (mode ${(mode & 0o777).toString(8)})`,
        `if nobody else has read it: chmod 600 ${quoteName(path)}; otherwise remove it and make a new one`,
      );
    }
    if (size > SECRET_FILE_BYTES_MAX) throw notASecret(path);
    return (await file.readFile('utf8')).trim();
  } catch (error) {
    throw unusable(error, path);
  }
}

function identityOf(text: string, path: string): Identity {
  const key = text.startsWith(PREFIX) ? base64urlDecode(text.slice(PREFIX.length)) : undefined;
  if (key?.length !== KEY_BYTES) throw notASecret(path);
  return new Identity(key);
}

function notASecret(path: string): CliError {
  return keyError(
    `${quoteName(path)} is no key file`,
    'bring it back from a backup, or make another with "nevermind key FILE"; another key is another address',
  );
}

function unusable(error: unknown, path: string): unknown {
  if (!isErrnoException(error)) return error;
  const next = error.code === 'ENOENT' ? 'make one with "nevermind key FILE"' : undefined;
  return keyError(`the key file cannot be used: ${fileProblem(error, path)}`, next, error);
}

function keyError(message: string, next: string | undefined, cause?: unknown): CliError {
  return new CliError(message, { code: 'KEY_FILE', exitCode: EXIT.usage, ...(next && { next }), cause });
}

function isMissing(cause: unknown): boolean {
  return isErrnoException(cause) && cause.code === 'ENOENT';
}
