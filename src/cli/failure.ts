// What a failed command tells its user: one sentence with stage, time passed and peers, one with what to do
// next, and the exit code. The sentences of the rooms below are used as they are.

import { GridError, type GridErrorCode } from '../grid/error.ts';
import { SourceError } from '../grid/source.ts';
import { StorageError } from '../storage/storage-server.ts';
import { CapabilityError } from '../tahoe/capability.ts';
import { RpcError } from '../transport/error.ts';
import { EXIT } from './exit-codes.ts';
import { formatDuration, quoteName } from './units.ts';

/** What a {@link CliError} is made of. */
export interface CliErrorInfo {
  readonly code: string;
  readonly exitCode: number;
  /** What the user may do now, as a clause without full stop. */
  readonly next?: string;
  readonly cause?: unknown;
}

/** Something that the command line itself could not do. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly code: string;
  readonly exitCode: number;
  readonly next: string | undefined;

  constructor(message: string, info: CliErrorInfo) {
    super(message, info.cause === undefined ? undefined : { cause: info.cause });
    this.code = info.code;
    this.exitCode = info.exitCode;
    this.next = info.next;
  }
}

/** Arguments or settings that cannot be used. */
export function usageError(message: string, next?: string): CliError {
  return new CliError(message, {
    code: 'USAGE',
    exitCode: EXIT.usage,
    ...(next === undefined ? {} : { next }),
  });
}

/** A failure as it is shown, in words or as JSON. */
export interface Failure {
  readonly exitCode: number;
  /** Stable, from the error itself. */
  readonly code: string;
  /** Complete: what, where, when. */
  readonly message: string;
  readonly next: string | undefined;
}

/** Where a verb was when it failed. */
export interface FailureContext {
  readonly stage: string;
  readonly elapsedMs: number;
}

/** Any thrown value as a {@link Failure}; what does not tell stage and time itself gets them from `context`. */
export function describeFailure(error: unknown, context: FailureContext): Failure {
  const where = `(${context.stage}, after ${formatDuration(context.elapsedMs)})`;
  if (error instanceof GridError) {
    return {
      exitCode: GRID_EXIT_CODES[error.code],
      code: error.code,
      message: error.report,
      next: error.advice,
    };
  }
  if (error instanceof CliError) {
    const message = error.exitCode === EXIT.usage ? error.message : `${error.message} ${where}`;
    return { exitCode: error.exitCode, code: error.code, message, next: error.next };
  }
  if (error instanceof CapabilityError) {
    return {
      exitCode: EXIT.usage,
      code: error.code,
      message: error.message,
      next:
        error.code === 'UNSUPPORTED_KIND'
          ? 'use a client of Tahoe-LAFS for mutable files and directories'
          : 'give the whole capability as "put" or "cap" printed it, e.g. URI:CHK:…',
    };
  }
  if (error instanceof RpcError) {
    return {
      exitCode: EXIT.other,
      code: error.code,
      message: `${error.message} ${where}`,
      next: RPC_ADVICE[error.code],
    };
  }
  if (error instanceof StorageError || error instanceof SourceError) {
    return { exitCode: EXIT.other, code: error.code, message: `${error.message} ${where}`, next: undefined };
  }
  if (isErrnoException(error)) {
    return {
      exitCode: EXIT.other,
      code: error.code,
      message: `${fileProblem(error)} ${where}`,
      next: FILE_ADVICE[error.code],
    };
  }
  return {
    exitCode: EXIT.other,
    code: 'UNEXPECTED',
    message: `${error instanceof Error ? error.message : String(error)} ${where}`,
    next: 'this is a mistake in nevermind itself; NEVERMIND_DEBUG=1 shows where it happened',
  };
}

/** An error of the operating system, with `code` and perhaps `path`. */
export function isErrnoException(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && 'errno' in error;
}

/** `no such file: notes.txt`, for any error of the file system. */
export function fileProblem(error: NodeJS.ErrnoException, path: string | undefined = error.path): string {
  const words = FILE_PROBLEMS[error.code ?? ''] ?? error.message;
  return path === undefined ? words : `${words}: ${quoteName(path)}`;
}

const GRID_EXIT_CODES: Readonly<Record<GridErrorCode, number>> = {
  NOT_FOUND: EXIT.notFound,
  NOT_ENOUGH_SHARES: EXIT.notEnoughShares,
  TOO_FEW_SERVERS: EXIT.tooFewServers,
  CORRUPT: EXIT.corrupt,
  BAD_CAPABILITY: EXIT.usage,
  BAD_ARGUMENT: EXIT.usage,
  SOURCE_CHANGED: EXIT.other,
};

const RPC_ADVICE: Readonly<Partial<Record<RpcError['code'], string>>> = {
  ADDRESS_IN_USE: 'give another --port, or --port 0 for any free one',
  HOST_UNKNOWN: 'check the name for typing errors, or give an IP address',
  NETWORK_UNREACHABLE: 'check that this machine has a route to the peer',
  PEER_UNREACHABLE: 'start the node, or correct its port in the grid file, and run the same command again',
  PEER_SILENT: 'check that the node runs, then run the same command again',
  DEADLINE_EXCEEDED: 'run the same command again when the peer is less busy',
  OVERLOADED: 'run the same command again in a moment',
};

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EEXIST: 'there is a file of that name',
  EISDIR: 'this is a folder, not a file',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
  EIO: 'the disk failed',
};

const FILE_ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'check the name; a name that begins with "-" goes after "--"',
  EACCES: 'check the permissions of the file and of the folders above it',
  ENOSPC: 'free some space, or set TMPDIR to a disk with room',
  EDQUOT: 'free some space, or set TMPDIR to a disk with room',
};
