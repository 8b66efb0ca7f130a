// `nevermind node`: one storage server on a folder of this machine, reachable through a transport and, if wanted, over
// Tahoe-LAFS's HTTP protocol too. Standard output carries its addresses, a line each, and nothing else.

import { once } from 'node:events';
import { join } from 'node:path';
import type { HttpsFacade } from '../gbs/https-facade.ts';
import { type Identity, swissnumOf } from '../session/identity.ts';
import { DiskStorageServer } from '../storage/disk-server.ts';
import type { ExpiryWalk } from '../storage/lease-expiry.ts';
import { serveStorage } from '../storage/rpc-methods.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { isSwissnum, printableAddress } from '../transport/address.ts';
import { AllowList } from './allow-list.ts';
import { EXIT } from './exit-codes.ts';
import { CliError, fileProblem, isErrnoException } from './failure.ts';
import { lockFolder } from './folder-lock.ts';
import { openHttpService } from './http-service.ts';
import { type CliIo, writeFully } from './io.ts';
import { keepKeyFile } from './key-file.ts';
import { makeFolders } from './make-folders.ts';
import { openTransport, type TransportKind } from './network.ts';
import { keepSecret, noSecret, type SecretKind } from './secret-file.ts';
import { openTrace } from './trace.ts';
import { runVerb } from './verb.ts';

/** Where a node keeps its shares and where it is reached. */
export interface NodeOptions {
  readonly dir: string;
  readonly transport?: TransportKind | undefined;
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  readonly trace?: string | undefined;
  /** A list of the clients that may use it; without one, everybody with its address. */
  readonly allow?: string | undefined;
  /** The port for clients of Tahoe-LAFS; 0 is any free one, without it there is none. */
  readonly http?: number | undefined;
  readonly expireLeases?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
  /** Bytes of the disk that are left to others. */
  readonly reserve?: number | undefined;
}

/** Serves until a signal asks it to stop; to stop when asked is a success. */
export function node(io: CliIo, options: NodeOptions): Promise<number> {
  const stop = AbortSignal.any([io.interrupted, parentGone()]);
  const quiet: CliIo = { ...io, interrupted: new AbortController().signal };
  return runVerb(quiet, { name: 'node', afterInterrupt: '' }, async ({ progress }) => {
    progress.startStage('opening the folder');
    await makeFolder(options.dir);
    await using _lock = await lock(options.dir);
    const identity = await keepKeyFile(join(options.dir, 'node.key'));
    const swissnum = await keptSwissnum(options.dir, identity);
    using allowed = options.allow === undefined ? undefined : await AllowList.open(options.allow, io);
    progress.startStage('opening the port');
    await using trace = await openTrace(io, options, 'server');
    const who = { identity, swissnum, ...(allowed && { allow: allowed.allows }) };
    await using transport = await openTransport({ ...options, trace }, who);
    progress.startStage('opening the shares');
    await using server = await DiskStorageServer.open({
      folder: join(options.dir, 'storage'),
      name: printableAddress(transport.address),
      clock: transport.clock,
      unixSeconds: () => Date.now() / 1000,
      readOnly: options.readOnly,
      reservedBytes: options.reserve,
      expireLeases: options.expireLeases ? tellOfWalk(io) : undefined,
    }).catch((error: unknown) => {
      throw cannotStart(error);
    });
    serveStorage(transport, server);
    await using http = await openHttp(options, server);
    progress.stop();
    const addresses = [transport.address, ...(http === undefined ? [] : [http.address])];
    await writeFully(io.stdout, `${addresses.join('\n')}\n`);
    if (!stop.aborted) await once(stop, 'abort');
    return { summary: {} };
  });
}

/** Kept apart from the key, so that its owner can change it: who has the old address is then locked out. */
async function keptSwissnum(dir: string, identity: Identity): Promise<string> {
  const path = join(dir, 'node.swissnum');
  const swissnum = await keepSecret(path, SWISSNUM, () => swissnumOf(identity));
  if (!isSwissnum(swissnum)) throw noSecret(path, SWISSNUM);
  return swissnum;
}

const SWISSNUM: SecretKind = {
  name: 'swissnum (1 to 128 letters, digits, "-" or "_")',
  remedy: 'bring it back from a backup, or remove it: the address is then the one that follows from the key',
};

async function openHttp(
  { dir, http, host = LOOPBACK }: NodeOptions,
  server: StorageServer,
): Promise<HttpsFacade | undefined> {
  if (http === undefined) return undefined;
  return openHttpService({ dir, server, host, port: http });
}

/** One line for each walk that removed something or met something that it could not. */
function tellOfWalk(io: CliIo): (walk: ExpiryWalk) => void {
  return ({ sharesSeen, sharesRemoved, failures }) => {
    if (sharesRemoved + failures === 0) return;
    const problem = failures === 0 ? '' : `; ${failures} could not be looked at or removed`;
    const removed = `removed ${sharesRemoved} of ${sharesSeen} shares, whose last lease had ended`;
    io.stderr.write(`nevermind node: ${removed}${problem}\n`);
  };
}

/** Aborts when the parent that started this process with an IPC channel is gone, however it went. */
function parentGone(): AbortSignal {
  const controller = new AbortController();
  if (process.connected) process.once('disconnect', () => controller.abort());
  return controller.signal;
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await makeFolders(folder);
  } catch (error) {
    throw folderError(error, folder);
  }
}

async function lock(folder: string): Promise<AsyncDisposable> {
  try {
    return await lockFolder(folder);
  } catch (error) {
    throw folderError(error, folder);
  }
}

/** The storage server's own words name the folder and say what to do. */
function cannotStart(error: unknown): unknown {
  if (!(error instanceof Error) || !isErrnoException(error.cause)) return error;
  return new CliError(error.message, {
    code: error.cause.code,
    exitCode: EXIT.other,
    next: 'correct that, or give another folder: --dir DIR',
    cause: error,
  });
}

function folderError(error: unknown, folder: string): unknown {
  if (!isErrnoException(error)) return error;
  return new CliError(`the node's folder cannot be used: ${fileProblem(error, folder)}`, {
    code: error.code,
    exitCode: EXIT.other,
    next: 'give a folder that you may write to: --dir DIR',
    cause: error,
  });
}

const LOOPBACK = '127.0.0.1';
