// Files kept open between the writes of hundreds of uploads, so many at most. What makes room is synced before
// it is closed: the system reports a lost write to those who hold the file open, and maybe to nobody later.

import type { FileAccess, Files, OpenFile } from './files.ts';

interface Entry {
  readonly path: string;
  readonly file: OpenFile;
  inUse: boolean;
}

/** A bounded cache of open files, least recently used first out. The caller uses a path once at a time. */
export class OpenFiles {
  readonly #files: Files;
  readonly #limit: number;
  /** In order of last use, oldest first. */
  readonly #entries = new Map<string, Entry>();
  /** Paths whose sync failed when they made room, with the error that their next use gets. */
  readonly #lost = new Map<string, unknown>();
  readonly #closing = new Map<string, Promise<void>>();
  /** Files open, opening or closing. */
  #places = 0;
  #waiting: (() => void)[] = [];

  constructor(files: Files, limit: number) {
    this.#files = files;
    this.#limit = limit;
  }

  /** Files open now, those being opened or closed among them. */
  get openCount(): number {
    return this.#places;
  }

  /** Runs `action` with the open file, which it must not close. @throws the file system's errors. */
  async use<T>(path: string, access: FileAccess, action: (file: OpenFile) => Promise<T>): Promise<T> {
    const entry = await this.#acquire(path, access);
    try {
      return await action(entry.file);
    } finally {
      entry.inUse = false;
      this.#entries.delete(path);
      this.#entries.set(path, entry);
      this.#waiting.shift()?.();
    }
  }

  /** Closes the file, if it is open, without syncing it, and forgets what became of it. */
  async release(path: string): Promise<void> {
    await this.#closing.get(path);
    this.#lost.delete(path);
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    try {
      await entry.file.close();
    } finally {
      this.#freePlace();
    }
  }

  async #acquire(path: string, access: FileAccess): Promise<Entry> {
    await this.#closing.get(path);
    if (this.#lost.has(path)) throw this.#lost.get(path);
    const open = this.#entries.get(path);
    if (open !== undefined) {
      open.inUse = true;
      return open;
    }
    await this.#takePlace();
    try {
      const entry: Entry = { path, file: await this.#files.open(path, access), inUse: true };
      this.#entries.set(path, entry);
      return entry;
    } catch (error) {
      this.#freePlace();
      throw error;
    }
  }

  async #takePlace(): Promise<void> {
    while (this.#places >= this.#limit) {
      const oldest = this.#oldestIdle();
      if (oldest !== undefined) await this.#makeRoom(oldest);
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#places++;
  }

  #oldestIdle(): Entry | undefined {
    for (const entry of this.#entries.values()) if (!entry.inUse) return entry;
    return undefined;
  }

  async #makeRoom(entry: Entry): Promise<void> {
    this.#entries.delete(entry.path);
    const closing = this.#syncAndClose(entry).finally(() => {
      this.#closing.delete(entry.path);
      this.#freePlace();
    });
    this.#closing.set(entry.path, closing);
    await closing;
  }

  async #syncAndClose(entry: Entry): Promise<void> {
    try {
      await entry.file.sync();
    } catch (error) {
      this.#lost.set(entry.path, error);
    }
    try {
      await entry.file.close();
    } catch (error) {
      this.#lost.set(entry.path, error);
    }
  }

  #freePlace(): void {
    this.#places--;
    this.#waiting.shift()?.();
  }
}
