// Files and standard input as sources of an upload. A regular file is read in place, by position; what has no
// length or cannot be read twice (standard input, pipes, devices, /proc) is first copied to a temporary file.

import type { Stats } from 'node:fs';
import { type FileHandle, mkdtemp, open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UploadSource } from '../grid/source.ts';
import { removeAtExit } from './cleanup.ts';
import { EXIT } from './exit-codes.ts';
import { CliError, fileProblem, isErrnoException, usageError } from './failure.ts';
import type { CliIo } from './io.ts';
import { openNamedPipe } from './named-pipe.ts';
import { quoteName } from './units.ts';

/** A source that holds a file open until it is disposed. */
export interface FileSource extends UploadSource, AsyncDisposable {
  /** As shown in messages. */
  readonly label: string;
}

/** Called while standard input is copied: nobody knows yet how much there will be. */
export type OnSpooled = (spooledBytes: number) => void;

/**
 * Opens `file`, `-` being standard input. The file must stay as it is until the source is disposed; a change
 * that is seen ends the reading with SOURCE_CHANGED.
 * @throws CliError
 */
export async function openSource(file: string, io: CliIo, onSpooled?: OnSpooled): Promise<FileSource> {
  if (file === '-') return spool(io.openStdin(), 'standard input', io.interrupted, onSpooled);
  const label = quoteName(file);
  if (await isNamedPipe(file)) {
    return spool(await openNamedPipe(file, 'read', io.interrupted), label, io.interrupted, onSpooled);
  }
  const handle = await openForReading(file);
  try {
    const stats = await handle.stat();
    if (stats.isDirectory())
      throw usageError(`${label} is a folder`, 'give one file; pack a folder with tar first');
    if (stats.isFile() && !(await hidesItsSize(handle, stats)))
      return new OpenFileSource(handle, stats, label);
    return await spool(handle.createReadStream(), label, io.interrupted, onSpooled);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What cannot be looked at is none: opening it says why. */
async function isNamedPipe(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFIFO() ?? false;
}

async function openForReading(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    throw new CliError(fileProblem(error, file), {
      code: error.code,
      exitCode: EXIT.other,
      next: 'check the name and its permissions; a name that begins with "-" goes after "--"',
      cause: error,
    });
  }
}

/** Whether a file that says it is empty is not: those of /proc are made while they are read. */
async function hidesItsSize(handle: FileHandle, { size }: Stats): Promise<boolean> {
  if (size > 0) return false;
  const { bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, 0);
  return bytesRead > 0;
}

async function spool(
  input: AsyncIterable<Uint8Array> & { destroy(): unknown },
  label: string,
  signal: AbortSignal,
  onSpooled: OnSpooled | undefined,
): Promise<FileSource> {
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-'));
  // Also when the process is told to leave at once; usually the folder is gone long before.
  const cleanup = removeAtExit(folder);
  const stopReading = (): void => void input.destroy();
  let handle: FileHandle | undefined;
  try {
    handle = await open(join(folder, 'input'), 'wx+', 0o600);
    // Where the system allows it, an open file without a name: nothing is left behind, whatever happens.
    if (process.platform !== 'win32') await cleanup.removeNow();

    signal.throwIfAborted();
    signal.addEventListener('abort', stopReading, { once: true });
    let spooledBytes = 0;
    try {
      for await (const chunk of input) {
        await handle.appendFile(chunk);
        spooledBytes += chunk.length;
        onSpooled?.(spooledBytes);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
    signal.throwIfAborted();
    return new OpenFileSource(handle, await handle.stat(), label, () => cleanup.removeNow());
  } catch (error) {
    await handle?.close();
    await cleanup.removeNow();
    throw error;
  } finally {
    signal.removeEventListener('abort', stopReading);
    stopReading();
  }
}

class OpenFileSource implements FileSource {
  readonly sizeBytes: number;
  readonly label: string;
  readonly #handle: FileHandle;
  readonly #stats: Stats;
  readonly #afterClose: () => Promise<void>;

  constructor(handle: FileHandle, stats: Stats, label: string, afterClose = async (): Promise<void> => {}) {
    this.#handle = handle;
    this.#stats = stats;
    this.#afterClose = afterClose;
    this.sizeBytes = stats.size;
    this.label = label;
  }

  async *read(fromByte: number = 0): AsyncGenerator<Uint8Array, void, undefined> {
    let position = fromByte;
    while (position < this.sizeBytes) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_SIZE_BYTES, this.sizeBytes - position));
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) throw this.#changed();
      position += bytesRead;
      if (position === this.sizeBytes) await this.#expectUnchanged();
      yield chunk.subarray(0, bytesRead);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await this.#afterClose();
  }

  async #expectUnchanged(): Promise<void> {
    const { size, mtimeMs } = await this.#handle.stat();
    if (size !== this.#stats.size || mtimeMs !== this.#stats.mtimeMs) throw this.#changed();
  }

  #changed(): CliError {
    return new CliError(`${this.label} was changed while it was being read`, {
      code: 'SOURCE_CHANGED',
      exitCode: EXIT.other,
      next: 'run the same command again when nobody writes to the file',
    });
  }
}

/** One read of the disk; the upload holds a handful of them. */
const CHUNK_SIZE_BYTES = 1024 * 1024;
