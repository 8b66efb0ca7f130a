// `nevermind repair`: makes missing and damaged shares of a file again.

import { repair as repairFile } from '../grid/repair.ts';
import { type CheckOptions, lookAfter } from './check.ts';
import { EXIT } from './exit-codes.ts';
import { healthExitCode, healthFields, healthText, leaseWarnings } from './health-words.ts';
import type { CliIo } from './io.ts';
import { runVerb } from './verb.ts';

/** Repairs the file that `text`, a capability of any kind, names. */
export function repair(io: CliIo, text: string, options: CheckOptions): Promise<number> {
  const { json, verbose } = options;
  return runVerb(io, { name: 'repair', json, verbose, afterInterrupt: AGAIN }, async ({ progress }) => {
    const { before, after, written } = await lookAfter(io, text, options, progress, repairFile);
    const places = written.map(
      ({ shareNumber, serverName }) => `  written: share ${shareNumber} at ${serverName}\n`,
    );
    const isUnchanged = before.healthy && written.length === 0;
    const was = isUnchanged ? 'nothing to repair; ' : `was ${healthText(before)}now `;
    return {
      text: `${was}${healthText(after)}${places.join('')}`,
      warnings: leaseWarnings(after),
      exitCode: after.healthy ? EXIT.ok : healthExitCode(after),
      summary: {
        before: healthFields(before),
        after: healthFields(after),
        written,
        elapsedMs: Math.round(progress.elapsedMs),
      },
    };
  });
}

const AGAIN =
  'shares that were final already stay, the servers were told to drop the others; run the same command again';
