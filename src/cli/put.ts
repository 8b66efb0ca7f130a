// `nevermind put`: one file, or standard input, to the grid. Prints the capability when the upload is complete.

import { upload } from '../grid/upload.ts';
import { openSource } from './file-source.ts';
import { loadGrid } from './grid-file.ts';
import type { CliIo } from './io.ts';
import { leaseSecret } from './lease-secret.ts';
import { connectGrid, type TransportKind } from './network.ts';
import { checkShareNumbers, convergenceSecret } from './options.ts';
import { openTrace } from './trace.ts';
import { formatBytes, formatDuration, formatRate } from './units.ts';
import { runVerb } from './verb.ts';

/** What `put` takes besides the file. */
export interface PutOptions {
  readonly grid?: string | undefined;
  readonly transport?: TransportKind | undefined;
  readonly key?: string | undefined;
  readonly trace?: string | undefined;
  readonly verbose?: boolean | undefined;
  readonly needed: number;
  readonly happy: number;
  readonly total: number;
  readonly segmentSize: number;
  readonly convergence?: Uint8Array | undefined;
  readonly waitForAll?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Uploads `file`; `-` is standard input, of any length. */
export function put(io: CliIo, file: string, options: PutOptions): Promise<number> {
  const { json, verbose } = options;
  return runVerb(io, { name: 'put', json, verbose, afterInterrupt: AGAIN }, async ({ progress }) => {
    checkShareNumbers(options);
    const convergence = convergenceSecret(options.convergence, io.env);
    const grid = await loadGrid(options.grid, io.env);
    const secret = await leaseSecret(io.env);
    progress.startStage('reading');
    await using source = await openSource(file, io, (spooledBytes) => progress.advance(spooledBytes));
    await using trace = await openTrace(io, options, 'client');
    await using connection = await connectGrid(grid, { ...options, trace });
    const { needed, happy, total, segmentSize, waitForAll } = options;
    const result = await upload(source, connection.servers, {
      needed,
      happy,
      total,
      segmentSizeBytes: segmentSize,
      convergence,
      leaseSecret: secret,
      waitForAll,
      signal: io.interrupted,
      clock: connection.transport.clock,
      random: connection.random,
      retries: connection.transport.retries,
      onProgress: ({ stage, doneBytes, totalBytes }) => {
        if (stage !== progress.stage) progress.startStage(stage, totalBytes);
        progress.advance(doneBytes, totalBytes);
      },
    });
    const { elapsedMs } = progress;
    const { capability, happiness, replaced } = result;
    const fileBytes = source.sizeBytes;
    return {
      text: `${capability}\n`,
      note: `${formatBytes(fileBytes)} in ${formatDuration(elapsedMs)}, ${formatRate(fileBytes, elapsedMs)}`,
      warnings: replaced.map(({ shareNumber, from, to, reason }) => {
        const where = to === undefined ? 'no other server took it' : `it went to ${to}`;
        return `share ${shareNumber}: ${from} ${reason}; ${where}`;
      }),
      summary: {
        capability,
        fileBytes,
        elapsedMs: Math.round(elapsedMs),
        happiness,
        replaced: replaced.map((each) => ({ ...each, to: each.to ?? null })),
      },
    };
  });
}

const AGAIN =
  'the servers were told to drop what was not final, and keep shares that were; run the same command again';
