// What must not stay behind when the process leaves in a hurry: on a second SIGINT or an uncaught error only
// synchronous work is possible. The orderly way to clean up is the owner's `finally`.

import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';

/** Runs `cleanUp` synchronously when the process exits, however it exits, short of SIGKILL. */
export function atExit(cleanUp: () => void): Disposable {
  process.on('exit', cleanUp);
  return {
    [Symbol.dispose](): void {
      process.off('exit', cleanUp);
    },
  };
}

/** A temporary file or folder that is removed now or, failing that, when the process exits. */
export function removeAtExit(path: string): { removeNow(): Promise<void> } {
  const guard = atExit(() => rmSync(path, { recursive: true, force: true }));
  return {
    async removeNow(): Promise<void> {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
      guard[Symbol.dispose]();
    },
  };
}
