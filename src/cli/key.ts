// `nevermind key`: makes a key file, or reads the one that is there, and prints the public key: what the owner of a
// storage node writes into the list of those that may use it.

import { type CliIo, writeFully } from './io.ts';
import { keepKeyFile } from './key-file.ts';
import { runVerb } from './verb.ts';

/** Standard output gets one line, the public key: 43 characters. */
export function key(io: CliIo, path: string): Promise<number> {
  return runVerb(io, { name: 'key', afterInterrupt: '' }, async ({ progress }) => {
    const identity = await keepKeyFile(path);
    progress.stop();
    await writeFully(io.stdout, `${identity.name}\n`);
    return { summary: {} };
  });
}
