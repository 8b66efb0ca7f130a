// What must not stay behind when the process leaves in a hurry: on a second SIGINT or an uncaught error only
// synchronous work is possible. The orderly way to clean up is the owner's `finally`.

import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';

/**
 * Runs `cleanUp` synchronously when the process exits, however it exits, short of SIGKILL; what was registered last
 * runs first, as with `using`: processes are killed before the folder that they write to is removed.
 */
export function atExit(cleanUp: () => void): Disposable {
  process.prependListener('exit', cleanUp);
  return {
    [Symbol.dispose](): void {
      process.off('exit', cleanUp);
    },
  };
}

/** A temporary file or folder that is removed now or, failing that, when the process exits. */
export function removeAtExit(path: string): { removeNow(): Promise<void> } {
  const guard = atExit(() => rmSync(path, REMOVE));
  return {
    async removeNow(): Promise<void> {
      await rm(path, REMOVE);
      guard[Symbol.dispose]();
    },
  };
}

/** With a few attempts: a process that was killed a moment ago may still finish what it was creating. */
const REMOVE = { recursive: true, force: true, maxRetries: 10, retryDelay: 20 } as const;
