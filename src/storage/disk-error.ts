// What a file system's error means to the client of a storage server. No path of this machine gets into a
// message, since messages travel; the original error stays as `cause` for the server's own log.

import { fileErrorCode } from './files.ts';
import { StorageError } from './storage-server.ts';

/** The StorageError for what a file operation threw; a StorageError passes as it is. */
export function diskError(error: unknown, doing: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = fileErrorCode(error);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new StorageError('NO_SPACE', `${doing}: the server's disk is full (${code})`, { cause: error });
    case 'EFBIG':
      return new StorageError(
        'TOO_LARGE',
        `${doing}: larger than a file may be on the server's disk (EFBIG)`,
        {
          cause: error,
        },
      );
    default:
      return new StorageError('IO_ERROR', `${doing}: the server's disk failed (${code ?? 'unknown error'})`, {
        cause: error,
      });
  }
}

/** The error of a server that cannot start: for its owner, so it names the folder and says what to do. */
export function startError(folder: string, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(`cannot keep shares in ${folder}: ${reason}. ${adviceFor(fileErrorCode(error))}`, {
    cause: error,
  });
}

/** Runs `task` and lets a file system's error go with one of `codes`: what it says is no failure here. */
export async function ignoring(codes: readonly string[], task: Promise<unknown>): Promise<void> {
  try {
    await task;
  } catch (error) {
    if (!codes.includes(fileErrorCode(error) ?? '')) throw error;
  }
}

function adviceFor(code: string | undefined): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'Give the user that runs the server the right to write there, or choose another folder.';
    case 'EROFS':
      return 'The file system is mounted read-only: remount it, or choose another folder.';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'A file is in the way: move it, or choose another folder.';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The disk is full: free some space, or choose another folder.';
    case 'ENOENT':
      return 'There are no shares: choose another folder, or start the server without its read-only option.';
    default:
      return 'Check the disk, or choose another folder.';
  }
}
