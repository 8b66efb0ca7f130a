// `nevermind check` and `nevermind verify`: is a file whole? One asks the servers, the other reads every share.

import { check as checkFile, type CheckOptions as GridCheckOptions } from '../grid/check.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { parseCapability } from '../tahoe/capability.ts';
import { type Grid, loadGrid } from './grid-file.ts';
import { type AnyHealth, healthExitCode, healthFields, healthText, leaseWarnings } from './health-words.ts';
import type { CliIo } from './io.ts';
import { leaseSecret } from './lease-secret.ts';
import { connectGrid, type GridConnection, type TransportKind } from './network.ts';
import type { Progress } from './progress-tracker.ts';
import { openTrace } from './trace.ts';
import { runVerb, type VerbResult } from './verb.ts';

/** What the verbs that look after a file take besides its capability. */
export interface CheckOptions {
  readonly grid?: string | undefined;
  readonly transport?: TransportKind | undefined;
  readonly key?: string | undefined;
  readonly trace?: string | undefined;
  readonly verbose?: boolean | undefined;
  readonly addLease?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Asks which shares of the file are where. */
export function check(io: CliIo, text: string, options: CheckOptions): Promise<number> {
  return runCheck('check', io, text, options, checkFile);
}

/** Reads and proves every share of the file. */
export function verify(io: CliIo, text: string, options: CheckOptions): Promise<number> {
  return runCheck('verify', io, text, options, async (...args) =>
    (await import('../grid/verify.ts')).verify(...args),
  );
}

/** What is done with a file, given its servers. */
export type Look<T> = (
  capability: string,
  servers: readonly StorageServer[],
  options: GridCheckOptions,
) => Promise<T>;

/** Connects to the grid, looks, and shows how far that is. */
export async function lookAfter<T>(
  io: CliIo,
  text: string,
  options: CheckOptions,
  progress: Progress,
  look: Look<T>,
): Promise<T> {
  // What a literal holds is in the capability itself: no server is asked, none need be known.
  const isLiteral = parseCapability(text).kind === 'lit';
  const grid: Grid = isLiteral ? { servers: [] } : await loadGrid(options.grid, io.env);
  const secret = options.addLease ? await leaseSecret(io.env) : undefined;
  await using trace = await openTrace(io, options, 'client');
  await using connection: GridConnection = await connectGrid(grid, { ...options, trace });
  return await look(text, connection.servers, {
    clock: connection.transport.clock,
    random: connection.random,
    retries: connection.transport.retries,
    signal: io.interrupted,
    leaseSecret: secret,
    onProgress: ({ stage, done, total }) => {
      if (stage !== progress.stage) progress.startStage(stage);
      // Servers that have answered are not bytes; how many they are is soon known.
      if (stage !== 'locating') progress.advance(done, total);
    },
  });
}

function runCheck(
  name: string,
  io: CliIo,
  text: string,
  options: CheckOptions,
  look: Look<AnyHealth>,
): Promise<number> {
  const { json, verbose } = options;
  const frame = { name, json, verbose, afterInterrupt: 'nothing was changed; run the same command again' };
  return runVerb(io, frame, async ({ progress }): Promise<VerbResult> => {
    const health = await lookAfter(io, text, options, progress, look);
    const needsRepair = health.recoverable && !health.healthy;
    return {
      text: healthText(health),
      warnings: leaseWarnings(health),
      ...(needsRepair && { note: `next: nevermind repair, with the same capability and grid` }),
      exitCode: healthExitCode(health),
      summary: { ...healthFields(health), elapsedMs: Math.round(progress.elapsedMs) },
    };
  });
}
