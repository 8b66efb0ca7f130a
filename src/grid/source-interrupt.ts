// A source whose reading can be given up: an abort does not wait for a pipe that says nothing.

import type { UploadSource } from './source.ts';

/**
 * The same source; while it is read, an abort of `signal` rejects at once with its reason.
 * @param onRead how many bytes of this pass were read.
 */
export function interruptibleSource(
  source: UploadSource,
  signal: AbortSignal | undefined,
  onRead: (readBytes: number) => void,
): UploadSource {
  return {
    sizeBytes: source.sizeBytes,
    async *read(fromByte = 0) {
      const chunks = source.read(fromByte)[Symbol.asyncIterator]();
      let readBytes = fromByte;
      let isDone = false;
      try {
        for (;;) {
          signal?.throwIfAborted();
          const next = await orAborted(chunks.next(), signal);
          if (next.done) {
            isDone = true;
            return;
          }
          readBytes += next.value.length;
          onRead(readBytes);
          yield next.value;
        }
      } finally {
        // Not waited for: a source that hangs in `next` would hang here as well.
        if (!isDone) chunks.return?.().catch(() => {});
      }
    },
  };
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    // What was begun just now may have had that effect already.
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
