// `nevermind gateway`: an unmodified Tahoe-LAFS storage server, reached over HTTP, for clients that call nodes over a
// transport. A composition of the two; it keeps nothing itself. Standard output carries its address, one line.

import { once } from 'node:events';
import { GbsStorageServer } from '../gbs/gbs-server.ts';
import { NurlError, parseNurl } from '../gbs/nurl.ts';
import { generateIdentity } from '../session/identity.ts';
import { serveStorage } from '../storage/rpc-methods.ts';
import { systemRandom } from '../transport/system-random.ts';
import { AllowList } from './allow-list.ts';
import { usageError } from './failure.ts';
import { type CliIo, writeFully } from './io.ts';
import { keepKeyFile } from './key-file.ts';
import { gbsContext, openTransport, type TransportKind } from './network.ts';
import { openTrace } from './trace.ts';
import { runVerb } from './verb.ts';

/** Which server, and where it is to be reached. */
export interface GatewayOptions {
  readonly server: string;
  readonly transport?: TransportKind | undefined;
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  readonly trace?: string | undefined;
  /** A key file, made when it is not there, that keeps the address the same; without one it is another each time. */
  readonly key?: string | undefined;
  readonly allow?: string | undefined;
}

/** Serves until a signal asks it to stop; to stop when asked is a success. */
export function gateway(io: CliIo, options: GatewayOptions): Promise<number> {
  const quiet: CliIo = { ...io, interrupted: new AbortController().signal };
  return runVerb(quiet, { name: 'gateway', afterInterrupt: '' }, async ({ progress }) => {
    const nurl = addressOf(options.server);
    using allowed = options.allow === undefined ? undefined : await AllowList.open(options.allow, io);
    const identity =
      options.key === undefined ? generateIdentity(systemRandom) : await keepKeyFile(options.key);
    progress.startStage('opening the port');
    await using trace = await openTrace(io, options, 'server');
    await using transport = await openTransport(
      { ...options, trace },
      { identity, ...(allowed && { allow: allowed.allows }) },
    );
    using server = new GbsStorageServer(nurl, gbsContext(transport));
    progress.startStage('asking the server');
    // An address with a mistake in it is noticed now, not by the first client.
    await server.version({ signal: io.interrupted });
    serveStorage(transport, server);
    progress.stop();
    await writeFully(io.stdout, `${transport.address}\n`);
    if (!io.interrupted.aborted) await once(io.interrupted, 'abort');
    return { summary: {} };
  });
}

function addressOf(text: string): ReturnType<typeof parseNurl> {
  try {
    return parseNurl(text);
  } catch (error) {
    if (!(error instanceof NurlError)) throw error;
    throw usageError(
      `--server is no address of a Tahoe-LAFS storage server: ${error.message}`,
      'give pb://KEY@HOST:PORT/SECRET#v=1, as in anonymous-storage-NURLs of its announcement',
    );
  }
}
