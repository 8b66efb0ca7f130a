// `nevermind get`: one file from the grid, to a file that appears when it is complete, or to standard output.

import { download } from '../grid/download.ts';
import { parseCapability } from '../tahoe/capability.ts';
import { type Grid, loadGrid } from './grid-file.ts';
import type { CliIo } from './io.ts';
import { connectGrid, type TransportKind } from './network.ts';
import { openOutput } from './output.ts';
import { openTrace } from './trace.ts';
import { formatBytes, formatDuration, formatRate } from './units.ts';
import { runVerb } from './verb.ts';

/** What `get` takes besides the capability. */
export interface GetOptions {
  readonly grid?: string | undefined;
  readonly transport?: TransportKind | undefined;
  readonly key?: string | undefined;
  readonly trace?: string | undefined;
  readonly verbose?: boolean | undefined;
  readonly output?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Downloads the file that `text`, a capability, names. */
export function get(io: CliIo, text: string, options: GetOptions): Promise<number> {
  const stdoutIsData = options.output === undefined || options.output === '-';
  const { json, verbose } = options;
  const verb = { name: 'get', json, verbose, stdoutIsData, afterInterrupt: AGAIN };
  return runVerb(io, verb, async ({ progress }) => {
    const capability = parseCapability(text);
    // What a literal holds is in the capability itself: no server is asked, none need be known.
    const isLiteral = capability.kind === 'lit';
    const grid: Grid = isLiteral ? { servers: [] } : await loadGrid(options.grid, io.env);
    const totalBytes = isLiteral ? capability.bytes.length : capability.sizeBytes;

    await using output = await openOutput(options.output, io);
    await using trace = await openTrace(io, options, 'client');
    await using connection = await connectGrid(grid, { ...options, trace });
    let doneBytes = 0;
    const bytesOfFile = download(text, connection.servers, {
      signal: io.interrupted,
      clock: connection.transport.clock,
      random: connection.random,
      retries: connection.transport.retries,
      onProgress: ({ stage }) => {
        if (stage === progress.stage) return;
        progress.startStage(stage, totalBytes);
        progress.advance(doneBytes, totalBytes);
      },
    });
    for await (const bytes of bytesOfFile) {
      await output.write(bytes);
      doneBytes += bytes.length;
      progress.advance(doneBytes, totalBytes);
    }
    io.interrupted.throwIfAborted();
    await output.commit();
    const { elapsedMs } = progress;
    const corruptShares = bytesOfFile.corruptions.map(
      ({ serverName, shareNumber, what }) => `share ${shareNumber} at ${serverName}: ${what}`,
    );
    return {
      warnings: corruptShares.map((text) => `corrupt and replaced by another share: ${text}`),
      note: `${formatBytes(doneBytes)} in ${formatDuration(elapsedMs)}, ${formatRate(doneBytes, elapsedMs)}`,
      summary: {
        fileBytes: doneBytes,
        elapsedMs: Math.round(elapsedMs),
        corruptShares,
        corruptions: corruptShares.length,
        hedges: bytesOfFile.hedges,
      },
    };
  });
}

const AGAIN = 'no incomplete file was left; run the same command again';
