// A node's service for clients of Tahoe-LAFS: its key, its certificate and the secret of its address are made once and
// kept in the node's folder, so that the address stays the same.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { base32Encode } from '../base/base32.ts';
import { makeTlsIdentity, type TlsIdentity } from '../gbs/certificate.ts';
import { type HttpsFacade, serveHttps } from '../gbs/https-facade.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { keepSecret, noSecret, type SecretKind } from './secret-file.ts';

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
  const pemPath = join(dir, 'http.pem');
  const pem = await keepSecret(pemPath, PEM, () => {
    const { privateKey, certificate } = makeTlsIdentity();
    return privateKey + certificate.trimEnd();
  });
  const identity = identityOf(pem);
  if (identity === undefined) throw noSecret(pemPath, PEM);
  const swissnum = await keepSecret(join(dir, 'http.secret'), SECRET, () =>
    base32Encode(randomBytes(SECRET_BYTES)),
  );
  return serveHttps({ server, host, port, identity, swissnum });
}

function identityOf(pem: string): TlsIdentity | undefined {
  const [privateKey] =
    /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/.exec(pem) ?? [];
  const [certificate] = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(pem) ?? [];
  if (privateKey === undefined || certificate === undefined) return undefined;
  return { privateKey: `${privateKey}\n`, certificate: `${certificate}\n` };
}

const REMEDY = 'bring it back from a backup, or remove it: the node will then have another address';
const PEM: SecretKind = { name: 'private key with its certificate', remedy: REMEDY };
const SECRET: SecretKind = { name: 'secret of an address', remedy: REMEDY };

/** 160 bits, as Tahoe-LAFS's own. */
const SECRET_BYTES = 20;
