// Named pipes, read and written so that they can be left. The file system's own calls wait for the other end in a
// thread that nothing ends, not even process.exit; a socket is told when there is something to do.

import { close, constants, open } from 'node:fs';
import { Socket } from 'node:net';

/**
 * Opens the pipe at `path` as soon as somebody has its other end. Whoever gets the stream destroys it.
 * @throws the file system's error, or `signal.reason`.
 */
export async function openNamedPipe(
  path: string,
  direction: 'read' | 'write',
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const opening = openDescriptor(path, direction === 'read' ? constants.O_RDONLY : constants.O_WRONLY);
  const onAbort = (): void => {
    // Who opens a pipe for both directions is its other end, and does not wait for one.
    openDescriptor(path, constants.O_RDWR | constants.O_NONBLOCK).then(
      (bothEnds) => opening.catch(() => {}).then(() => closeDescriptor(bothEnds)),
      () => {},
    );
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const descriptor = await opening;
    if (signal.aborted) {
      closeDescriptor(descriptor);
      throw signal.reason;
    }
    return new Socket({ fd: descriptor, readable: direction === 'read', writable: direction === 'write' });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, (error, descriptor) => (error ? reject(error) : resolve(descriptor)));
  });
}

function closeDescriptor(descriptor: number): void {
  // Nothing was written: there is nothing that a failure could lose.
  close(descriptor, () => {});
}
