// Keys of nodes and clients in files: what stands in them. How secrets are kept is secret-file.ts.

import { base64urlDecode, base64urlEncode } from '../base/base64url.ts';
import { generateIdentity, Identity, KEY_BYTES } from '../session/identity.ts';
import { systemRandom } from '../transport/system-random.ts';
import { EXIT } from './exit-codes.ts';
import { CliError } from './failure.ts';
import { findSecret, keepSecret, noSecret, type SecretKind } from './secret-file.ts';
import { quoteName } from './units.ts';

/** What stands before the key, so that nobody takes it for a public one. */
const PREFIX = 'nevermind-secret-key-1:';

const KEY_FILE: SecretKind = {
  name: 'key file',
  remedy:
    'bring it back from a backup, or make another with "nevermind key FILE"; another key is another address',
};

/** The key in a file. @throws CliError KEY_FILE, which says what is wrong with it and shows nothing of it. */
export async function readKeyFile(path: string): Promise<Identity> {
  const text = await findSecret(path, KEY_FILE);
  if (text !== undefined) return identityOf(text, path);
  throw new CliError(`the key file cannot be used: ${quoteName(path)} is not there`, {
    code: 'KEY_FILE',
    exitCode: EXIT.usage,
    next: 'make one with "nevermind key FILE"',
  });
}

/** The key in a file, which is made when it is not there. @throws CliError KEY_FILE. */
export async function keepKeyFile(path: string): Promise<Identity> {
  const make = (): string => PREFIX + base64urlEncode(generateIdentity(systemRandom).revealSecretKey());
  return identityOf(await keepSecret(path, KEY_FILE, make), path);
}

function identityOf(text: string, path: string): Identity {
  const key = text.startsWith(PREFIX) ? base64urlDecode(text.slice(PREFIX.length)) : undefined;
  if (key?.length !== KEY_BYTES) throw noSecret(path, KEY_FILE);
  return new Identity(key);
}
