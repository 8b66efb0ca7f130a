// Where the bytes of a download go: a file that appears under its name only when it is complete and on the
// disk, or a stream (standard output, a device, a pipe) that gets them as they come.

import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, open, realpath, rename, stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { removeAtExit } from './cleanup.ts';
import { EXIT } from './exit-codes.ts';
import { CliError, fileProblem, isErrnoException, usageError } from './failure.ts';
import { type CliIo, writeFully } from './io.ts';
import { openNamedPipe } from './named-pipe.ts';
import { quoteName } from './units.ts';

/** Takes the bytes of one file, in order. Disposed without `commit`, it leaves no file behind. */
export interface Output extends AsyncDisposable {
  /** As shown in messages. */
  readonly label: string;
  /** Resolves when more may be written. `bytes` may be reused after that. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes what was written durable and visible. */
  commit(): Promise<void>;
}

/**
 * Opens the place for a download; `-` or nothing is standard output. Fails before anything is fetched when the
 * target cannot be written.
 * @throws CliError
 */
export async function openOutput(target: string | undefined, io: CliIo): Promise<Output> {
  if (target === undefined || target === '-') return new StandardOutput(io);
  try {
    const existing = await statOrUndefined(target);
    if (existing?.isDirectory() || target.endsWith('/')) {
      throw usageError(`${quoteName(target)} is a folder`, 'give the name of a file in it: -o FOLDER/NAME');
    }
    if (existing?.isFIFO()) {
      const pipe = await openNamedPipe(target, 'write', io.interrupted);
      return new PipeOutput(pipe, target, io.interrupted);
    }
    if (existing !== undefined && !existing.isFile())
      return new DirectOutput(await open(target, 'w'), target);
    // Its folder would allow it; but whoever took away the right to write meant that it stays.
    if (existing !== undefined && (existing.mode & 0o222) === 0) throw readOnlyFile(target);
    // Through a symbolic link: the file that it points to is replaced, not the link.
    const path = existing === undefined ? target : await realpath(target);
    return await openAtomic(path, existing);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT' && (await statOrUndefined(dirname(target)))) {
      throw noPlainFolder(error, target);
    }
    throw outputError(error, target);
  }
}

async function openAtomic(path: string, existing: Stats | undefined): Promise<Output> {
  const temporary = join(dirname(path), `.nevermind-${randomBytes(8).toString('hex')}.part`);
  const handle = await open(temporary, 'wx');
  const cleanup = removeAtExit(temporary);
  if (existing !== undefined) await handle.chmod(existing.mode & 0o777).catch(() => {});
  return new AtomicFile(path, temporary, handle, cleanup);
}

class AtomicFile implements Output {
  readonly label: string;
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #cleanup: { removeNow(): Promise<void> };
  #isOpen = true;

  constructor(path: string, temporary: string, handle: FileHandle, cleanup: { removeNow(): Promise<void> }) {
    this.label = quoteName(path);
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#cleanup = cleanup;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#handle, bytes);
    } catch (error) {
      throw outputError(error, this.#path);
    }
  }

  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#close();
      await rename(this.#temporary, this.#path);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      throw outputError(error, this.#path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#cleanup.removeNow();
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#handle.close();
  }
}

/** A device: no second name, nothing to rename. */
class DirectOutput implements Output {
  readonly label: string;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.label = quoteName(path);
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#handle, bytes);
    } catch (error) {
      throw outputError(error, this.label);
    }
  }

  async commit(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** A pipe with a name, whose reader may take its time. */
class PipeOutput implements Output {
  readonly label: string;
  readonly #pipe: Socket;
  readonly #interrupted: AbortSignal;

  constructor(pipe: Socket, path: string, interrupted: AbortSignal) {
    this.label = quoteName(path);
    this.#pipe = pipe;
    this.#interrupted = interrupted;
    // Told to whoever writes; nobody else need hear of it.
    pipe.on('error', () => {});
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeFully(this.#pipe, bytes, this.#interrupted);
  }

  async commit(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pipe.destroy();
  }
}

class StandardOutput implements Output {
  readonly label: string = 'standard output';
  readonly #io: CliIo;

  constructor(io: CliIo) {
    this.#io = io;
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeFully(this.#io.stdout, bytes, this.#io.interrupted);
  }

  async commit(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let doneBytes = 0;
  while (doneBytes < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, doneBytes);
    doneBytes += bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder to sync it; NTFS journals its names.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function statOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readOnlyFile(target: string): CliError {
  return new CliError(`${quoteName(target)} is there already and is read-only`, {
    code: 'EACCES',
    exitCode: EXIT.other,
    next: 'write somewhere else with -o FILE, or make it writable first (chmod u+w)',
  });
}

/** Such as /proc, where no file can be made. */
function noPlainFolder(error: unknown, target: string): CliError {
  return new CliError(`cannot write the output: no file can be made in ${quoteName(dirname(target))}`, {
    code: 'ENOENT',
    exitCode: EXIT.other,
    next: 'write somewhere else with -o FILE',
    cause: error,
  });
}

function outputError(error: unknown, target: string): unknown {
  if (!isErrnoException(error)) return error;
  if (error.code === 'EPIPE') {
    return new CliError(`the reader of ${quoteName(target)} went away`, {
      code: 'OUTPUT_CLOSED',
      exitCode: EXIT.outputClosed,
      cause: error,
    });
  }
  const folderIsMissing = error.code === 'ENOENT';
  const path = folderIsMissing ? dirname(target) : target;
  return new CliError(`cannot write the output: ${fileProblem(error, path)}`, {
    code: error.code,
    exitCode: EXIT.other,
    next: folderIsMissing ? 'make the folder first' : 'write somewhere else with -o FILE',
    cause: error,
  });
}
