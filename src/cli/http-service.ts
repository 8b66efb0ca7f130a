// A node's service for clients of Tahoe-LAFS: its key, its certificate and the secret of its address are made once and
// kept in the node's folder, so that the address stays the same.

import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { base32Encode } from '../base/base32.ts';
import { makeTlsIdentity, type TlsIdentity } from '../gbs/certificate.ts';
import { type HttpsFacade, serveHttps } from '../gbs/https-facade.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { EXIT } from './exit-codes.ts';
import { CliError, isErrnoException } from './failure.ts';
import { quoteName } from './units.ts';

/** Where to serve what. */
export interface HttpServiceOptions {
  /** The node's folder, which nobody else uses meanwhile. */
  readonly dir: string;
  readonly server: StorageServer;
  readonly host: string;
  readonly port: number;
}

/** Serves; the address is the same each time. @throws RpcError, CliError. */
export async function openHttpService(options: HttpServiceOptions): Promise<HttpsFacade> {
  const { dir, server, host, port } = options;
  const identity = await keptText(join(dir, 'http.pem'), () => {
    const { privateKey, certificate } = makeTlsIdentity();
    return privateKey + certificate;
  });
  const swissnum = await keptText(
    join(dir, 'http.secret'),
    () => `${base32Encode(randomBytes(SECRET_BYTES))}\n`,
  );
  return serveHttps({
    server,
    host,
    port,
    identity: identityOf(identity, join(dir, 'http.pem')),
    swissnum: swissnum.trim(),
  });
}

/** What a file holds; it is made, and readable to its owner only, when it is not there. */
async function keptText(path: string, make: () => string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'ENOENT') throw error;
  }
  const text = make();
  await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  return text;
}

function identityOf(pem: string, path: string): TlsIdentity {
  const [privateKey] =
    /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----\n/.exec(pem) ?? [];
  const [certificate] = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n/.exec(pem) ?? [];
  if (privateKey !== undefined && certificate !== undefined) return { privateKey, certificate };
  throw new CliError(`${quoteName(path)} does not hold a private key and a certificate`, {
    code: 'BAD_KEY_FILE',
    exitCode: EXIT.other,
    next: 'bring it back from a backup, or remove it: the node will then have another address',
  });
}

/** 160 bits, as Tahoe-LAFS's own. */
const SECRET_BYTES = 20;
