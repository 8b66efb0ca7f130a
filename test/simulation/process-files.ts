// The disk as one process sees it: operations take time, and from the moment when the process is gone none of them
// has an effect or comes back. What of it survives a power cut is decided by MemoryFiles.

import type { Clock } from '../../src/base/clock.ts';
import type { MemoryFiles } from '../../src/sim/memory-files.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import {
  type FileAccess,
  type FileStat,
  type Files,
  fileErrorCode,
  type OpenFile,
} from '../../src/storage/files.ts';

/** How a process and its disk are connected. */
export interface ProcessFilesOptions {
  readonly disk: MemoryFiles;
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** Longest time of an operation; 0: all are done at once. */
  readonly latencyMsMax: number;
  /** The disk has lost its power in the middle of an operation. */
  readonly onPowerCut: () => void;
}

export class ProcessFiles implements Files {
  readonly #options: ProcessFilesOptions;
  #alive = true;
  /** Files that are open. */
  openFiles = 0;

  constructor(options: ProcessFilesOptions) {
    this.#options = options;
  }

  /** The process is gone. */
  kill(): void {
    this.#alive = false;
  }

  makeFolders(path: string): Promise<string | undefined> {
    return this.#do((disk) => disk.makeFolders(path));
  }

  list(path: string): Promise<readonly string[]> {
    return this.#do((disk) => disk.list(path));
  }

  stat(path: string): Promise<FileStat> {
    return this.#do((disk) => disk.stat(path));
  }

  async open(path: string, access: FileAccess): Promise<OpenFile> {
    const file = await this.#do((disk) => disk.open(path, access));
    this.openFiles++;
    return {
      read: (into, position) => this.#do(() => file.read(into, position)),
      write: (bytes, position) => this.#do(() => file.write(bytes, position)),
      sizeBytes: () => this.#do(() => file.sizeBytes()),
      truncate: (sizeBytes) => this.#do(() => file.truncate(sizeBytes)),
      sync: () => this.#do(() => file.sync()),
      close: () => {
        this.openFiles--;
        return this.#do(() => file.close());
      },
    };
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do((disk) => disk.rename(from, to));
  }

  unlink(path: string): Promise<void> {
    return this.#do((disk) => disk.unlink(path));
  }

  removeFolder(path: string): Promise<void> {
    return this.#do((disk) => disk.removeFolder(path));
  }

  syncFolder(path: string): Promise<void> {
    return this.#do((disk) => disk.syncFolder(path));
  }

  freeBytes(path: string): Promise<number> {
    return this.#do((disk) => disk.freeBytes(path));
  }

  async #do<T>(operation: (disk: MemoryFiles) => Promise<T>): Promise<T> {
    if (!this.#alive) return NEVER;
    const { disk, clock, random, latencyMsMax, onPowerCut } = this.#options;
    if (latencyMsMax > 0) {
      await new Promise<void>((done) => void clock.setTimer(random.float() * latencyMsMax, done));
      if (!this.#alive) return NEVER;
    }
    try {
      const result = await operation(disk);
      return this.#alive ? result : NEVER;
    } catch (error) {
      if (!this.#alive) return NEVER;
      if (fileErrorCode(error) !== 'ECRASHED') throw error;
      onPowerCut();
      return NEVER;
    }
  }
}

const NEVER: Promise<never> = new Promise(() => {});
