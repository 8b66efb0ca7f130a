// `nevermind cap`: the capability that a file would get, from the file alone. No grid, no network.

import { capabilityOf } from '../grid/capability-of.ts';
import { usageError } from './failure.ts';
import { openSource } from './file-source.ts';
import type { CliIo } from './io.ts';
import { checkShareNumbers, convergenceSecret } from './options.ts';
import { runVerb } from './verb.ts';

/** Everything that the capability depends on besides the file. */
export interface CapOptions {
  readonly convergence?: Uint8Array | undefined;
  readonly needed: number;
  readonly total: number;
  readonly segmentSize: number;
}

/** Prints the capability of `file` (`-` is standard input) on standard output. */
export function cap(io: CliIo, file: string, options: CapOptions): Promise<number> {
  return runVerb(io, { name: 'cap', afterInterrupt: AGAIN }, async ({ progress }) => {
    checkShareNumbers(options);
    const convergence = convergenceSecret(options.convergence, io.env);
    if (convergence === undefined) {
      throw usageError(
        'no convergence secret: without one the capability is random',
        'give --convergence BASE64, or set NEVERMIND_CONVERGENCE',
      );
    }
    progress.startStage('reading');
    await using source = await openSource(file, io, (spooledBytes) => progress.advance(spooledBytes));
    progress.startStage('hashing and encoding');
    const { needed, total, segmentSize } = options;
    // Read twice, for the key and for the shares.
    let readBytes = 0;
    const watched = {
      sizeBytes: source.sizeBytes,
      async *read(fromByte?: number): AsyncGenerator<Uint8Array, void, undefined> {
        for await (const chunk of source.read(fromByte)) {
          io.interrupted.throwIfAborted();
          readBytes += chunk.length;
          progress.advance(readBytes / 2, source.sizeBytes);
          yield chunk;
        }
      },
    };
    const capability = await capabilityOf(watched, {
      convergence,
      needed,
      total,
      segmentSizeBytes: segmentSize,
    });
    return { text: `${capability}\n`, summary: { capability } };
  });
}

const AGAIN = 'nothing was sent or written; run the same command again';
